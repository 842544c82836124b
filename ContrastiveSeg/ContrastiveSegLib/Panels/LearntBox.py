"""The choice of what other patients are segmented with: what was painted here, or an earlier learning."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder
from ContrastiveSegLib.Runs.RunSummary import RunSummary


class LearntBox:
    """A combo box with the learnings of this computer's user, the latest first.

    Args:
        box: The QComboBox.
        row: The widget that holds it and its label; hidden where there is nothing to choose.
        finder: Looks for them.

    Attributes:
        runs: What can be chosen beside the learning of the chosen nodes.
    """

    def __init__(self, box: Any, row: Any, finder: RunFinder | None = None) -> None:
        self._box, self._row, self._finder = box, row, finder or RunFinder()
        self.runs: list[RunSummary] = []
        self._row.visible = False

    def fill(self, volume: Any, segmentation: Any) -> None:
        """Looks which there are.

        Args:
            volume: The chosen volume, or None.
            segmentation: The chosen segmentation, or None; what was learnt from both is the first line.
        """
        chosen, own = self.earlier, self.runOf(volume, segmentation)
        self.runs = [one for one in self._finder.all() if own is None or one.path != own.path]
        box = self._box
        blocked = box.blockSignals(True)
        box.clear()
        title = own.title if own is not None else ""
        words = _("What is chosen above")
        box.addItem(f"{words}: {title}" if title else words)
        for one in self.runs:
            box.addItem(_("{names}, {date}").format(names=one.names, date=one.date))
            tip = _("Learnt on {date}: {names}").format(
                date=one.date, names=", ".join(one.structures.values())
            )
            box.setItemData(box.count - 1, PlainText.shown(tip), qt.Qt.ToolTipRole)
        paths = [one.path for one in self.runs]
        box.setCurrentIndex(
            paths.index(chosen.path) + 1 if chosen is not None and chosen.path in paths else 0
        )
        box.blockSignals(blocked)
        self._row.visible = bool(self.runs) or (own is not None and own.hasLearnt)

    @property
    def earlier(self) -> RunFolder | None:
        """The run that was chosen; None for that of the chosen nodes."""
        index = self._box.currentIndex - 1
        return RunFolder(self.runs[index].path) if 0 <= index < len(self.runs) else None

    @staticmethod
    def runOf(volume: Any, segmentation: Any) -> RunFolder | None:
        """The run of two nodes, each of which may be None."""
        if volume is None or segmentation is None:
            return None
        return RunFolder.existing(volume, segmentation)
