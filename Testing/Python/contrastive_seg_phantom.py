"""Small synthetic volumes with a known structure, for tests that must be quick."""

from __future__ import annotations

import numpy as np

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume


def two_organs(shape: tuple[int, int, int] = (24, 48, 56), seed: int = 0) -> tuple[Volume, np.ndarray]:
    """A noisy volume with two ellipsoids of different brightness (labels 1 and 7)."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, s) for s in shape), indexing="ij")
    first = (z / 0.7) ** 2 + ((y + 0.2) / 0.45) ** 2 + ((x + 0.35) / 0.35) ** 2 < 1
    second = (z / 0.6) ** 2 + ((y - 0.2 * z) / 0.35) ** 2 + ((x - 0.45) / 0.3) ** 2 < 1
    truth = np.where(first, 1, np.where(second, 7, 0)).astype(np.int16)
    image = 100 + 60 * first - 50 * second + rng.normal(0, 12, shape)
    return Volume(image.astype(np.float32), np.diag([0.8, 0.8, 1.5, 1.0]), "phantom"), truth


def keep_slices(truth: np.ndarray, slices: list[int], axis: int = 0) -> SparseLabels:
    """Truth on some slices, IGNORE elsewhere."""
    sparse = np.full(truth.shape, IGNORE, dtype=np.int16)
    np.moveaxis(sparse, axis, 0)[slices] = np.moveaxis(truth, axis, 0)[slices]
    return SparseLabels(sparse)


def dice(prediction: np.ndarray, truth: np.ndarray, value: int) -> float:
    """Overlap of one label."""
    mine, theirs = prediction == value, truth == value
    return float(2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()))
