"""Small image files for the tests of slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

DATA = Path(__file__).resolve().parents[6] / "shared" / "data"


def voxels(shape: tuple[int, ...] = (6, 20, 24), seed: int = 0) -> np.ndarray:
    """Random values, every slice with something on it."""
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)


def write(path: Path, array: np.ndarray, spacing: tuple[float, ...] | None = None) -> Path:
    """Writes an array (z, y, x) or (y, x), or with a last axis of 3 colours if it has bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = array.dtype == np.uint8 and array.shape[-1] == 3
    image = sitk.GetImageFromArray(array, isVector=colour)
    if spacing is not None:
        image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
    return path


def write_upright(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 5)) -> Path:
    """Writes a volume (z, y, x) whose axes run to Superior, Anterior, Right."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path
