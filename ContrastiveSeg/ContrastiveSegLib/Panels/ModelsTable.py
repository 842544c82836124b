"""The table of all weights, with what is used and what is not."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.SourceWords import SourceWords

_ROW = 24
"""Height of a row in pixels."""

_MOST = 9
"""Rows that are seen without scrolling."""


class ModelsTable:
    """One row for each entry of the resolver; the chosen entry stays chosen when rows come and go.

    Args:
        table: The widget.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self.entries: list[Any] = []
        self._items: list[Any] = []
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Weights"), _("Version"), _("From")])
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)
        header.setFixedHeight(_ROW)
        table.verticalHeader().setDefaultSectionSize(_ROW)
        self._setHeight()

    @property
    def chosen(self) -> Any:
        """The entry of the chosen row; None without any."""
        row = self._table.currentRow()
        return self.entries[row] if 0 <= row < len(self.entries) else None

    def show(self, entries: list[Any], choose: str = "") -> None:
        """Shows other entries; the widget sends no signal meanwhile.

        Args:
            entries: Of the resolver.
            choose: Name of weights to choose; those chosen now stay so otherwise.
        """
        row = self._rowOf(entries, choose)
        table, self.entries = self._table, entries
        blocked = table.blockSignals(True)
        table.setRowCount(len(entries))
        self._items = []  # PythonQt of some releases leaves the items to us
        for index, entry in enumerate(entries):
            self._put(index, entry)
        if row is None:
            table.clearSelection()
            table.setCurrentCell(-1, -1)
        else:
            table.selectRow(row)
        table.blockSignals(blocked)
        self._setHeight()

    def _setHeight(self) -> None:
        """As high as its rows; Qt's own way of doing so is wrong until the widget has been shown."""
        rows = 1 + min(max(len(self.entries), 1), _MOST)
        height = _ROW * rows + 2 * self._table.frameWidth
        self._table.minimumHeight = self._table.maximumHeight = height

    def _rowOf(self, entries: list[Any], name: str) -> int | None:
        if name:
            rows = [row for row, one in enumerate(entries) if one.name == name]
            # somebody's own are meant: they were just imported, downloaded or pretrained
            return min(rows, key=lambda row: entries[row].source.kind != "user", default=None)
        chosen = self.chosen
        if chosen is None:
            return None
        wanted = self._key(chosen)
        return next((row for row, one in enumerate(entries) if self._key(one) == wanted), None)

    @staticmethod
    def _key(entry: Any) -> tuple[Any, ...]:
        return entry.name, entry.version, entry.path

    @staticmethod
    def _version(entry: Any) -> str:
        """With what keeps it from being used: this column is never cut off."""
        if not entry.is_here:
            return str(entry.version)
        if not entry.used:
            return _("{version} (not used)").format(version=entry.version).strip()
        if entry.checksum == "wrong":
            return _("{version} (damaged)").format(version=entry.version)
        return str(entry.version)

    def _put(self, row: int, entry: Any) -> None:
        tip = PlainText.shown(f"{entry.name}\n{SourceWords.state(entry)}")
        for column, text in enumerate((entry.name, self._version(entry), SourceWords.short(entry.source))):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip)
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
            font = item.font()
            font.setItalic(not entry.used)
            item.setFont(font)
            self._items.append(item)
            self._table.setItem(row, column, item)
