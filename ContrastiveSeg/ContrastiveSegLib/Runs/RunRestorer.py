"""Brings an earlier run back into the scene."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.OpenSlices import OpenSlices
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunPainting import RunPainting
from ContrastiveSegLib.Runs.RunResult import RunResult
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
        """Gives the segmentation of a run, at once; :meth:`steps` tells the rest."""
        return Chunks.finish(self.steps(run))

    def steps(self, run: RunSummary) -> Generator[None, None, Any]:
        """Gives the segmentation of a run, made anew where it is not in the scene; reads in a thread.

        Raises:
            UserError: The run's files cannot be read or do not fit the volume, or that was removed.
        """
        node, values = self.segmentation(run), sorted(run.structures)
        if node is None:
            read = yield from Chunks.beside(lambda: RunPainting.read(run.path, values))
            self._checkPresent()
            node = self._make(run, read)
            yield
        RunFolder.setNumber(self._volume, run.volumeNumber)
        RunFolder.setNumber(node, run.segmentationNumber)
        SequenceFrame.claim(self._volume, node)
        if not PredictionLogic.isFor(self._volume, node):
            result = yield from Chunks.beside(lambda: RunResult.read(run.path, values))
            self._checkPresent(node)
            if result is not None:
                PredictionLogic.update(self._volume, node, result.labels, self._segments(run))
                yield
                PredictionLogic.updateMaps(self._volume, node, result.maps)
        return node

    def _checkPresent(self, *others: Any) -> None:
        if not all(slicer.mrmlScene.IsNodePresent(one) for one in (self._volume, *others)):
            raise UserError(_("The volume or the segmentation was removed from the scene."))

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

    def _make(self, run: RunSummary, painting: RunPainting | None) -> Any:
        """The painting as the last round had it: its segments, its slices, its empty slices."""
        grid = VolumeGrid(self._volume)
        if painting is not None:
            PredictionLogic.checkShape(painting.labels.shape, grid)
        node = SegmentationMaker.make(self._volume)
        segmentation = node.GetSegmentation()
        segmentation.RemoveAllSegments()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        image = None
        if painting is not None and painting.labels.array.size:
            # shared by all segments, as Slicer itself keeps those that do not overlap
            image = grid.orientedImage(painting.labels.array, painting.labels.start)
        for one in self._segments(run):
            look = RunFolder(run.path).look().get(one.segmentId, {})
            color = look.get("color")
            if isinstance(color, list) and len(color) == 3:
                segmentation.AddEmptySegment(one.segmentId, one.name, [float(c) for c in color])
            else:
                segmentation.AddEmptySegment(one.segmentId, one.name)
            if image is not None:
                segmentation.GetSegment(one.segmentId).SetLabelValue(one.value)
                segmentation.GetSegment(one.segmentId).AddRepresentation(name, image)
        if painting is not None:
            values = {one.segmentId: one.value for one in self._segments(run)}
            self._mark(node, painting, grid, values)
        return node

    @staticmethod
    def _mark(node: Any, painting: RunPainting, grid: VolumeGrid, values: dict[str, int]) -> None:
        """Marks empty slices of which everything was said, and painted ones of which it was not."""
        for axis, said in enumerate(painting.complete):
            for index in np.flatnonzero(said):
                if not painting.labels.isPainted(axis, int(index)):
                    AnnotationLogic.setEmpty(node, (axis, int(index)), grid=grid)
        slices = AnnotationLogic.annotatedSlices(node, painting.labels, grid, values=values)
        for axis, index in slices:
            if painting.unfinished[axis][index]:
                AnnotationLogic.setPartial(node, (axis, index), grid=grid)
        for axis, index in OpenSlices.find(node, painting.labels, slices, grid, values).places:
            if painting.complete[axis][index]:
                AnnotationLogic.setWhole(node, (axis, index), grid=grid)

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
