"""Why a button cannot be pressed."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LabelmapSource import LabelmapSource
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class Readiness:
    """Reasons as sentences for tooltips; an empty text means that the button can be pressed."""

    @staticmethod
    def whyNotPaint(volumeNode: Any, segmentationNode: Any) -> str:
        """Why there is nothing to look for annotations in."""
        if volumeNode is None:
            return _("Choose a volume first; load one with Add Data if there is none.")
        if segmentationNode is None:
            return _("Choose a segmentation, or press New to make one.")
        if PredictionLogic.isPrediction(segmentationNode):
            return _(
                "'{name}' is a prediction. Choose the segmentation in which you paint, or press New."
            ).format(name=segmentationNode.GetName())
        whyNot = LabelmapSource.whyNot(segmentationNode)
        if whyNot:
            return whyNot + " " + _("Press Convert, choose another one, or press New.")
        return (
            VolumeGrid.whyNotLinear(volumeNode)
            or VolumeGrid.whyNotLinear(segmentationNode)
            or SequenceFrame.whyNotHere(volumeNode, segmentationNode)
        )

    @classmethod
    def whyNotStart(
        cls, volumeNode: Any, segmentationNode: Any, summary: AnnotationSummary | None, problem: str
    ) -> str:
        """Why learning cannot begin.

        Args:
            volumeNode: The chosen volume, or None.
            segmentationNode: The chosen segmentation, or None.
            summary: Its annotated slices, None where they cannot be found.
            problem: Why they cannot be found.
        """
        reason = cls.whyNotPaint(volumeNode, segmentationNode) or problem
        if reason:
            return reason
        if summary is None or not summary.painted:
            left = summary.leftOut() if summary is not None else ""
            words = _("Paint a structure on a few slices first.")
            return f"{words} {left}".strip()
        return ""

    @staticmethod
    def whyNotAccept(state: State, volumeNode: Any, segmentationNode: Any) -> str:
        """Why the prediction cannot be accepted."""
        if state.isBusy:
            return _("Wait until the learning has finished, or press Stop.")
        if volumeNode is None or not PredictionLogic.isFor(volumeNode, segmentationNode):
            return _("There is no prediction yet; press Start.")
        return SequenceFrame.whyNotHere(volumeNode, segmentationNode)

    @staticmethod
    def notLearntYet(now: LearningRound | None, summary: AnnotationSummary | None) -> str:
        """What a person has annotated since Start and the network does not know; empty where nothing.

        Args:
            now: What was learnt last of the chosen nodes, None where nothing was in this session.
            summary: Their annotated slices, None where they cannot be found.
        """
        if now is None or summary is None or not now.slices:
            return ""
        count = len({one.slice for one in summary.slices} - now.slices)
        if not count:
            return ""
        words = (
            _("A slice was annotated since Start.")
            if count == 1
            else _("{count} slices were annotated since Start.").format(count=count)
        )
        return words + " " + _("Press Start first, so that other patients are segmented with that, too.")

    @staticmethod
    def whyNotApply(volumeNode: Any, segmentationNode: Any, earlier: RunFolder | None = None) -> str:
        """Why what was learnt cannot be applied to other patients.

        Args:
            volumeNode: The chosen volume, or None.
            segmentationNode: The chosen segmentation, or None.
            earlier: What was learnt before, of other nodes, and is to be applied instead.
        """
        if earlier is not None:
            return "" if earlier.hasLearnt else _("What was learnt then is not there any more.")
        if volumeNode is None or segmentationNode is None:
            return _("Choose the volume and the segmentation that were learnt first.")
        folder = RunFolder.existing(volumeNode, segmentationNode)
        if folder is None or not folder.hasLearnt:
            return _("Nothing has been learnt from this segmentation yet; press Start under Learning.")
        return ""
