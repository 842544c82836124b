"""Labels within a box of a grid."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelBox:
    """Part of a label map; everything outside is 0.

    Painted slices fill a small part of a volume, so that looking at each stroke of the brush in
    the box alone is quick.

    Attributes:
        array: int16 (z, y, x); 0 where nothing is painted.
        start: Index (z, y, x) of the box's first voxel.
        shape: Size (z, y, x) of the whole grid.
    """

    array: np.ndarray
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    @property
    def part(self) -> tuple[slice, slice, slice]:
        """Where the box lies in an array of the whole grid."""
        a, b = self.start, self.array.shape
        return (slice(a[0], a[0] + b[0]), slice(a[1], a[1] + b[1]), slice(a[2], a[2] + b[2]))

    def whole(self) -> np.ndarray:
        """The labels of the whole grid."""
        array = np.zeros(self.shape, np.int16)
        array[self.part] = self.array
        return array

    def without(self, labels: LabelBox, values: Collection[int]) -> LabelBox:
        """The same with 0 where another box of the grid has one of some values."""
        if not values:
            return self
        low = [max(a, b) for a, b in zip(self.start, labels.start, strict=True)]
        ends = zip(self.part, labels.part, strict=True)
        high = [min(a.stop, b.stop) for a, b in ends]
        if any(a >= b for a, b in zip(low, high, strict=True)):
            return self
        array = self.array.copy()
        here = array[self._at(self.start, low, high)]
        there = labels.array[self._at(labels.start, low, high)]
        for z, plane in enumerate(there):
            here[z][np.isin(plane, list(values))] = 0
        return LabelBox(array, self.start, self.shape)

    @staticmethod
    def _at(start: tuple[int, int, int], low: list[int], high: list[int]) -> tuple[slice, ...]:
        return tuple(slice(a - s, b - s) for s, a, b in zip(start, low, high, strict=True))

    @staticmethod
    def slabs(shape: tuple[int, ...], voxels: int) -> Iterator[slice]:
        """Slices along the first axis of an array, each with about so many voxels."""
        thickness = max(1, voxels // max(1, shape[1] * shape[2]))
        for first in range(0, shape[0], thickness):
            yield slice(first, min(first + thickness, shape[0]))

    @staticmethod
    def bounds(array: np.ndarray) -> tuple[slice, slice, slice]:
        """Where anything but 0 is in an array (z, y, x); empty slices where nothing is.

        Slice by slice: a mask of a whole CT would take longer than looking through it.
        """
        seen = [np.zeros(n, bool) for n in array.shape]
        for z, plane in enumerate(array):
            rows = plane.any(axis=1)
            if rows.any():
                seen[0][z] = True
                seen[1] |= rows
        for z in np.flatnonzero(seen[0]):
            seen[2] |= array[z].any(axis=0)
        found = [np.flatnonzero(one) for one in seen]
        ends = [(int(one[0]), int(one[-1]) + 1) if one.size else (0, 0) for one in found]
        return slice(*ends[0]), slice(*ends[1]), slice(*ends[2])

    @classmethod
    def of(cls, array: np.ndarray) -> LabelBox:
        """The smallest box that holds all labels of a whole grid."""
        part = cls.bounds(array)
        start = (part[0].start, part[1].start, part[2].start)
        shape = (array.shape[0], array.shape[1], array.shape[2])
        return cls(np.asarray(array[part], np.int16), start, shape)
