"""Labels within a box of a grid."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
        array = self.array.copy()
        for z, plane in enumerate(labels.cut(self.start, array.shape)):
            array[z][np.isin(plane, list(values))] = 0
        return LabelBox(array, self.start, self.shape)

    def isPainted(self, axis: int, index: int) -> bool:
        """Whether anything is on a slice of the whole grid."""
        inside = index - self.start[axis]
        if not 0 <= inside < self.array.shape[axis]:
            return False
        return bool(self.array[tuple(inside if a == axis else slice(None) for a in range(3))].any())

    def cut(self, start: tuple[int, int, int], shape: tuple[int, ...]) -> np.ndarray:
        """The labels of another box of the grid; 0 where it reaches beyond this one."""
        return self.within(self.array, self.start, start, shape)

    @staticmethod
    def within(
        array: np.ndarray,
        begin: tuple[int, int, int],
        start: tuple[int, int, int],
        shape: tuple[int, ...],
    ) -> np.ndarray:
        """An array that begins at one voxel of a grid, as an array of another box of that grid.

        Args:
            array: (z, y, x).
            begin: Where its first voxel lies.
            start: Where that of the other box lies.
            shape: Size of the other box. What the array lacks there is 0.
        """
        if begin == start and array.shape == tuple(shape):
            return array
        found = np.zeros(shape, array.dtype)
        low = [max(a, b) for a, b in zip(begin, start, strict=True)]
        ends = zip(begin, array.shape, start, shape, strict=True)
        high = [min(a + n, b + m) for a, n, b, m in ends]
        if all(a < b for a, b in zip(low, high, strict=True)):
            here = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
            there = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, begin, strict=True))
            found[here] = array[there]
        return found

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

    @staticmethod
    def around(
        boxes: Sequence[tuple[tuple[int, int, int], tuple[int, ...]]],
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The smallest box that holds several, each given as its start and shape; so is the answer.

        Raises:
            ValueError: There are none.
        """
        low = [min(start[axis] for start, _shape in boxes) for axis in range(3)]
        high = [max(start[axis] + shape[axis] for start, shape in boxes) for axis in range(3)]
        return (low[0], low[1], low[2]), (high[0] - low[0], high[1] - low[1], high[2] - low[2])

    @classmethod
    def nothing(cls, shape: tuple[int, int, int]) -> LabelBox:
        """A grid on which no voxel has a label."""
        return cls(np.zeros((0, 0, 0), np.int16), (0, 0, 0), shape)

    @classmethod
    def of(cls, array: np.ndarray) -> LabelBox:
        """The smallest box that holds all labels of a whole grid."""
        part = cls.bounds(array)
        start = (part[0].start, part[1].start, part[2].start)
        shape = (array.shape[0], array.shape[1], array.shape[2])
        return cls(np.asarray(array[part], np.int16), start, shape)
