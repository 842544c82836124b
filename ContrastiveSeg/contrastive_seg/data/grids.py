"""Voxel grids: between SimpleITK's LPS geometry and Slicer's IJK-to-RAS matrix, and comparing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError

TOLERANCE_MM = 1e-3
"""Two grids are one when no corner of the one lies farther than this from the other's."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def matrix_from_itk(image: Any) -> np.ndarray:
    """IJK-to-RAS, 4x4 in mm, of a 2D or 3D SimpleITK image or reader (both of which are LPS)."""
    dimension = image.GetDimension()
    spatial = min(3, dimension)
    direction = np.array(image.GetDirection(), dtype=float).reshape(dimension, dimension)
    lps = np.eye(4)
    lps[:spatial, :spatial] = direction[:spatial, :spatial] * np.array(image.GetSpacing())[:spatial]
    lps[:spatial, 3] = image.GetOrigin()[:spatial]
    return _LPS_TO_RAS @ lps


def itk_geometry(ijk_to_ras: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """Spacing, origin and direction (row by row), LPS, for a 3D SimpleITK image."""
    lps = _LPS_TO_RAS @ np.asarray(ijk_to_ras, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    return spacing.tolist(), lps[:3, 3].tolist(), direction.ravel().tolist()


def shear(ijk_to_ras: np.ndarray) -> float:
    """How far the axes are from right angles: the largest cosine between two of them."""
    directions = np.asarray(ijk_to_ras, dtype=float)[:3, :3]
    directions = directions / np.linalg.norm(directions, axis=0)
    return float(np.abs(directions.T @ directions - np.eye(3)).max())


def largest_offset(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance, mm, between where two matrices put the corners of a (z, y, x) grid."""
    ends = [(0, n - 1) for n in reversed(shape)]
    corners = np.array(np.meshgrid(*ends, indexing="ij"), dtype=float).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    difference = (np.asarray(first, dtype=float) - np.asarray(second, dtype=float)) @ homogeneous
    return float(np.linalg.norm(difference[:3], axis=0).max())


def describe_grid(volume: Volume) -> str:
    """One line for messages: size, spacing, origin and axes of a grid, in x, y, z order."""
    matrix = np.asarray(volume.ijk_to_ras, dtype=float)
    size = " x ".join(str(n) for n in reversed(volume.shape))
    spacing = " x ".join(f"{s:.4g}" for s in reversed(volume.spacing_zyx))
    origin = ", ".join(f"{v:.6g}" for v in matrix[:3, 3])
    return f"{size} voxels of {spacing} mm, origin ({origin}) RAS, axes {orientation_code(matrix)}"


def orientation_code(ijk_to_ras: np.ndarray) -> str:
    """Where the voxel axes i, j, k point to, e.g. ``"LPS"``; the closest letters on oblique grids."""
    directions = np.asarray(ijk_to_ras, dtype=float)[:3, :3]
    left = np.abs(directions / np.linalg.norm(directions, axis=0))
    letters = ["", "", ""]
    for _ in range(3):  # the clearest axis first, so that no letter pair comes twice
        row, column = np.unravel_index(int(np.argmax(left)), (3, 3))
        letters[int(column)] = ("RL", "AP", "SI")[int(row)][0 if directions[row, column] > 0 else 1]
        left[row, :] = -1
        left[:, column] = -1
    return "".join(letters)


def offset_in(grid: Volume, other: Volume) -> np.ndarray | None:
    """Index (z, y, x) in one grid of another's first voxel; None where their voxels do not coincide."""
    matrix = np.array(grid.ijk_to_ras, dtype=float)
    offset = np.rint((np.linalg.inv(matrix) @ other.ijk_to_ras)[:3, 3]).astype(int)
    moved = moved_by(matrix, offset[::-1])
    if largest_offset(moved, other.ijk_to_ras, other.shape) > TOLERANCE_MM:
        return None
    return np.asarray(offset[::-1])


def moved_by(ijk_to_ras: np.ndarray, index_zyx: np.ndarray) -> np.ndarray:
    """The matrix of a grid that begins at another voxel."""
    moved = np.array(ijk_to_ras, dtype=float)
    moved[:3, 3] = (moved @ np.append(index_zyx[::-1], 1.0))[:3]
    return moved


def check_same_grid(first: Volume, second: Volume) -> None:
    """Sees to it that voxel (i, j, k) of both is the same place.

    Raises:
        ContrastiveSegError: ``grid-mismatch``, which describes both grids.
    """
    if first.shape == second.shape:
        offset = largest_offset(first.ijk_to_ras, second.ijk_to_ras, first.shape)
        if offset <= TOLERANCE_MM:
            return
        reason = f"the same voxel lies up to {offset:.3g} mm apart"
    else:
        reason = "their sizes differ"
    raise ContrastiveSegError(
        "grid-mismatch",
        f"'{first.name}' and '{second.name}' are not on the same grid ({reason}): '{first.name}' has "
        f"{describe_grid(first)}; '{second.name}' has {describe_grid(second)}.",
        "Resample the label map to the image's grid with nearest-neighbour interpolation (in 3D Slicer: "
        "export the segmentation to a label map with the image as reference volume).",
    )
