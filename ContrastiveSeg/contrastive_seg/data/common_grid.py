"""Segmentations that 3D Slicer has cropped to what is painted, brought onto one grid."""

from __future__ import annotations

import numpy as np

from contrastive_seg.data.grids import check_same_grid, moved_by, offset_in
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
    offset = offset_in(first, second)
    if offset is not None:
        begins = np.stack([np.zeros(3, int), offset])  # of both along z, y, x, in voxels of the first
        low = begins.min(axis=0)
        high = (begins + np.array([first.shape, second.shape])).max(axis=0)
        matrix = moved_by(first.ijk_to_ras, low)
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
