"""Tests of the whole that run inside the application and outside of it alike."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import slicer.util

from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_SHAPE = (20, 48, 56)
_PAINTED = (4, 8, 12, 15)
_EMPTY = (1, 18)


class SelfTest:
    """Uses nothing but a small made-up volume: a bright ball in noise.

    Args:
        case: The test case, for its assertions.
    """

    def __init__(self, case: unittest.TestCase) -> None:
        self._case = case
        z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in _SHAPE], indexing="ij")
        self.truth = (z / 0.7) ** 2 + (y / 0.55) ** 2 + (x / 0.5) ** 2 < 1
        noise = np.random.default_rng(0).normal(0, 10, _SHAPE)
        self.volume = slicer.util.addVolumeFromArray((100 + 80 * self.truth + noise).astype(np.int16))
        self.volume.SetName("Ball")
        self.volume.SetSpacing(1.0, 1.0, 2.0)
        self.volume.CreateDefaultDisplayNodes()
        self.segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Painting")
        self.segmentation.CreateDefaultDisplayNodes()
        self.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)
        self.segmentId = self.segmentation.GetSegmentation().AddEmptySegment("Ball", "Ball", [0.9, 0.3, 0.1])
        self.painted = np.zeros(_SHAPE, np.uint8)
        for index in _PAINTED:
            self.painted[index] = self.truth[index]
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            self.painted, self.segmentation, self.segmentId, self.volume
        )

    def annotatedSlicesAreFound(self) -> None:
        """The painted slices, and nothing else."""
        summary = AnnotationSummary.of(self.volume, self.segmentation, PlaneChoice.Automatic)
        self._case.assertEqual([one.slice for one in summary.slices], [(0, index) for index in _PAINTED])
        self._case.assertEqual(summary.warning(), "")

    def predictionIsAcceptedAndTakenBack(self) -> None:
        """Accept changes what was not painted, and Undo brings it back."""
        segments = [LabelledSegment(1, self.segmentId, "Ball")]
        node = PredictionLogic.update(self.volume, self.segmentation, self.truth.astype(np.int16), segments)
        segment = node.GetSegmentation().GetSegment(self.segmentId)
        self._case.assertEqual(segment.GetName(), "Ball")
        self._case.assertTrue(np.allclose(segment.GetColor(), [0.9, 0.3, 0.1], atol=0.01))
        self._case.assertTrue(np.array_equal(self._mask(), self.painted > 0))
        accepting = AcceptLogic()
        annotated = [(0, index) for index in _PAINTED]
        accepting.accept(self.volume, self.segmentation, annotated)
        self._case.assertTrue(np.array_equal(self._mask(), self.truth))
        accepting.undo(self.segmentation)
        self._case.assertTrue(np.array_equal(self._mask(), self.painted > 0))
        accepting.forget()

    def panelSaysWhatIsMissing(self, makeWidget: Callable[[], Any]) -> None:
        """The panel opens, finds the nodes, and offers Start only where there is something to learn."""
        widget = makeWidget()
        try:
            ui = widget.ui
            self._case.assertIs(ui.volumeSelector.currentNode(), self.volume)
            self._case.assertIs(ui.segmentationSelector.currentNode(), self.segmentation)
            self._case.assertIn("4 annotated slices", ui.annotationLabel.text)
            self._case.assertTrue(ui.startButton.enabled)
            ui.segmentationSelector.setCurrentNode(None)
            self._case.assertFalse(ui.startButton.enabled)
            self._case.assertIn("New", ui.startButton.toolTip)
        finally:
            widget.cleanup()
            widget.parent.hide()
            widget.parent.deleteLater()

    def learningFromAFewSlices(self, makeLogic: Callable[[], Any], seconds: float = 8) -> None:
        """A worker learns the ball; most of it is found."""
        missing = InstallLogic().missing()
        if missing:
            self._case.skipTest(f"not installed: {', '.join(missing)}")
        learning = makeLogic().learning
        for index in _EMPTY:
            AnnotationLogic.setEmpty(self.segmentation, (0, index))
        said: list[str] = []
        learning.said.connect(said.append)
        learning.settings = {"steps": 40}  # the same on slow and busy computers
        try:
            learning.start(self.volume, self.segmentation, seconds)
            ending = time.monotonic() + 20 * seconds
            while learning.machine.state.isBusy and time.monotonic() < ending:
                slicer.app.processEvents()
                time.sleep(0.01)
            self._case.assertIs(learning.machine.state, State.Done, f"said: {said[-3:]}")
            found = self._mask(PredictionLogic.predicted(self.segmentation))
            dice = 2 * (found & self.truth).sum() / (found.sum() + self.truth.sum())
            self._case.assertGreater(dice, 0.75)
            self._case.assertTrue(np.array_equal(self._mask(), self.painted > 0), "the painting was changed")
        finally:
            learning.close(wait=True)

    def _mask(self, segmentationNode: Any = None) -> np.ndarray:
        node = segmentationNode or self.segmentation
        labels = SegmentResampler(node, VolumeGrid(self.volume)).labels({self.segmentId: 1})
        return labels.whole() > 0
