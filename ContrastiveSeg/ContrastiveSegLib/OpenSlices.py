"""Which structures annotated slices leave open, as these were painted on other slices."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBounds import LabelBounds
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_LEAST_MARGIN = 8  # voxels around a place; a quarter of its size where that is more

Place = tuple[slice, slice]


@dataclass(frozen=True)
class OpenSlices:
    """Structures that are not painted on a slice although they are on those before and after it.

    Who has painted the liver on some slices and then the spleen on others has forgotten, or spared, the
    spleen on the first ones: it is there. To learn it as background would spoil both. So around the place
    where such a structure may be, the slice is left open, unless it is marked as whole. That is so beyond
    the outermost slices that show it, too, up to one that is marked as empty or whole. A structure that is
    painted wherever others are between its ends has ended beyond them.

    Attributes:
        places: By slice and label value, where the structure may be: rows and columns of the slice.
    """

    places: Mapping[Slice, Mapping[int, Place]] = field(default_factory=dict)

    @classmethod
    def find(cls, *arguments: Any) -> OpenSlices:
        """Looks at the annotated slices, at once; :meth:`steps` tells the arguments."""
        return Chunks.finish(cls.steps(*arguments))

    @classmethod
    def steps(
        cls,
        segmentationNode: Any,
        labels: LabelBox,
        slices: Collection[Slice],
        grid: VolumeGrid,
        values: dict[str, int],
    ) -> Generator[None, None, OpenSlices]:
        """Looks at the annotated slices, in steps of some milliseconds each.

        Args:
            segmentationNode: Whose marks count.
            labels: Its segments on the volume's grid.
            slices: The annotated slices.
            grid: The volume's grid.
            values: Label values by segment ID; hidden segments take no part.
        """
        hidden = AnnotationLogic.hiddenValues(segmentationNode, values)
        taking = set(values.values()) - set(hidden)
        if len(taking) < 2:
            return cls()
        partial = set(AnnotationLogic.partialSlices(segmentationNode, grid))
        whole = set(AnnotationLogic.wholeSlices(segmentationNode, grid))
        planes = {one: cls._painted(labels, one) for one in slices if one not in partial}
        cls._leaveAccepted(segmentationNode, labels, grid, values, planes)
        shown: dict[Slice, set[int]] = {}
        for one, plane in planes.items():
            shown[one] = set(LabelBounds.valuesIn(plane)) & taking
            yield
        found: dict[Slice, dict[int, Place]] = {}
        for axis in range(3):
            indices = sorted(index for a, index in shown if a == axis)
            for value in sorted(set().union(*(shown[axis, index] for index in indices))):
                mayBeOpen = {i for i in indices if shown[axis, i] and (axis, i) not in whole}
                showing = [i for i in indices if value in shown[axis, i]]
                said = [i for i in indices if value in shown[axis, i] or i not in mayBeOpen]
                beside: dict[int, list[int]] = {}
                for index in sorted(mayBeOpen.difference(showing)):
                    next_ = bisect(said, index)  # which does not hold it
                    sides = said[max(0, next_ - 1) : next_ + 1]
                    beside[index] = [i for i in sides if value in shown[axis, i]]
                yield
                if not any(len(sides) == 2 for sides in beside.values()):
                    continue  # painted on the same slices as the others: beyond them it has ended
                for index, sides in beside.items():
                    if sides:
                        around = [planes[axis, i] == value for i in sides]
                        found.setdefault((axis, index), {})[value] = cls._place(around, labels, axis)
                        yield
        return cls(found)

    @staticmethod
    def _painted(labels: LabelBox, one: Slice) -> np.ndarray:
        """The labels of a slice within the box."""
        axis, index = one
        inside = index - labels.start[axis]
        if 0 <= inside < labels.array.shape[axis]:
            return labels.array.take(inside, axis)
        return np.zeros((0, 0), np.int16)

    @staticmethod
    def _leaveAccepted(
        segmentationNode: Any,
        labels: LabelBox,
        grid: VolumeGrid,
        values: dict[str, int],
        planes: dict[Slice, np.ndarray],
    ) -> None:
        """Where a slice was open when a prediction was accepted, only what a person has painted counts."""
        accepted = AcceptedLabels(segmentationNode)
        earlier = accepted.unfinished(labels, grid)
        if earlier is None:
            return
        before = LabelBox(earlier, labels.start, labels.shape)
        unfinished = [one for one in planes if before.isPainted(*one)]
        if not unfinished:
            return
        under = AnnotationLogic.hiddenIds(segmentationNode)
        persons = LabelBox(accepted.persons(labels, values, grid, under), labels.start, labels.shape)
        for axis, index in unfinished:
            mine = persons.array.take(index - labels.start[axis], axis)
            planes[axis, index] = np.where(mine, planes[axis, index], 0)

    @staticmethod
    def _place(masks: list[np.ndarray], labels: LabelBox, axis: int) -> Place:
        """Rows and columns of the whole slice around what the slices beside it show."""
        start = [s for a, s in enumerate(labels.start) if a != axis]
        size = [s for a, s in enumerate(labels.shape) if a != axis]
        bounds = []
        for other in (0, 1):
            found = np.flatnonzero(np.any(masks, axis=0).any(axis=1 - other))
            first, last = int(found[0]) + start[other], int(found[-1]) + 1 + start[other]
            margin = max(_LEAST_MARGIN, (last - first) // 4)
            bounds.append(slice(max(0, first - margin), min(size[other], last + margin)))
        return bounds[0], bounds[1]

    def structures(self, one: Slice) -> list[int]:
        """Label values of the structures about which a slice says nothing."""
        return sorted(self.places.get(one, ()))

    def line(self, axis: int, index: int, z: int, shape: tuple[int, int, int]) -> np.ndarray:
        """Which voxels are open where nothing is painted: of a slice, what lies on one z of the volume.

        The whole slice where the axis is 0; else its voxels along y or x.
        """
        size = [n for a, n in enumerate(shape) if a != axis]
        mask = np.zeros(size if axis == 0 else size[1], bool)
        for rows, columns in self.places.get((axis, index), {}).values():
            if axis == 0:
                mask[rows, columns] = True
            elif rows.start <= z < rows.stop:
                mask[columns] = True
        return mask
