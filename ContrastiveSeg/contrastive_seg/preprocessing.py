"""Intensity normalisation of a volume, the same in training, prediction and pretraining."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_SAMPLE = 2_000_000


@dataclass(frozen=True)
class Normalisation:
    """Clipping to percentiles of the volume, then zero mean and unit standard deviation.

    Attributes:
        low: Clipping value, scanner units.
        high: Clipping value, scanner units.
        mean: Mean after clipping.
        std: Standard deviation after clipping.
    """

    low: float
    high: float
    mean: float
    std: float

    @classmethod
    def of(cls, array: np.ndarray, lower: float = 0.5, upper: float = 99.5) -> Normalisation:
        """Measured on at most two million evenly spread voxels, so a large CT costs no memory."""
        step = max(1, int(np.ceil(np.cbrt(array.size / _SAMPLE))))
        sample = np.asarray(array[::step, ::step, ::step], dtype=np.float32)
        low, high = (float(v) for v in np.percentile(sample, [lower, upper]))
        if high <= low:  # almost constant: percentiles coincide although a few voxels differ
            low, high = float(sample.min()), float(sample.max())
        clipped = np.clip(sample, low, high)
        return cls(low, high, float(clipped.mean()), max(float(clipped.std()), 1e-6))

    @classmethod
    def windowed(cls, array: np.ndarray, low: float, high: float) -> Normalisation:
        """Clipping to given values (CT) instead of percentiles."""
        step = max(1, int(np.ceil(np.cbrt(array.size / _SAMPLE))))
        part = np.clip(np.asarray(array[::step, ::step, ::step], dtype=np.float32), low, high)
        return replace(cls.of(part, 0, 100), low=low, high=high)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Normalised copy, float32, of any part of the volume."""
        values = np.clip(np.asarray(array, dtype=np.float32), self.low, self.high)
        values -= self.mean
        values /= self.std
        return values
