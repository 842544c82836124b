"""Copies a prediction into the user's segmentation."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_MOST_UNDONE = 5
_SLAB_VOXELS = 250_000
_COMPARED_VOXELS = 2_000_000


@dataclass
class _Accepted:
    """What is needed to take an acceptance back."""

    node: Any
    manual: list[Slice]
    accepted: Path | None
    kept: Path | None
    after: int = 0


@dataclass(frozen=True)
class _Change:
    """Voxels of a segment that go and that come, within a box of the grid."""

    segmentId: str
    gone: np.ndarray
    new: np.ndarray
    start: tuple[int, int, int]


class AcceptLogic:
    """Accepts predictions through Slicer's segment editor logic, so that Undo brings back what was.

    What a person has drawn is left alone: annotated slices keep their voxels, and so does every
    segment that is not accepted. Elsewhere the accepted segments become what was predicted, so that
    accepting again replaces what was accepted before.
    """

    def __init__(self) -> None:
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._logic.SetMaximumNumberOfUndoStates(2 * _MOST_UNDONE)
        self._editor: Any = None
        self._done: list[_Accepted] = []

    def accept(self, *arguments: Any, **options: Any) -> None:
        """Copies the prediction of a segmentation into it, at once; :meth:`steps` tells the arguments."""
        for _step in self.steps(*arguments, **options):
            pass

    def steps(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        annotated: list[Slice],
        values: dict[str, int],
        *,
        segmentIds: list[str] | None = None,
        slices: list[Slice] | None = None,
        replaceAnnotated: bool = False,
        accepted: Path | None = None,
    ) -> Iterator[None]:
        """Copies the prediction of a segmentation into it, part by part.

        Nothing else may change the segmentation before the last step.

        Args:
            volumeNode: The volume the prediction was made for.
            segmentationNode: The user's segmentation.
            annotated: Its annotated slices.
            values: Label values by segment ID, as for the export.
            segmentIds: Which segments; None for all that are predicted.
            slices: Which slices, as (array axis, index); None for the whole volume.
            replaceAnnotated: Change the annotated slices, too.
            accepted: Where to note how the labels are afterwards, for :class:`AnnotationLogic`.

        Raises:
            UserError: There is no prediction.
        """
        predicted = PredictionLogic.predicted(segmentationNode)
        if predicted is None or not predicted.GetSegmentation().GetNumberOfSegments():
            raise UserError(_("There is no prediction to accept yet."), _("Press Start first."))
        grid = VolumeGrid(volumeNode)
        chosen = [
            one
            for one in segmentationNode.GetSegmentation().GetSegmentIDs()
            if predicted.GetSegmentation().GetSegment(one) and (segmentIds is None or one in segmentIds)
        ]
        kept = [] if replaceAnnotated else annotated
        changes = []
        for segmentId in chosen:
            change = yield from self._change(
                grid, segmentationNode, predicted, segmentId, chosen, slices, kept
            )
            changes.append(change)
            yield
        self._prepare(volumeNode, segmentationNode)
        former = AnnotationLogic.manualSlices(segmentationNode)
        self._logic.SaveStateForUndo()
        self._done = [one for one in self._done if one.node is segmentationNode]  # the logic knows one only
        record = _Accepted(segmentationNode, former, accepted, self._putAside(accepted))
        self._done = [*self._done, record][-_MOST_UNDONE:]
        record.after = self._time(segmentationNode)
        AnnotationLogic.recordManual(segmentationNode, annotated)  # before any voxel looks like a person's
        yield
        for remove in (True, False):  # first all that goes, so that nothing new is overwritten
            for change in changes:
                for _slab in self._apply(grid, segmentationNode, change, remove):
                    record.after = self._time(segmentationNode)
                    yield
        if accepted is not None:
            yield
            labels = yield from SegmentResampler(segmentationNode, grid).labelSteps(values)
            yield from AcceptedLabels(accepted).write(labels)
        record.after = self._time(segmentationNode)

    def whyNoUndo(self, segmentationNode: Any) -> str:
        """Why Accept cannot be undone now; empty where it can."""
        last = self._done[-1] if self._done else None
        if last is None or segmentationNode is None or last.node is not segmentationNode:
            return _("Nothing has been accepted yet.")
        if last.after != self._time(segmentationNode):
            return _("The segmentation was changed after Accept; use Undo in the Segment Editor first.")
        return ""

    def undo(self, segmentationNode: Any) -> None:
        """Brings back the segmentation as it was before the last Accept; again, before the one before.

        Raises:
            UserError: Something else changed it since, which would be lost.
        """
        reason = self.whyNoUndo(segmentationNode)
        if reason:
            raise UserError(reason)
        self._logic.Undo()
        last = self._done.pop()
        AnnotationLogic.recordManual(last.node, last.manual)
        if last.accepted is not None:
            AcceptedLabels(last.accepted).remove()
            if last.kept is not None:
                AcceptedLabels(last.kept).moveTo(last.accepted)
        if self._done:
            self._done[-1].after = self._time(segmentationNode)

    def forget(self) -> None:
        """Lets go of the scene's nodes, as when the scene is closed."""
        for one in self._done:
            if one.kept is not None:
                AcceptedLabels(one.kept).remove()
        self._done = []
        self._logic.SetSegmentEditorNode(None)
        self._editor = None

    def _putAside(self, accepted: Path | None) -> Path | None:
        """Keeps the note of an earlier acceptance for Undo."""
        if accepted is None or not accepted.is_file():
            return None
        kept = accepted.with_name(f"{accepted.stem}-{uuid.uuid4().hex[:8]}{accepted.suffix}")
        AcceptedLabels(accepted).moveTo(kept)
        return kept

    @staticmethod
    def _change(
        grid: VolumeGrid,
        segmentationNode: Any,
        predicted: Any,
        segmentId: str,
        chosen: list[str],
        slices: list[Slice] | None,
        kept: list[Slice],
    ) -> Generator[None, None, _Change]:
        """The voxels of one segment to take away and to add, within the box that holds both."""
        present, wanted = SegmentResampler(segmentationNode, grid), SegmentResampler(predicted, grid)
        old = present.mask(segmentId, strict=False)
        yield
        new = wanted.mask(segmentId, strict=False)
        yield
        start, shape = _box([one for one in (old, new) if one[0].size], slices)
        gone, come = np.zeros(shape, bool), np.zeros(shape, bool)
        others = []
        for other in segmentationNode.GetSegmentation().GetSegmentIDs():
            if other not in chosen:
                others.append(present.mask(other, strict=False))
                yield
        for slab in LabelBox.slabs(shape, _COMPARED_VOXELS):
            part = ((start[0] + slab.start, *start[1:]), (slab.stop - slab.start, *shape[1:]))
            before, after = _within(old, *part), _within(new, *part)
            np.greater(before, after, out=gone[slab])
            np.greater(after, before, out=come[slab])
            for mask in others:
                come[slab] &= ~_within(mask, *part)
            if slices is not None:
                allowed = _on(slices, *part)
                gone[slab] &= allowed
                come[slab] &= allowed
            yield
        for axis, index in kept:
            if 0 <= index - start[axis] < shape[axis]:
                gone[_at(axis, index - start[axis])] = False
                come[_at(axis, index - start[axis])] = False
        return _Change(segmentId, gone, come, start)

    def _prepare(self, volumeNode: Any, segmentationNode: Any) -> None:
        if self._editor is None or slicer.mrmlScene.GetNodeByID(self._editor.GetID()) is not self._editor:
            # its own node: the masking the user has set in the Segment Editor is for painting
            self._editor = slicer.mrmlScene.GetSingletonNode("ContrastiveSeg", "vtkMRMLSegmentEditorNode")
            if self._editor is None:
                node = slicer.vtkMRMLSegmentEditorNode()
                node.SetSingletonTag("ContrastiveSeg")
                node.SetHideFromEditors(True)
                self._editor = slicer.mrmlScene.AddNode(node)
            self._logic.SetSegmentEditorNode(self._editor)
        if self._logic.GetSegmentationNode() is not segmentationNode:
            self._logic.SetSegmentationNode(segmentationNode)
        self._logic.SetSourceVolumeNode(volumeNode)
        self._editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)

    def _apply(
        self, grid: VolumeGrid, segmentationNode: Any, change: _Change, remove: bool
    ) -> Iterator[None]:
        """Takes voxels away or adds them, a slab at a time."""
        mask = change.gone if remove else change.new
        part = LabelBox.bounds(mask)
        mask = mask[part]
        if not mask.size:
            return
        start = tuple(s + one.start for s, one in zip(change.start, part, strict=True))
        logic = self._logic
        mode = logic.ModificationModeRemove if remove else logic.ModificationModeAdd
        for slab in LabelBox.slabs(mask.shape, _SLAB_VOXELS):
            if mask[slab].any():
                place = (start[0] + slab.start, start[1], start[2])
                image = self._modifier(grid, segmentationNode, mask[slab], place)
                logic.ModifySegmentByLabelmap(segmentationNode, change.segmentId, image, mode, False, False)
                yield

    @staticmethod
    def _modifier(
        grid: VolumeGrid, segmentationNode: Any, mask: np.ndarray, start: tuple[int, int, int]
    ) -> Any:
        """The voxels in the segmentation's local space."""
        image = grid.orientedImage(mask.astype(np.uint8), start)
        volume, segmentation = grid.node.GetParentTransformNode(), segmentationNode.GetParentTransformNode()
        if volume is not segmentation:
            import vtk

            transform = vtk.vtkGeneralTransform()
            slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume, segmentation, transform)
            slicer.vtkOrientedImageDataResample.TransformOrientedImage(image, transform)
        return image

    @staticmethod
    def _time(segmentationNode: Any) -> int:
        """Changes whenever any voxel of any segment does."""
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = segmentationNode.GetSegmentation()
        times = [segmentation.GetNumberOfSegments()]
        for segmentId in segmentation.GetSegmentIDs():
            image = segmentation.GetSegment(segmentId).GetRepresentation(name)
            times.append(image.GetMTime() if image is not None else 0)
        return hash(tuple(times))


