"""What accepting a prediction changes in one segment."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_COMPARED_VOXELS = 2_000_000

_Place = tuple[int, int, int]
_Mask = tuple[np.ndarray, _Place]


@dataclass(frozen=True)
class SegmentChange:
    """Voxels of a segment that go and that come, within a box of the volume's grid.

    Attributes:
        segmentId: Which segment.
        gone: bool (z, y, x).
        new: bool (z, y, x).
        start: Index (z, y, x) of the box's first voxel.
    """

    segmentId: str
    gone: np.ndarray
    new: np.ndarray
    start: _Place

    @classmethod
    def steps(
        cls,
        grid: VolumeGrid,
        segmentationNode: Any,
        predicted: Any,
        segmentId: str,
        chosen: list[str],
        slices: list[Slice] | None,
        kept: list[Slice],
        persons: LabelBox,
    ) -> Generator[None, None, SegmentChange]:
        """Compares a segment with its prediction, in steps of some milliseconds.

        Args:
            grid: The volume's grid.
            segmentationNode: The user's segmentation.
            predicted: The prediction's node.
            segmentId: The segment, the same in both.
            chosen: The segments that are accepted; voxels of others stay.
            slices: Which slices; None for all.
            kept: Slices that stay as they are.
            persons: Voxels that stay as they are, of other slices.
        """
        present, wanted = SegmentResampler(segmentationNode, grid), SegmentResampler(predicted, grid)
        old = present.mask(segmentId, strict=False)
        yield
        new = wanted.mask(segmentId, strict=False)
        yield
        start, shape = _box([one for one in (old, new) if one[0].size], slices)
        gone, come = np.zeros(shape, bool), np.zeros(shape, bool)
        painted = persons.array != 0
        others = []
        for other in segmentationNode.GetSegmentation().GetSegmentIDs():
            if other not in chosen:
                others.append(present.mask(other, strict=False))
                yield
        for slab in LabelBox.slabs(shape, _COMPARED_VOXELS):
            part = ((start[0] + slab.start, *start[1:]), (slab.stop - slab.start, *shape[1:]))
            before, after = LabelBox.within(*old, *part), LabelBox.within(*new, *part)
            np.greater(before, after, out=gone[slab])
            np.greater(after, before, out=come[slab])
            allowed = ~LabelBox.within(painted, persons.start, *part)
            if slices is not None:
                allowed &= _on(slices, *part)
            gone[slab] &= allowed
            come[slab] &= allowed
            for mask in others:
                come[slab] &= ~LabelBox.within(*mask, *part)
            yield
        for axis, index in kept:
            if 0 <= index - start[axis] < shape[axis]:
                gone[_at(axis, index - start[axis])] = False
                come[_at(axis, index - start[axis])] = False
        return cls(segmentId, gone, come, start)

    @staticmethod
    def persons(
        grid: VolumeGrid, segmentationNode: Any, partial: list[Slice]
    ) -> Generator[None, None, LabelBox]:
        """What a person has painted on slices that are not complete, in any segment, as 0 and 1."""
        if not partial:
            return LabelBox.nothing(grid.shape)
        segmentIds = segmentationNode.GetSegmentation().GetSegmentIDs()
        values = {one: number + 1 for number, one in enumerate(segmentIds)}
        hidden = AnnotationLogic.hiddenIds(segmentationNode)
        resampler = SegmentResampler(segmentationNode, grid)
        labels = yield from resampler.labelSteps(values, hidden, strict=False)
        mine = AcceptedLabels(segmentationNode).persons(labels, values, grid, hidden)
        yield
        shape = (mine.shape[0], mine.shape[1], mine.shape[2])
        return LabelBox((mine & _on(partial, labels.start, shape)).astype(np.uint8), labels.start, grid.shape)


def _box(masks: list[_Mask], slices: list[Slice] | None) -> tuple[_Place, _Place]:
    """Start and shape of what holds all masks, and no more of it than the slices reach."""
    if not masks:
        return (0, 0, 0), (0, 0, 0)
    start, shape = LabelBox.around([(start, mask.shape) for mask, start in masks])
    axes = {axis for axis, _index in slices or []}
    if len(axes) == 1 and slices:
        axis = axes.pop()
        first = max(start[axis], min(index for _axis, index in slices))
        last = min(start[axis] + shape[axis], max(index for _axis, index in slices) + 1)
        start = _with(start, axis, first)
        shape = _with(shape, axis, max(0, last - first))
    return start, shape


def _with(place: _Place, axis: int, value: int) -> _Place:
    """The same place with one number exchanged."""
    found = [value if a == axis else place[a] for a in range(3)]
    return found[0], found[1], found[2]


def _on(slices: list[Slice], start: _Place, shape: _Place) -> np.ndarray:
    """The voxels of a box that lie on slices."""
    found = np.zeros(shape, bool)
    for axis, index in slices:
        if 0 <= index - start[axis] < shape[axis]:
            found[_at(axis, index - start[axis])] = True
    return found


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    return tuple(index if a == axis else slice(None) for a in range(3))
