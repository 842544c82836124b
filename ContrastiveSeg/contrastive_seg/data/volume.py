"""A scalar volume with its geometry."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Volume:
    """A scalar image on a regular, possibly oblique, grid.

    Attributes:
        array: Voxels, shape (z, y, x), in scanner units; float32 or an integer type, possibly a
            read-only memory map.
        ijk_to_ras: 4x4 matrix from voxel indices (i, j, k) = (x, y, z) to RAS millimetres, as in
            3D Slicer.
        name: What to call it in messages (never a patient name in provenance or logs).
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray = field(default_factory=lambda: np.eye(4))
    name: str = "volume"

    @property
    def spacing_zyx(self) -> tuple[float, float, float]:
        """Voxel size in mm along the array axes (z, y, x)."""
        columns = np.linalg.norm(np.asarray(self.ijk_to_ras, dtype=float)[:3, :3], axis=0)
        return float(columns[2]), float(columns[1]), float(columns[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Array shape (z, y, x)."""
        z, y, x = self.array.shape
        return z, y, x
