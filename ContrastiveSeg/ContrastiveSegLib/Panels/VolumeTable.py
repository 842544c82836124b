"""The table of the predicted structures: how large, how sure."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.Words import Words

_HEADER, _ROW, _MOST_ROWS = 24, 22, 6


class VolumeTable:
    """Fills the table, and says which structure is selected in it.

    Args:
        table: The widget.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._items: list[Any] = []  # PythonQt of some releases leaves the items to us
        self._shown: list[tuple[str, list[str]]] = []
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Structure"), _("ml"), _("± ml"), _("Dice (est.)")])
        table.visible = False
        header = table.horizontalHeader()
        header.setFixedHeight(_HEADER)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        table.toolTip = _(
            "Volumes of the predicted structures. ± is an estimate from the voxels that are in doubt; "
            "a part that was missed altogether is not in it. The Dice is estimated on annotated slices "
            "that were left out of the learning, where there are 10 or more. Select a structure to "
            "accept it alone."
        )

    @property
    def selected(self) -> str:
        """ID of the selected structure's segment; empty where none is."""
        row = self._table.currentRow()
        return self._shown[row][0] if 0 <= row < len(self._shown) else ""

    def fill(self, segmentation: Any, record: ReviewRecord) -> None:
        """Shows the volumes of a segmentation's prediction; nothing where there are none."""
        rows = self._rows(segmentation, record)
        if rows == self._shown:
            return
        selected = self.selected
        self._shown = rows
        table = self._table
        table.visible = bool(rows)
        table.setRowCount(len(rows))
        self._items = []
        for row, (segmentId, texts) in enumerate(rows):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                self._items.append(item)
                table.setItem(row, column, item)
            if segmentId == selected:
                table.setCurrentCell(row, 0)
        if selected not in [segmentId for segmentId, _texts in rows]:
            table.setCurrentCell(-1, -1)
        height = _HEADER + _ROW * min(len(rows), _MOST_ROWS) + 4
        table.setMinimumHeight(height)
        table.setMaximumHeight(height)

    @staticmethod
    def _rows(segmentation: Any, record: ReviewRecord) -> list[tuple[str, list[str]]]:
        node = PredictionLogic.predicted(segmentation)
        if node is None or not record.volumes:
            return []
        rows = []
        predicted = node.GetSegmentation()
        for segmentId in predicted.GetSegmentIDs():
            segment = predicted.GetSegment(segmentId)
            value = segment.GetLabelValue()
            if value in record.volumes:
                error, dice = record.errors.get(value), record.dice.get(value)
                rows.append(
                    (
                        segmentId,
                        [
                            segment.GetName(),
                            Words.milliliters(record.volumes[value]),
                            "–" if error is None else Words.milliliters(error),
                            "–" if dice is None else f"{dice:.2f}",
                        ],
                    )
                )
        return rows
