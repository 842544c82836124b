"""Sparse labels: truth where somebody said something, IGNORE elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORE = -1
"""Value of a voxel about which nobody has said anything."""

PLANES = ("axial", "coronal", "sagittal")
"""Names of array axes 0 (z), 1 (y), 2 (x): the plane whose slices that axis counts.

Named after the grid's own axes: on an oblique or sagittally acquired grid "axial" means "along the
third voxel index k", whatever the anatomy.
"""


@dataclass(frozen=True)
class SparseLabels:
    """An integer label map with IGNORE where nothing was said.

    Attributes:
        array: int16, shape (z, y, x): 0 background, positive label values, or :data:`IGNORE`.
    """

    array: np.ndarray

    @property
    def values(self) -> tuple[int, ...]:
        """Label values that occur, background (0) included when it does, IGNORE excluded, sorted."""
        found = np.unique(self.array)
        return tuple(int(v) for v in found if v != IGNORE)

    def annotated_slices(self, axis: int) -> list[int]:
        """Indices of slices along ``axis`` of which every pixel is truth."""
        other = tuple(a for a in range(3) if a != axis)
        complete = (self.array != IGNORE).all(axis=other)
        return [int(i) for i in np.flatnonzero(complete)]

    def touched_slices(self, axis: int) -> list[int]:
        """Indices of slices along ``axis`` with at least one pixel of truth."""
        other = tuple(a for a in range(3) if a != axis)
        touched = (self.array != IGNORE).any(axis=other)
        return [int(i) for i in np.flatnonzero(touched)]
