"""Signed distances of annotated slices, and their interpolation between slices.

Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990.
"""

from __future__ import annotations

import numpy as np
import torch
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


def round_profile(low: torch.Tensor, high: torch.Tensor, way: float) -> tuple[torch.Tensor, torch.Tensor]:
    """How signed distances are mixed between two slices so that shapes are round along the slices.

    Mixed evenly, distances make cones: a structure that ends would be a third of a cylinder, where a round
    one is two thirds. Towards a slice from which it is absent it shrinks as an ellipsoid does from its
    middle, and between two that show it the square of its radius changes evenly.

    Args:
        low: Largest distance on the one slice by class, pixels, (C,); 0 where the class is absent.
        high: The same on the other slice.
        way: Place between them, 0 to 1.

    Returns:
        Share of the other slice's distances, and pixels to be added to the mixture, both (C,).
    """
    share = torch.full_like(low, way)
    share[(low > 0) & (high <= 0)] = 1 - (1 - way**2) ** 0.5
    share[(low <= 0) & (high > 0)] = (1 - (1 - way) ** 2) ** 0.5
    even = torch.lerp(low, high, way)
    more = torch.lerp(low.square(), high.square(), way).sqrt() - even
    return share, torch.where((low > 0) & (high > 0), more, 0.0)
