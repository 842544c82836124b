"""The button that shows the learning curve."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.State import State
from ContrastiveSegLib.TrainingPlot import TrainingPlot


class CurveSection(Section):
    """Keeps the plot of loss and estimated Dice up to date while something is learnt."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.plot = TrainingPlot()
        self._last = State.Empty
        self._filledFor: tuple[Any, Any] = (None, None)
        self.ui.curveButton.connect("clicked(bool)", self._onCurve)
        panel.learning.measured.connect(self._onMeasured)
        panel.learning.machine.changed.connect(self._onState)

    def update(self) -> None:
        """Shows whether there is a curve."""
        folder = self._folder()
        isBusy = self.panel.learning.machine.state.isBusy
        has = (isBusy and self._isLearnt(self.panel.nodes())) or (folder is not None and folder.hasLearnt)
        self.ui.curveButton.enabled = has
        self.ui.curveButton.toolTip = (
            _("Shows loss and estimated Dice in a plot beside the slices; press again to go back.")
            if has
            else _("There is no learning curve yet; press Start.")
        )
        if self.plot.isShown and self._filledFor != self.panel.nodes():
            self._begin()  # or the curve of another patient would stay

    def forgetScene(self) -> None:
        """The nodes go with the scene."""
        self.plot.forget()
        self._filledFor = (None, None)

    def close(self) -> None:
        """Lets go of everything."""
        self.ui.curveButton.disconnect("clicked(bool)", self._onCurve)
        self.panel.learning.measured.disconnect(self._onMeasured)
        self.panel.learning.machine.changed.disconnect(self._onState)
        self.plot.forget()

    def _onState(self, state: State) -> None:
        if state is State.Starting and self._last is not State.Starting:
            self._begin()
        self._last = state

    def _onMeasured(self, step: int, loss: float | None, dice: dict[int, float]) -> None:
        if self._isLearnt(self._filledFor):
            self.plot.add(step, loss, dice)

    def _onCurve(self, checked: bool = False) -> None:
        with self.panel.explained():
            isOther = self._filledFor != self.panel.nodes()
            if not self.plot.isShown and (isOther or not self.panel.learning.machine.state.isBusy):
                self._begin()  # also of a learning before the scene was opened
            self.plot.toggle()

    def _isLearnt(self, nodes: tuple[Any, Any]) -> bool:
        """Whether what goes on is the learning of these nodes."""
        now = self.panel.learning.current
        return now is not None and now.isOf(*nodes)

    def _folder(self) -> RunFolder | None:
        nodes = self.panel.nodes()
        return None if Readiness.whyNotPaint(*nodes) else RunFolder.existing(*nodes)

    def _begin(self) -> None:
        """Fills the plot with what the run folder has of the curve."""
        folder, nodes = self._folder(), self.panel.nodes()
        self._filledFor = nodes
        names = self.panel.learning.segmentNames if self._isLearnt(nodes) else {}
        segmentation = nodes[1]
        self.plot.begin({} if segmentation is None else self._structures(segmentation, folder, names))
        if folder is not None and folder.hasLearnt:
            for one in folder.curve():
                dice = {int(value): float(number) for value, number in (one.get("dice") or {}).items()}
                self.plot.add(int(one["step"]), one.get("loss"), dice)

    @staticmethod
    def _structures(
        segmentation: Any, folder: RunFolder | None, names: dict[int, str]
    ) -> dict[int, tuple[str, tuple[float, float, float]]]:
        """Name and colour of each structure by label value."""
        segments = segmentation.GetSegmentation()
        ids = list(segments.GetSegmentIDs())
        values = (
            folder.segmentValues(ids) if folder is not None else {one: n + 1 for n, one in enumerate(ids)}
        )
        return {
            value: (
                names.get(value) or LabelledSegment.nameOf(segments.GetSegment(one), one),
                segments.GetSegment(one).GetColor(),
            )
            for one, value in values.items()
        }
