"""Small volumes to pretrain on."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk


def write_volumes(folder: Path, count: int = 3, slices: int = 10) -> Path:
    """Volumes in which the shape tells the position: an ellipse that grows and then shrinks."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:40, :44]
    for number in range(count):
        rng = np.random.default_rng(number)
        planes = []
        for index in range(slices):
            radius = 4 + 12 * np.sin(np.pi * (index + 1) / (slices + 1))
            inside = ((y - 20) / radius) ** 2 + ((x - 22 - number) / (radius * 0.7)) ** 2 < 1
            planes.append(100.0 + 20 * index * inside + rng.normal(0, 5, inside.shape))
        image = sitk.GetImageFromArray(np.stack(planes).astype(np.float32))
        image.SetSpacing((1.0, 1.0, 4.0))
        sitk.WriteImage(image, str(folder / f"volume{number}.nii.gz"))
    return folder
