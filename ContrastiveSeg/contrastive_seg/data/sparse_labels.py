"""Sparse labels: truth where somebody said something, IGNORE elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORE = -1
"""Value of a voxel about which nobody has said anything."""

OPEN = -2
"""Value of a voxel of an annotated slice that is left open: it is none of the structures that this slice
shows, but perhaps one that was painted on other slices only, or one that is left out."""

PLANES = ("axial", "coronal", "sagittal")
"""Names of array axes 0 (z), 1 (y), 2 (x): the plane whose slices that axis counts.

Named after the grid's own axes: on an oblique or sagittally acquired grid "axial" means "along the
third voxel index k", whatever the anatomy.
"""


@dataclass(frozen=True)
class SparseLabels:
    """An integer label map, negative where nothing was said.

    Attributes:
        array: int16, shape (z, y, x): 0 background, positive label values, :data:`IGNORE` or :data:`OPEN`;
            possibly a read-only memory map.
    """

    array: np.ndarray

    @property
    def values(self) -> tuple[int, ...]:
        """Label values that occur, background (0) included when it does, sorted."""
        found: set[int] = set()
        for plane in self.array:  # a slice at a time: most of a large volume says nothing
            if int(plane.max(initial=IGNORE)) > IGNORE:
                found.update(int(v) for v in np.unique(plane))
        return tuple(sorted(found - {IGNORE, OPEN}))

    @property
    def is_complete(self) -> bool:
        """Whether every voxel is truth."""
        return all(int(plane.min(initial=0)) > IGNORE for plane in self.array)

    def annotated_slices(self, axis: int) -> list[int]:
        """Indices of slices along ``axis`` that are annotated as a whole: no pixel is IGNORE."""
        found = np.ones(self.array.shape[axis], bool)
        for index, plane in enumerate(self.array):
            said = plane != IGNORE
            if axis == 0:
                found[index] = said.all()
            else:
                found &= said.all(axis=2 - axis)
        return [int(i) for i in np.flatnonzero(found)] if self.array.size else []

    def touched_slices(self, axis: int) -> list[int]:
        """Indices of slices along ``axis`` with at least one pixel of truth."""
        if self.array.size == 0:
            return []
        # Collapsing z first keeps the memory access in order, whatever the axis.
        values = self.array.max(axis=tuple(a for a in range(3) if a != axis))
        return [int(i) for i in np.flatnonzero(values > IGNORE)]
