"""Signed distances of annotated slices, and their interpolation between slices.

Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

FAR = 64.0
"""Distance, in pixels, that stands for "nowhere near": distances are clipped to +-FAR."""


def signed_distance(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Distance to the border of a 2D mask, positive inside; float32, same shape.

    The zero crossing lies half-way between inside and outside pixels. An empty mask is -FAR
    everywhere.

    Args:
        mask: Booleans, (H, W).
        spacing: Size of a pixel (down, across) in the unit of the distance.
    """
    if not mask.any():
        return np.full(mask.shape, -FAR, dtype=np.float32)
    half = min(spacing) / 2
    if mask.all():
        return np.full(mask.shape, FAR, dtype=np.float32)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    distance = np.where(mask, inside - half, half - outside)
    clipped: np.ndarray = np.clip(distance, -FAR, FAR).astype(np.float32)
    return clipped


def vanishing_distance(neighbours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Signed distance of a slice known to be empty, given the distances of its neighbours.

    Lowering each neighbour's distance until its deepest point is outside makes a structure that
    ends between two slices shrink towards its core instead of vanishing at once.
    """
    present = [n for n in neighbours if float(n.max()) > 0]
    if not present:
        return np.full(shape, -FAR, dtype=np.float32)
    lowered = [n - (float(n.max()) + 1.0) for n in present]
    mean: np.ndarray = np.mean(lowered, axis=0).astype(np.float32)
    return mean
