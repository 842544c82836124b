"""Brings an earlier run back into the scene."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import latest
from ContrastiveSegLib.Runs.RunSummary import RunSummary
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class RunRestorer:
    """Makes what a run needs where the scene lacks it: painting, prediction and maps.

    Args:
        volumeNode: The volume to which the run belongs.
    """

    def __init__(self, volumeNode: Any) -> None:
        self._volume = volumeNode

    def restore(self, run: RunSummary) -> Any:
        """Gives the segmentation of a run, made anew where it is not in the scene.

        Raises:
            UserError: The run's files cannot be read or do not fit the volume.
        """
        node = self.segmentation(run)
        if node is None:
            node = self._make(run)
        RunFolder.setNumber(self._volume, run.volumeNumber)
        RunFolder.setNumber(node, run.segmentationNumber)
        SequenceFrame.claim(self._volume, node)
        if not PredictionLogic.isFor(self._volume, node):
            self._predict(run, node)
        return node

    @staticmethod
    def segmentation(run: RunSummary) -> Any:
        """The run's segmentation in this scene; None where it is not there."""
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if RunFolder.numberOf(node) == run.segmentationNumber and not PredictionLogic.isPrediction(node):
                return node
        return None

    @staticmethod
    def delete(run: RunSummary) -> None:
        """Deletes a run's folder.

        Raises:
            UserError: Some of its files are in use.
        """
        try:
            shutil.rmtree(run.path)
        except OSError as error:
            raise UserError(
                _("The run cannot be deleted completely ({reason}).").format(reason=error.strerror or error),
                _("Restart 3D Slicer and delete it then."),
            ) from error

    def _make(self, run: RunSummary) -> Any:
        """The painting as the last round had it: its segments, its slices, its empty slices."""
        grid = VolumeGrid(self._volume)
        path = latest(run.path, "labels")
        labels = None if path is None else PredictionLogic.read(path)
        if labels is not None:
            PredictionLogic.checkShape(labels.shape, grid)
        node = SegmentationMaker.make(self._volume)
        segmentation = node.GetSegmentation()
        segmentation.RemoveAllSegments()
        for one in self._segments(run):
            look = RunFolder(run.path).look().get(one.segmentId, {})
            color = look.get("color")
            if isinstance(color, list) and len(color) == 3:
                segmentation.AddEmptySegment(one.segmentId, one.name, [float(c) for c in color])
            else:
                segmentation.AddEmptySegment(one.segmentId, one.name)
            mask = None if labels is None else labels == one.value
            if mask is not None and mask.any():
                slicer.util.updateSegmentBinaryLabelmapFromArray(
                    mask.astype(np.uint8), node, one.segmentId, self._volume
                )
        if labels is not None:
            self._markEmpty(node, labels, grid)
            self._markPartial(node, labels, grid, {one.segmentId: one.value for one in self._segments(run)})
        return node

    @staticmethod
    def _markEmpty(node: Any, labels: np.ndarray, grid: VolumeGrid) -> None:
        """Slices of which everything was said, although nothing is painted on them."""
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            complete = labels.min(axis=others) >= 0
            painted = labels.max(axis=others) > 0
            for index in np.flatnonzero(complete & ~painted):
                AnnotationLogic.setEmpty(node, (axis, int(index)), grid=grid)

    @staticmethod
    def _markPartial(node: Any, labels: np.ndarray, grid: VolumeGrid, values: dict[str, int]) -> None:
        """Painted slices of which not everything was said."""
        painted = LabelBox.of(np.maximum(labels, 0))
        for axis, index in AnnotationLogic.annotatedSlices(node, painted, grid, values=values):
            if labels.take(index, axis).min() < 0:
                AnnotationLogic.setPartial(node, (axis, index), grid=grid)

    def _predict(self, run: RunSummary, node: Any) -> None:
        path = run.path / "prediction-0.npy"
        if not path.is_file():
            return
        labels = PredictionLogic.read(path)
        PredictionLogic.update(self._volume, node, labels, self._segments(run))
        maps = {}
        for kind in ("probability", "uncertainty"):
            stored = run.path / f"{kind}-0.npy"
            if stored.is_file():
                maps[kind] = PredictionLogic.read(stored)
        PredictionLogic.updateMaps(self._volume, node, maps)

    @staticmethod
    def _segments(run: RunSummary) -> list[LabelledSegment]:
        """The segments of a run; their names may have changed since they were learnt."""
        folder = RunFolder(run.path)
        ids = {value: segmentId for segmentId, value in folder.values().items()}
        look = folder.look()
        segments = []
        for value, name in sorted(run.structures.items()):
            segmentId = ids.get(value) or f"Segment_{value}"
            segments.append(
                LabelledSegment(value, segmentId, str(look.get(segmentId, {}).get("name") or name))
            )
        return segments
