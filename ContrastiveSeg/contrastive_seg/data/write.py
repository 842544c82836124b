"""Writes arrays on a volume's grid: complete, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from contrastive_seg.atomic import make_folder, replacing
from contrastive_seg.data.completeness import IncompleteFileError, check_complete
from contrastive_seg.data.grids import itk_geometry
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
PICTURE_SUFFIXES = (".png", ".tif", ".tiff")


def names_a_file(path: Path) -> bool:
    """Whether a name ends with that of a format that can be written."""
    return Path(path).name.lower().endswith(VOLUME_SUFFIXES + PICTURE_SUFFIXES)


def check_output(path: Path, volume: Volume | None = None, *, fractions: bool = False) -> None:
    """Says early, before hours of work, that a file of this name cannot be written.

    Args:
        path: Of the file.
        volume: On whose grid it will be; None where that is not known yet.
        fractions: Whether it is to hold other than whole numbers.

    Raises:
        ContrastiveSegError: ``bad-output`` for an unknown format, or one that does not fit the volume.
    """
    name = Path(path).name.lower()
    flat = volume is None or volume.shape[0] == 1
    if fractions and name.endswith(".png"):
        raise ContrastiveSegError(
            "bad-output",
            f"'{path}' can hold whole numbers only.",
            f"Use one of {', '.join(VOLUME_SUFFIXES)}, or .tif for a slice.",
        )
    if name.endswith(VOLUME_SUFFIXES) or (flat and name.endswith(PICTURE_SUFFIXES)):
        return
    if volume is not None and name.endswith(PICTURE_SUFFIXES):
        raise ContrastiveSegError(
            "bad-output",
            f"'{path}' can hold one slice, but the volume has {volume.shape[0]}.",
            f"Use one of {', '.join(VOLUME_SUFFIXES)}.",
        )
    raise ContrastiveSegError(
        "bad-output",
        f"'{path}' does not end with the name of a format that can be written.",
        f"Use one of {', '.join(VOLUME_SUFFIXES)}" + (f", {', '.join(PICTURE_SUFFIXES)}." if flat else "."),
    )


def write_like(
    array: np.ndarray,
    volume: Volume,
    path: Path,
    *,
    divide_by: float | None = None,
    header: Mapping[str, str] | None = None,
) -> Path:
    """Writes an array on the grid of a volume.

    Args:
        array: Shape (z, y, x) of the volume; its type is kept, bool becomes uint8.
        volume: Whose spacing, origin and direction are written.
        path: NIfTI, NRRD or MHA (a slice also PNG or TIF); the folder is made where it is missing.
        divide_by: Store float32 values of the array divided by this.
        header: Further entries for the header of a NRRD file.

    Returns:
        The path written.

    Raises:
        ContrastiveSegError: ``bad-output``, ``disk-full`` or ``no-write-permission``; nothing is left behind.
        ValueError: When the array has not the volume's shape.
    """
    path = Path(path)
    check_output(path, volume)
    if array.shape != volume.array.shape:
        raise ValueError(f"the array has the shape {array.shape}, the volume {volume.array.shape}")
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    picture = path.name.lower().endswith(PICTURE_SUFFIXES)
    if picture:
        image = sitk.GetImageFromArray(_as_picture(array[0]), isVector=False)
    else:
        image = sitk.GetImageFromArray(array, isVector=False)
        spacing, origin, direction = itk_geometry(volume.ijk_to_ras)
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
    if divide_by is not None:
        image = sitk.ShiftScale(image, 0.0, 1.0 / divide_by, sitk.sitkFloat32)
    for key, value in (header or {}).items():
        image.SetMetaData(key, value)
    make_folder(path.parent)
    with replacing(path, durable=False) as part:
        part.touch()  # where nothing can be made, the system says why; ITK would print it and hide it
        try:
            sitk.WriteImage(image, str(part), useCompression=not picture)
        except RuntimeError as error:
            raise _as_os_error(part, error) from error
        _check_written(part)
    return path


def _as_picture(flat: np.ndarray) -> np.ndarray:
    if flat.dtype.kind in "iu" and flat.size and flat.min() >= 0 and flat.max() <= 65535:
        return flat.astype(np.uint8 if flat.max() <= 255 else np.uint16)
    return flat


def _as_os_error(part: Path, error: RuntimeError) -> OSError:
    """What the system would say: ITK hides it."""
    try:
        with part.open("ab") as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as reason:
        return reason
    text = str(error).strip().splitlines()
    return OSError(None, text[-1] if text else "the writer failed")


def _check_written(part: Path) -> None:
    """ITK's NIfTI writer overlooks a disk that ran full."""
    try:
        check_complete(part)
    except IncompleteFileError as error:
        raise _as_os_error(part, RuntimeError(str(error))) from error