_Place = tuple[int, int, int]
_Mask = tuple[np.ndarray, _Place]


def _box(masks: list[_Mask], slices: list[Slice] | None) -> tuple[_Place, _Place]:
    """Start and shape of what holds all masks, and no more of it than the slices reach."""
    if not masks:
        return (0, 0, 0), (0, 0, 0)
    low = np.min([start for _mask, start in masks], axis=0)
    high = np.max([np.add(start, mask.shape) for mask, start in masks], axis=0)
    axes = {axis for axis, _index in slices or []}
    if len(axes) == 1 and slices:
        axis = axes.pop()
        low[axis] = max(low[axis], min(index for _axis, index in slices))
        high[axis] = max(low[axis], min(high[axis], max(index for _axis, index in slices) + 1))
    shape = high - low
    return (int(low[0]), int(low[1]), int(low[2])), (int(shape[0]), int(shape[1]), int(shape[2]))


def _on(slices: list[Slice], start: _Place, shape: _Place) -> np.ndarray:
    """The voxels of a box that lie on slices."""
    found = np.zeros(shape, bool)
    for axis, index in slices:
        if 0 <= index - start[axis] < shape[axis]:
            found[_at(axis, index - start[axis])] = True
    return found


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    return tuple(index if a == axis else slice(None) for a in range(3))


def _within(source: _Mask, start: _Place, shape: _Place) -> np.ndarray:
    """A mask and its start, as a mask of another box; what lies outside of that is cut off."""
    mask, begin = source
    found = np.zeros(shape, bool)
    low = [max(a, b) for a, b in zip(begin, start, strict=True)]
    high = [min(a + n, b + m) for a, n, b, m in zip(begin, mask.shape, start, shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        here = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
        there = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, begin, strict=True))
        found[here] = mask[there]
    return found
