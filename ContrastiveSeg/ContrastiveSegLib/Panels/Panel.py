"""The panel: between its widgets, the parameters and the learning."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import qt
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.LearningLogic import LearningLogic
from ContrastiveSegLib.Panels.AnnotationSection import AnnotationSection
from ContrastiveSegLib.Panels.LearningSection import LearningSection
from ContrastiveSegLib.Panels.NodeSelectors import NodeSelectors
from ContrastiveSegLib.Panels.ResultSection import ResultSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Panels.Sections import SECTIONS
from ContrastiveSegLib.Panels.WeightsSelector import WeightsSelector
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.State import State
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_LOOK_AGAIN_MS = 300
Kind = TypeVar("Kind", bound=Section)


class Panel(VTKObservationMixin):
    """Connects buttons with what they do, and keeps the sections up to date.

    Args:
        ui: The panel's widgets by name.
        learning: What the buttons start and stop; it lives longer than the panel's look.
        installing: Says which packages are missing.
    """

    def __init__(self, ui: Any, learning: LearningLogic, installing: InstallLogic | None = None) -> None:
        super().__init__()
        self.ui, self.learning = ui, learning
        self.installing = installing or InstallLogic()
        self.secondsInsteadOfBudget: float | None = None  # for scripts and tests
        self.warmsUp = not self.installing.isTesting()
        self.selectors = NodeSelectors(ui)
        self.weights = WeightsSelector(ui)
        self.annotation = AnnotationSection(ui)
        self.progress = LearningSection(ui, learning)
        self.result = ResultSection(ui)
        self.sections = [kind(self) for kind in SECTIONS]
        self._parameters: Parameters | None = None
        self._observed: tuple[Any, Any] = (None, None)
        # by themselves, as an observer that is removed alone leaves its node in memory, with all voxels
        self._watching = VTKObservationMixin()
        self._entered = False
        self._lookAgain = qt.QTimer()
        self._lookAgain.setSingleShot(True)
        self._lookAgain.setInterval(_LOOK_AGAIN_MS)
        self._lookAgain.connect("timeout()", self.update)
        for button, function in self._buttons():
            button.connect("clicked(bool)", function)
        for signal, receiver in self._signals():
            signal.connect(receiver)

    def _buttons(self) -> list[tuple[Any, Any]]:
        ui = self.ui
        return [
            (ui.newSegmentationButton, self._onNewSegmentation),
            (ui.paintButton, self._onPaint),
            (ui.emptyButton, self._onEmpty),
            (ui.startButton, self._onStart),
            (ui.acceptButton, self._onAccept),
            (ui.undoButton, self._onUndo),
        ]

    def _signals(self) -> list[tuple[Any, Any]]:
        learning = self.learning
        return [
            (self.annotation.found, self.update),
            (learning.machine.changed, self._onState),
            (learning.progressed, self.progress.showProgress),
            (learning.estimated, self.progress.onEstimated),
            (learning.said, self.progress.onSaid),
            (learning.predicted, self._onPredicted),
            (learning.mapped, self._onMapped),
        ]

    def setParameters(self, parameters: Parameters | None) -> None:
        """Takes the choices of another scene; None while a scene is closed."""
        self.removeObservers()
        self._parameters = parameters
        self.selectors.setParameters(parameters)
        self.weights.setParameters(parameters)
        for section in self.sections:
            section.setParameters(parameters)
        if parameters is not None:
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._onParameters)
        self._onParameters()

    def enter(self) -> None:
        """The panel is shown."""
        self._entered = self.selectors.isActive = True
        self.weights.fill()
        for section in self.sections:
            section.enter()
        self.update()
        self._warmUp()

    def exit(self) -> None:
        """The panel is hidden: strokes in the Segment Editor must not wait for it."""
        self._entered = self.selectors.isActive = False
        for section in self.sections:
            section.exit()

    def section(self, kind: type[Kind]) -> Kind:
        """The part of the panel that is of some class."""
        return next(one for one in self.sections if isinstance(one, kind))

    def chooseDefaults(self) -> None:
        """Chooses the volume that is shown and the first segmentation where nothing is chosen."""
        self.selectors.update()

    def forgetScene(self) -> None:
        """Lets go of all nodes, and ends a learning; for the closing of a scene."""
        self.setParameters(None)
        for section in self.sections:
            section.forgetScene()
        self.result.forget()
        self.learning.abandon()
        self.progress.forget()

    def close(self) -> None:
        """Lets go of everything; for the end of the module."""
        self._lookAgain.stop()
        for section in self.sections:
            section.close()
        self.selectors.close()
        self.weights.close()
        for signal, receiver in self._signals():
            signal.disconnect(receiver)
        for button, function in self._buttons():
            button.disconnect("clicked(bool)", function)
        self.setParameters(None)
        self.annotation.close()
        self._watching.removeObservers()
        self.result.forget()

    def update(self) -> None:
        """Looks at the nodes again and shows what is there."""
        self.result.follow(self._parameters)
        self.annotation.update(self._parameters)
        self._showState()

    def _showState(self) -> None:
        volume, segmentation = self.nodes()
        whyNot = Readiness.whyNotStart(volume, segmentation, self.annotation.summary, self.annotation.problem)
        interrupted, isBusy = False, self.learning.machine.state.isBusy
        if not Readiness.whyNotPaint(volume, segmentation) and not isBusy:
            folder = RunFolder.existing(volume, segmentation)
            interrupted = folder is not None and folder.wasInterrupted()
        self.progress.update(self.result.whyBusy or whyNot, interrupted)
        self.weights.update(isBusy)
        self.result.update(self._parameters, self.learning.machine.state)
        whyNotPaint = Readiness.whyNotPaint(volume, segmentation)
        self.ui.paintButton.enabled = not whyNotPaint
        self.ui.paintButton.toolTip = whyNotPaint or _(
            "Opens the Segment Editor with these nodes, and turns oblique slice views to the volume's planes."
        )
        self.ui.newSegmentationButton.enabled = volume is not None
        self.ui.newSegmentationButton.toolTip = (
            _("Makes a segmentation on the grid of the volume.")
            if volume is not None
            else _("Choose a volume first.")
        )
        for section in self.sections:
            section.update()

    def say(self, sentence: str) -> None:
        """Puts a sentence into the status line."""
        self.progress.say(sentence)

    def nodes(self) -> tuple[Any, Any]:
        """The chosen volume and segmentation, each None where there is none."""
        if self._parameters is None:
            return None, None
        return self._parameters.volume, self._parameters.segmentation

    def _onParameters(self, caller: Any = None, event: Any = None) -> None:
        nodes = self.nodes()
        if any(a is not b for a, b in zip(nodes, self._observed, strict=True)):
            self._observe(*nodes)
            self.progress.choose(*nodes)
            self.annotation.update(self._parameters)
            self._warmUp()
        elif self._entered and self._parameters is not None:
            self._lookAgain.start()
        self._showState()
        self.result.show(self._parameters)  # last: an editor with another volume clears what lies over it

    def _observe(self, volume: Any, segmentation: Any) -> None:
        self._watching.removeObservers()
        self._observed = (volume, segmentation)
        events = []
        if volume is not None:
            SliceViews.showVolume(volume)
            events += [(volume, volume.ImageDataModifiedEvent), (volume, volume.TransformModifiedEvent)]
        if segmentation is not None:
            kind = slicer.vtkSegmentation
            changes = (kind.SourceRepresentationModified, kind.SegmentAdded, kind.SegmentRemoved)
            events += [(segmentation, event) for event in (*changes, kind.SegmentModified)]
            events.append((segmentation, segmentation.TransformModifiedEvent))
            events.append((segmentation, segmentation.DisplayModifiedEvent))
        for node, event in events:
            self._watching.addObserver(node, event, self._onNode)

    def _onNode(self, caller: Any, event: Any) -> None:
        if self._entered:
            self._lookAgain.start()  # once after a series of events

    def _onState(self, state: State) -> None:
        if state is State.Starting:
            self.progress.begin()
        self.update()

    def _onPredicted(self, node: Any) -> None:
        self.selectors.hideWhatIsMadeHere()
        if node is not PredictionLogic.predicted(self.nodes()[1]):  # other nodes were chosen meanwhile
            node.GetDisplayNode().SetVisibility(False)
        self.result.show(self._parameters)
        self._showState()

    def _onMapped(self, nodes: dict[str, Any]) -> None:
        self.selectors.hideWhatIsMadeHere()
        self.result.show(self._parameters)

    def _onNewSegmentation(self, checked: bool = False) -> None:
        with self.explained():
            assert self._parameters is not None
            self._parameters.segmentation = SegmentationMaker.make(self._parameters.volume)

    def _onPaint(self, checked: bool = False) -> None:
        with self.explained():
            SegmentationMaker.openEditor(*self.nodes())

    def _onEmpty(self, checked: bool = False) -> None:
        with self.explained():
            assert self._parameters is not None
            self.progress.say(self.annotation.toggleEmpty(self._parameters))
            self.update()

    def _onStart(self, checked: bool = False) -> None:
        with self.explained():
            if self.learning.machine.state.isBusy:
                self.learning.stop()
                return
            self.start()

    def start(self) -> None:
        """Begins a learning with what is chosen; belongs within :meth:`explained`."""
        self.requirePackages()
        parameters = self._parameters
        assert parameters is not None
        self.result.follow(parameters)  # an Undo a moment ago
        self.annotation.settle(parameters)
        settings: dict[str, Any] = {"weights": parameters.weights}
        for section in self.sections:
            settings.update(section.learningSettings())
        volume, segmentation = self.nodes()
        seconds = self.secondsInsteadOfBudget or parameters.budget.value
        axis = parameters.planes.axis(VolumeGrid(volume).across())
        self.learning.start(volume, segmentation, seconds, axis=axis, **settings)
        parameters.showPrediction = True

    def requirePackages(self) -> None:
        """For whatever needs the engine; opens Set-up where something is missing.

        Raises:
            UserError: A package is missing, or is being installed.
        """
        if self.installing.isInstalling:
            raise UserError(_("Packages are being installed."), _("Try again when that is finished."))
        if self.installing.missing():
            for section in self.sections:
                section.showMissing()
            raise UserError(self.installing.sentence(), _("Press Install in Set-up, at the top."))

    def _onAccept(self, checked: bool = False) -> None:
        with self.explained():
            self.accept()

    def accept(
        self,
        segmentIds: list[str] | None = None,
        slices: list[Slice] | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Copies the prediction, or some segments or slices of it; belongs within :meth:`explained`.

        Args:
            segmentIds: Which segments; None for all.
            slices: Which slices; None for the whole volume.
            then: Called at the end, where the user goes on painting these slices, which count as annotated.
        """
        parameters = self._parameters
        if parameters is not None and not Readiness.whyNotPaint(*self.nodes()):
            self.result.follow(parameters)
            self.annotation.settle(parameters)
        self.annotation.update(parameters)
        summary = self.annotation.summary
        if parameters is None or summary is None:
            raise UserError(self.annotation.problem or Readiness.whyNotPaint(*self.nodes()))
        for section in self.sections:
            section.keepForUndo()
        name = parameters.segmentation.GetName()

        leftOut = "" if segmentIds is not None else self.result.leftOut(parameters.segmentation)

        def done() -> None:
            words = _("Accepted into '{name}'. The slices that you painted are as they were.")
            self.progress.say(f"{words.format(name=name)} {leftOut}".strip())
            if parameters is self._parameters and segmentIds is None and slices is None:
                parameters.showPrediction = False  # what was accepted would lie under it
            self.update()
            if then is not None and parameters is self._parameters:
                then()

        def failed(error: Exception) -> None:
            with self.explained():
                raise error

        self.progress.say(_("Accepting into '{name}'.").format(name=name))
        self.result.accept(parameters, summary, done, failed, segmentIds, slices, asOwn=then is not None)

    def _onUndo(self, checked: bool = False) -> None:
        with self.explained():
            assert self._parameters is not None
            self.progress.say(self.result.undo(self._parameters))
            self._parameters.showPrediction = True
            self.update()

    def _warmUp(self) -> None:
        """Lets the worker load PyTorch while the user paints, so that Start does not wait for it."""
        ready = self.warmsUp and self._entered and not Readiness.whyNotPaint(*self.nodes())
        if ready and not self.installing.isInstalling and not self.installing.missing():
            self.learning.warmUp()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """For what buttons do: what users can put right goes into the status line, the rest into a dialog."""
        try:
            with slicer.util.tryWithErrorDisplay(_("ContrastiveSeg failed."), show=True):
                try:
                    yield
                except UserError as error:
                    logging.info("ContrastiveSeg: %s", error)
                    self.progress.say(str(error))
        finally:
            if self._parameters is not None:
                self._showState()
