"""The list of all weights and where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.ChecksumTimer import ChecksumTimer
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.SourceWords import SourceWords
from ContrastiveSegLib.WeightsChoice import WeightsChoice
from ContrastiveSegLib.WeightsFolders import WeightsFolders

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_ROW = 24
"""Height of a row in pixels."""


class WeightsLibrarySection(Section):
    """Shows every source's weights in one list, with what is used and what is replaced.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.entries: list[Any] = []
        self._resolver: Any = None
        self.checking = ChecksumTimer(self._showRows)
        self._items: list[Any] = []
        # here and not in the .ui file, where the contents do not exist yet when it is read
        self.ui.weightsLibraryCollapsibleButton.collapsed = True
        table = self.ui.weightsTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Weights"), _("Version"), _("From")])
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
        table.verticalHeader().setDefaultSectionSize(_ROW)
        for widget, signal, function in self._widgets():
            widget.connect(signal, function)
        self._showDetails()

    def _widgets(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.weightsLibraryCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.weightsTable, "itemSelectionChanged()", self._showDetails),
        ]

    def enter(self) -> None:
        """Looks which weights there are."""
        if not self.ui.weightsLibraryCollapsibleButton.collapsed:
            self.fill()

    def exit(self) -> None:
        """Nothing is read for a panel that nobody sees."""
        self.checking.stop()

    def close(self) -> None:
        """Lets go of the widgets."""
        self.checking.stop()
        for widget, signal, function in self._widgets():
            widget.disconnect(signal, function)

    def fill(self) -> None:
        """Reads all cards again, and begins to check the files."""
        from contrastive_seg.weights.resolver import Resolver

        self._resolver = Resolver(WeightsFolders.store())
        self._showRows()
        self.checking.start(self._resolver.checksums, self.entries)

    def _showRows(self) -> None:
        if self._resolver is None:
            return
        self.entries = self._resolver.entries()
        table = self.ui.weightsTable
        chosen = table.currentRow()
        blocked = table.blockSignals(True)
        table.setRowCount(len(self.entries))
        self._items = []  # PythonQt of some releases leaves the items to us
        for row, entry in enumerate(self.entries):
            version = entry.version
            if entry.is_here and not entry.used:  # in the column that is never cut off
                version = _("{version} (not used)").format(version=version).strip()
            texts = [entry.name, version, SourceWords.short(entry.source)]
            self._put(row, texts, SourceWords.state(entry), entry.used)
        table.blockSignals(blocked)
        table.updateGeometry()  # it is as high as its rows
        if not 0 <= chosen < table.rowCount:
            table.clearSelection()
        self._showDetails()

    def _put(self, row: int, texts: list[str], tip: str, isUsed: bool) -> None:
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip)
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
            font = item.font()
            font.setItalic(not isUsed)
            item.setFont(font)
            self._items.append(item)
            self.ui.weightsTable.setItem(row, column, item)

    @staticmethod
    def _told(entry: Any) -> str:
        if entry.card is None:
            return SourceWords.state(entry)
        return " ".join(
            [
                SourceWords.state(entry),
                _("{modality}, {anatomy}.").format(modality=entry.card.modality, anatomy=entry.card.anatomy),
                WeightsChoice.of(entry.card, WeightsChoice.told(entry)).tip,
            ]
        )

    def _showDetails(self) -> None:
        row = self.ui.weightsTable.currentRow()
        text = ""
        if 0 <= row < len(self.entries):
            text = self._told(self.entries[row])
        self.ui.weightsDetailsLabel.text = text
        self.ui.weightsDetailsLabel.visible = bool(text)

    def _onCollapsed(self, isCollapsed: bool) -> None:
        if isCollapsed:
            self.checking.stop()
        else:
            self.fill()
