"""Reads what the worker left, slice by slice, so that a thread can do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox


class PredictionFiles:
    """Pure functions on files and arrays: no Qt, no scene."""

    @classmethod
    def labels(cls, path: Path, values: list[int]) -> LabelBox:
        """The part of a label map that holds any of the values; others become 0.

        Raises:
            OSError, ValueError, EOFError: It cannot be read.
        """
        return cls.boxed(np.load(path, mmap_mode="r", allow_pickle=False), values)

    @staticmethod
    def boxed(labels: np.ndarray, values: list[int]) -> LabelBox:
        """The same of an array (z, y, x) of integers; less than 0 is nothing."""
        if labels.ndim != 3:
            raise ValueError(f"{labels.ndim} dimensions")
        kind = np.dtype(np.uint8 if max(values, default=0) < 256 else np.int16)
        seen = [np.zeros(n, bool) for n in labels.shape]
        for z, plane in enumerate(labels):
            rows = (plane > 0).any(axis=1)
            if rows.any():
                seen[0][z] = True
                seen[1] |= rows
                seen[2] |= (plane > 0).any(axis=0)
        bounds = []
        for one in seen:
            found = np.flatnonzero(one)
            bounds.append((int(found[0]), int(found[-1]) + 1) if found.size else (0, 0))
        (z0, z1), (y0, y1), (x0, x1) = bounds
        array = np.zeros((z1 - z0, y1 - y0, x1 - x0), kind)
        for z in range(z0, z1):
            plane = labels[z, y0:y1, x0:x1]
            array[z - z0] = np.where(np.isin(plane, values), plane, 0)
        return LabelBox(array, (z0, y0, x0), (labels.shape[0], labels.shape[1], labels.shape[2]))

    @staticmethod
    def map(path: Path) -> np.ndarray:
        """A map in percent, uint8 (z, y, x).

        Raises:
            OSError, ValueError, EOFError: It cannot be read.
        """
        return np.ascontiguousarray(np.load(path, allow_pickle=False), np.uint8)
