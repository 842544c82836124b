"""Segmentations that 3D Slicer has cropped to what is painted, brought onto one grid."""

from __future__ import annotations

import numpy as np

from contrastive_seg.data.grids import TOLERANCE_MM, check_same_grid, largest_offset
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume

_CROPPED = ".seg.nrrd"


def on_common_grid(first: Volume, second: Volume, ignore: int | None = None) -> tuple[Volume, Volume]:
    """Two label maps on the smallest grid that holds both.

    Only files of the format in which 3D Slicer saves cropped segmentations grow, and only where the
    voxels of both coincide; what lies beside them is background.

    Args:
        first: Label map.
        second: The truth.
        ignore: Where given, nothing is known of the truth beside what was saved of it.

    Raises:
        ContrastiveSegError: ``grid-mismatch``.
    """
    to_index = np.linalg.inv(np.asarray(first.ijk_to_ras, dtype=float)) @ second.ijk_to_ras
    offset = np.rint(to_index[:3, 3]).astype(int)
    matrix = np.array(first.ijk_to_ras, dtype=float)
    shifted = matrix.copy()
    shifted[:3, 3] = (matrix @ np.append(offset, 1.0))[:3]
    if largest_offset(shifted, second.ijk_to_ras, second.shape) <= TOLERANCE_MM:
        begins = np.stack([np.zeros(3, int), offset[::-1]])  # of both along z, y, x, in voxels of the first
        low = begins.min(axis=0)
        high = (begins + np.array([first.shape, second.shape])).max(axis=0)
        matrix[:3, 3] = (matrix @ np.append(low[::-1], 1.0))[:3]
        size = (int(high[0] - low[0]), int(high[1] - low[1]), int(high[2] - low[2]))
        fills = (0, 0 if ignore is None else IGNORE)
        first, second = (
            _grown(one, begin - low, size, matrix, fill)
            for one, begin, fill in zip((first, second), begins, fills, strict=True)
        )
    check_same_grid(second, first)
    return first, second


def _grown(
    labels: Volume, begin: np.ndarray, shape: tuple[int, int, int], matrix: np.ndarray, fill: int
) -> Volume:
    if labels.shape == shape or not labels.name.lower().endswith(_CROPPED):
        return labels
    whole = np.full(shape, fill, np.int16)
    whole[tuple(slice(int(b), int(b) + n) for b, n in zip(begin, labels.shape, strict=True))] = labels.array
    return Volume(whole, matrix, labels.name)
