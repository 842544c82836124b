"""The part of the panel that shows, accepts and takes back predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.State import State
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.ViewMemory import ViewMemory
from ContrastiveSegLib.Words import Words

_FEW_VOXELS = 500_000


class ResultSection:
    """How the prediction is shown, Accept and Undo.

    Args:
        ui: The panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._accepting = AcceptLogic()
        self._chunks = Chunks()
        self._mapShown: Any = None
        self._wasHere = True
        self._shown: Any = None
        self._visible: tuple[Any, bool] | None = None

    def update(self, parameters: Parameters | None, state: State) -> None:
        """Enables what can be used, and says why the rest cannot."""
        segmentation = parameters.segmentation if parameters else None
        PredictionLogic.takeLook(segmentation)
        if self._isHere(parameters) is not self._wasHere:
            self.show(parameters)
        Section.allow(
            self._ui.acceptButton,
            self.whyNotAccept(parameters, state),
            _("Copies the prediction into '{name}'. What you painted on annotated slices stays.").format(
                name=segmentation.GetName() if segmentation else ""
            ),
        )
        whyNotUndo = (
            self.whyBusy
            or (_("Wait until the learning has finished, or press Stop.") if state.isBusy else "")
            or self._accepting.whyNoUndo(segmentation)
        )
        Section.allow(
            self._ui.undoButton,
            whyNotUndo,
            _("Brings back what was there before the last Accept; press again for the one before."),
        )
        there = PredictionLogic.predicted(segmentation) is not None
        none = _("There is no prediction yet; press Start.")
        Section.allow(
            self._ui.showCheckBox, "" if there else none, _("Shows the prediction over the slices.")
        )
        shown = there and parameters is not None and parameters.showPrediction
        hidden = "" if shown else (_("Switch on Show first.") if there else none)
        Section.allow(self._ui.show3DCheckBox, hidden, _("Makes surfaces of the prediction for the 3D view."))
        Section.allow(self._ui.opacitySlider, hidden, _("How much of the image the prediction covers."))
        Section.allow(self._ui.drawingSelector, hidden, _("What of the prediction is drawn over the slices."))
        hasMap = segmentation is not None and PercentVolume(segmentation, "uncertainty").node is not None
        Section.allow(
            self._ui.uncertaintyCheckBox,
            "" if hasMap else _("There is no uncertainty map yet; it comes with the finished result."),
            _("Lays a map over the slices that is bright where the network is unsure."),
        )

    @staticmethod
    def _isHere(parameters: Parameters | None) -> bool:
        """Whether the frame of a sequence is shown that the prediction was made for, and no other patient."""
        if parameters is None or parameters.segmentation is None:
            return True
        if ViewMemory.otherPatient() not in (None, parameters.volume):
            return False
        return not SequenceFrame.whyNotHere(parameters.volume, parameters.segmentation)

    @property
    def whyBusy(self) -> str:
        """Why nothing else can be done now; empty where it can."""
        return _("Wait until the prediction has been accepted.") if self._chunks.isBusy else ""

    def whyNotAccept(self, parameters: Parameters | None, state: State) -> str:
        """Why the prediction cannot be accepted; empty where it can."""
        volume = parameters.volume if parameters else None
        segmentation = parameters.segmentation if parameters else None
        return self.whyBusy or Readiness.whyNotAccept(state, volume, segmentation)

    def show(self, parameters: Parameters | None) -> None:
        """Applies the choices to the prediction's nodes; None shows nothing."""
        segmentation = parameters.segmentation if parameters else None
        uncertainty = PercentVolume(segmentation, "uncertainty").node if segmentation is not None else None
        if self._mapShown is not None and self._mapShown is not uncertainty:
            PercentVolume.takeAway(self._mapShown)
            self._mapShown = None
        self._wasHere = here = self._isHere(parameters)
        if self._shown is not None and self._shown is not segmentation:
            # or it would lie over the image of another patient
            PredictionLogic.setVisible(self._shown, False)
            if self._visible is not None:  # a segmentation that was removed knows its prediction no longer
                PredictionLogic.hide(self._visible[0])
            self._visible = None
        self._shown = segmentation
        if segmentation is None:
            return
        assert parameters is not None
        isFor = here
        if (predicted := PredictionLogic.predicted(segmentation)) is not None:
            isFor = here and PredictionLogic.isFor(parameters.volume, segmentation)
            visible = parameters.showPrediction and isFor
            if self._visible != (predicted, visible):
                # only then: while another patient is looked at it is hidden, whatever else is changed
                self._visible = (predicted, visible)
                PredictionLogic.setVisible(segmentation, visible)
            PredictionLogic.setOpacity(segmentation, parameters.opacity)
            PredictionLogic.setDrawing(segmentation, parameters.drawing)
            wanted = parameters.show3D and parameters.showPrediction
            if wanted or not parameters.show3D:  # hidden surfaces are kept, unwanted ones are not
                PredictionLogic.setShown3D(segmentation, wanted)
        mapWanted = parameters.showUncertainty and isFor  # it is of the same volume
        PercentVolume(segmentation, "uncertainty").setShown(mapWanted)
        self._mapShown = uncertainty if mapWanted else None

    def lookAgain(self) -> None:
        """Another one has hidden the prediction: the next update shows it as it is chosen."""
        self._visible, self._wasHere = None, False

    def accept(
        self,
        parameters: Parameters,
        summary: AnnotationSummary,
        done: Callable[[], None],
        failed: Callable[[Exception], None],
        segmentIds: list[str] | None = None,
        slices: list[Slice] | None = None,
        asOwn: bool = False,
    ) -> None:
        """Copies the prediction into the user's segmentation; in pieces where it is large.

        Args:
            parameters: The chosen nodes.
            summary: What the user has annotated, and what stays.
            done: Called when all is copied.
            failed: Called with what went wrong after the first piece.
            segmentIds: Which segments; None for all. Hidden ones stay as they are.
            slices: Which slices; None for the whole volume.
            asOwn: Whether these slices count as annotated from now on.

        Raises:
            UserError: There is no prediction, or all is hidden that is to be accepted.
        """
        volume, segmentation = parameters.volume, parameters.segmentation
        # what is hidden annotates no slice, so Accept would replace what a person has painted of it
        hidden = AnnotationLogic.hiddenIds(segmentation)
        ids = segmentIds or list(segmentation.GetSegmentation().GetSegmentIDs())
        segmentIds = [one for one in ids if one not in hidden]
        if ids and not segmentIds:
            raise UserError(
                _("What is to be accepted is hidden in '{name}'.").format(name=segmentation.GetName()),
                _("Show it first, with the eye in Paint."),
            )
        steps = self._accepting.steps(
            volume,
            segmentation,
            [one.slice for one in summary.slices],
            segmentIds=segmentIds,
            slices=slices,
            opened={one.slice: one.open for one in summary.slices if one.open},
            asOwn=asOwn,
        )
        self._chunks.run(steps, done, failed, atOnce=volume.GetImageData().GetNumberOfPoints() < _FEW_VOXELS)

    @staticmethod
    def leftOut(segmentationNode: Any) -> str:
        """Which predicted structures Accept passes over, as they are hidden or gone; may be empty."""
        node, own = PredictionLogic.predicted(segmentationNode), segmentationNode.GetSegmentation()
        predicted = node.GetSegmentation() if node is not None else None
        ids = list(predicted.GetSegmentIDs()) if predicted is not None else []
        hidden = AnnotationLogic.hiddenIds(segmentationNode)
        shut = [LabelledSegment.nameOf(own.GetSegment(one), one) for one in ids if one in hidden]
        gone = [predicted.GetSegment(one).GetName() for one in ids if own.GetSegment(one) is None]
        words = [
            (_("Hidden, and so not accepted: {names}."), shut),
            (_("No segment any more, and so not accepted: {names}."), gone),
        ]
        return " ".join(text.format(names=Words.listed(names)) for text, names in words if names)

    def follow(self, parameters: Parameters | None) -> None:
        """What the Segment Editor took back counts no longer as accepted."""
        self._accepting.follow(parameters.segmentation if parameters is not None else None)

    def undo(self, parameters: Parameters) -> str:
        """Takes the last Accept back; returns a sentence.

        Raises:
            UserError: The segmentation was changed since.
        """
        self._accepting.undo(parameters.segmentation)
        return _("'{name}' is as it was before Accept.").format(name=parameters.segmentation.GetName())

    def forget(self) -> None:
        """Lets go of the scene's nodes."""
        self._mapShown = self._shown = self._visible = None
        self._chunks.forget()
        self._accepting.forget()
