"""The list of other patients as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.Words import Words

_PLAIN, _THUMBNAIL, _MOST = 24, 56, 104  # pixels; the tooltip has all of a long text
_MARK = "⚠ "
_MOST_STRUCTURES = 4


class CaseTable:
    """One line a case: picture and name, what came out, and how sure it is.

    Args:
        table: The QTableWidget.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._items: list[Any] = []  # PythonQt of some releases leaves the items to us
        self.cases: list[PatientCase] = []
        self._isCheckable = False
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Case"), _("Result"), _("Unsure")])
        table.horizontalHeader().setStretchLastSection(False)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.setColumnWidth(2, 60)
        table.setIconSize(qt.QSize(52, 52))
        table.verticalHeader().setVisible(False)
        table.setWordWrap(True)

    def show(
        self, cases: list[PatientCase], names: dict[int, str], work: Path | None, checkable: bool
    ) -> None:
        """Fills the table anew.

        Args:
            cases: Its lines.
            names: Of the structures, by label value.
            work: The folder with the thumbnails.
            checkable: Whether the user chooses among them.
        """
        self.cases, self._isCheckable = cases, checkable
        self._items = []
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(0)
        self._table.setRowCount(len(cases))
        for row, case in enumerate(cases):
            for column in range(3):
                item = qt.QTableWidgetItem("")
                self._items.append(item)
                self._table.setItem(row, column, item)
            if checkable:
                self._item(row, 0).setCheckState(qt.Qt.Checked if case.wanted else qt.Qt.Unchecked)
            self.update(case, names, work)
        self._table.blockSignals(blocked)

    def update(self, case: PatientCase, names: dict[int, str], work: Path | None) -> None:
        """Shows a case as it is now."""
        row = next((number for number, one in enumerate(self.cases) if one is case), None)
        if row is None:
            return
        blocked = self._table.blockSignals(True)
        first = self._item(row, 0)
        first.setText(case.name)
        tip = _("{name}. Click to show it in the slice views.").format(name=case.name)
        first.setToolTip(PlainText.shown(tip))
        thumbnail = str(case.result.get("thumbnail", ""))
        if thumbnail and work is not None and Path(thumbnail).name == thumbnail:
            first.setIcon(qt.QIcon(qt.QPixmap(str(work / thumbnail))))
        words = self.words(case, names)
        isRight = ReviewedPatients.isMarked(case.maskNode())
        if isRight:
            words = "\n".join(filter(None, (_("✓ Right: is learnt from."), words)))
        self._item(row, 1).setText(words)
        self._item(row, 1).setToolTip(PlainText.shown(words))
        self._item(row, 2).setText(self.unsure(case))
        self._item(row, 2).setToolTip(PlainText.shown(" ".join(case.first) or self._whatUnsureMeans(case)))
        bold = qt.QFont()
        bold.setBold(bool(case.first))
        self._item(row, 2).setFont(bold)
        if case.state is PatientState.Failed or case.result or isRight:
            self._table.resizeRowToContents(row)
            least = _THUMBNAIL if case.result else _PLAIN
            self._table.setRowHeight(row, min(max(least, self._table.rowHeight(row)), _MOST))
        else:
            self._table.setRowHeight(row, _PLAIN)
        self._table.blockSignals(blocked)

    def readChecks(self) -> None:
        """Takes what the user has checked into the cases."""
        for row, case in enumerate(self.cases):
            if self._isCheckable:
                case.wanted = self._item(row, 0).checkState() == qt.Qt.Checked

    def showChecks(self) -> None:
        """Shows which cases are wanted, where the user chooses among them."""
        blocked = self._table.blockSignals(True)
        for row, case in enumerate(self.cases):
            if self._isCheckable:
                self._item(row, 0).setCheckState(qt.Qt.Checked if case.wanted else qt.Qt.Unchecked)
        self._table.blockSignals(blocked)

    def current(self) -> PatientCase | None:
        """The case that the user has chosen; None where none is."""
        row = self._table.currentRow()
        return self.cases[row] if 0 <= row < len(self.cases) else None

    def _item(self, row: int, column: int) -> Any:
        return self._table.item(row, column)

    @staticmethod
    def words(case: PatientCase, names: dict[int, str]) -> str:
        """What came out, or how far it is."""
        if case.state is PatientState.Failed:
            return _("Failed: {reason}").format(reason=case.reason)
        if case.state is PatientState.Segmenting:
            words = _("Learning, {percent} %") if case.learns else _("{percent} %")
            return words.format(percent=round(100 * case.fraction))
        if case.state is not PatientState.Done:
            return case.state.label()
        sizes = [
            _("{name} {volume} ml").format(name=names.get(value, value), volume=f"{ml:.1f}")
            for value, ml in case.volumes().items()
        ]
        lines = sizes[:_MOST_STRUCTURES]
        if len(sizes) > _MOST_STRUCTURES:
            lines.append(_("and {count} more").format(count=len(sizes) - _MOST_STRUCTURES))
        if case.result.get("kept"):
            lines.append(_("Was there already; kept."))
        lines += [str(one) for one in (*case.result.get("differences", []), *case.result.get("notes", []))]
        return "\n".join(lines)

    @staticmethod
    def unsure(case: PatientCase) -> str:
        """Mean uncertainty, with a mark where it should be looked at first."""
        if case.state is not PatientState.Done:
            return ""
        known = case.result.get("uncertainty")
        text = "–" if known is None else _("{percent} %").format(percent=round(float(known)))
        return _MARK + text if case.first else text

    @staticmethod
    def _whatUnsureMeans(case: PatientCase) -> str:
        if case.state is not PatientState.Done:
            return ""
        return _(
            "Mean uncertainty of what was found: 0 % is sure, 100 % undecided. It says where to look, not "
            "how large the error is."
        )

    @staticmethod
    def summary(cases: list[PatientCase]) -> str:
        """Which to look at first, for a line below the list."""
        marked = [one.name for one in cases if one.first]
        return _("Look first at: {names}").format(names=Words.listed(marked)) if marked else ""
