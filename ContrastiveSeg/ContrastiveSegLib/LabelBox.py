"""Labels within a box of a grid."""

from __future__ import annotations

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

    @classmethod
    def of(cls, array: np.ndarray) -> LabelBox:
        """The smallest box that holds all labels of a whole grid."""
        start, stop = [], []
        for axis in range(3):
            other = tuple(a for a in range(3) if a != axis)
            found = np.flatnonzero(np.asarray(array != 0).any(axis=other))
            start.append(int(found[0]) if found.size else 0)
            stop.append(int(found[-1]) + 1 if found.size else 0)
        box = array[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
        return cls(np.asarray(box, np.int16), (start[0], start[1], start[2]), tuple(array.shape))  # type: ignore[arg-type]
