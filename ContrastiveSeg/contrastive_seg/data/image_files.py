"""Opens image files with SimpleITK: the voxels as they are stored, on their grid."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from contrastive_seg.data.completeness import IncompleteFileError, check_complete, is_nifti_2, nifti_matrix
from contrastive_seg.data.dicom import choose_series
from contrastive_seg.data.grids import largest_offset, matrix_from_itk, shear
from contrastive_seg.errors import ContrastiveSegError

_SHEAR = 1e-3
_PERMISSIVE = "ITK_NIFTI_SFORM_PERMISSIVE"
_VOXELS_MISSING = ("File cannot be read", "fread got only", "open the first datafile")
"""What ITK (MetaImage) and Teem (NRRD) say of them, among what is for programmers."""
_FORMATS = "NIfTI (.nii, .nii.gz), NRRD, MHA/MHD, DICOM, PNG, JPG and TIF"


@dataclass(frozen=True)
class StoredImage:
    """Voxels as they are stored.

    Attributes:
        array: (z, y, x) or (z, y, x, components), read-only; a 2D image has z = 1; 64-bit floats
            have become float32.
        ijk_to_ras: 4x4 matrix in mm.
        zeroed: Voxels that are not finite in the file and that the reader has set to zero.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    zeroed: int = 0


def open_image(path: Path, on_note: Callable[[str], None]) -> StoredImage:
    """Voxels and geometry of a file or DICOM folder.

    Args:
        path: A file, or a folder with DICOM files.
        on_note: Told what the user should know although it did not stop the reading.

    Raises:
        ContrastiveSegError: ``unreadable-file``.
    """
    if not path.exists():
        raise ContrastiveSegError(
            "unreadable-file", f"'{path}' does not exist.", "Check the name of the file and its folder."
        )
    if path.is_dir():
        image, matrix, zeroed = _read_series(path, on_note)
    else:
        image, matrix, zeroed = _read_file(path)
    array = _view(image)
    spatial = array.ndim - (1 if image.GetNumberOfComponentsPerPixel() > 1 else 0)
    if spatial == 2:
        array = array[np.newaxis]
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) == 0:
        raise ContrastiveSegError(
            "unreadable-file",
            f"'{path}' says that its voxels have no size or no direction.",
            "Correct the spacing and orientation in its header, or export it again.",
        )
    if shear(matrix) > _SHEAR:
        raise _sheared(path)
    return StoredImage(array, matrix, zeroed)


class _Keeper:
    """Hands the voxels of a SimpleITK image to numpy and keeps the image alive with them."""

    def __init__(self, image: sitk.Image) -> None:
        self.image = image
        self.__array_interface__ = sitk.GetArrayViewFromImage(image).__array_interface__


def _view(image: sitk.Image) -> np.ndarray:
    if image.GetNumberOfPixels() == 0:
        return np.zeros(image.GetSize()[::-1], np.float32)
    return np.asarray(_Keeper(image))


def _read_file(path: Path) -> tuple[sitk.Image, np.ndarray, int]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with _as_unreadable(path):
        if not os.access(path, os.R_OK):
            raise PermissionError(13, "you may not read it")
        if path.stat().st_size == 0:
            raise IncompleteFileError("it is empty")
        zeroed = check_complete(path)
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            if "orthonormal" not in str(error):
                raise
        else:
            image = _execute(path, reader)
            return image, matrix_from_itk(image), zeroed
        with _permissive():
            reader.ReadImageInformation()
            matrix = _nearly_right_angled(path, reader)
            return _execute(path, reader), matrix, zeroed


def _execute(path: Path, reader: sitk.ImageFileReader) -> sitk.Image:
    """Reads the voxels; 64-bit floats are converted on the way in."""
    size = reader.GetSize()
    if len(size) > 3:
        if any(n > 1 for n in size[3:]):
            raise _too_many_axes(path, size)
        reader.SetExtractSize([*size[:3], *(0 for _ in size[3:])])
    if reader.GetPixelID() == sitk.sitkFloat64:
        reader.SetOutputPixelType(sitk.sitkFloat32)
    image: sitk.Image = reader.Execute()
    return image


@contextlib.contextmanager
def _permissive() -> Iterator[None]:
    """ITK reads NIfTI files whose axes are not quite at right angles, turning them until they are."""
    before = os.environ.get(_PERMISSIVE)
    os.environ[_PERMISSIVE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_PERMISSIVE)
        if before is not None:
            os.environ[_PERMISSIVE] = before


def _nearly_right_angled(path: Path, reader: Any) -> np.ndarray:
    """The header's own matrix, if ITK's differs by rounding only and not by a true shear."""
    stored = nifti_matrix(path)
    if stored is None:
        raise _sheared(path)
    matrix = np.array(stored)
    half_voxel = 0.5 * float(np.linalg.norm(matrix[:3, :3], axis=0).min())
    if largest_offset(matrix, matrix_from_itk(reader), tuple(reversed(reader.GetSize()[:3]))) > half_voxel:
        raise _sheared(path)
    return matrix


def _read_series(folder: Path, on_note: Callable[[str], None]) -> tuple[sitk.Image, np.ndarray, int]:
    with _as_unreadable(folder):
        series = choose_series(folder, on_note)
        if len(series.files) == 1:
            return _read_file(Path(series.files[0]))
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(series.files)
        reader.MetaDataDictionaryArrayUpdateOn()
        image: sitk.Image = reader.Execute()
        _check_positions(folder, reader, image)
        if image.GetPixelID() == sitk.sitkFloat64:
            image = sitk.Cast(image, sitk.sitkFloat32)
        return image, matrix_from_itk(image), 0


def _check_positions(folder: Path, reader: sitk.ImageSeriesReader, image: sitk.Image) -> None:
    """A slice missing in between would squeeze the anatomy unnoticed."""
    key = "0020|0032"
    count = image.GetSize()[2]
    if not all(reader.HasMetaDataKey(i, key) for i in range(count)):
        return
    points = np.array([[float(v) for v in reader.GetMetaData(i, key).split("\\")] for i in range(count)])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    typical = float(np.median(steps))
    if typical <= 0 or float(np.abs(steps - typical).max()) > 0.1 * typical:
        raise ContrastiveSegError(
            "unreadable-file",
            f"The slices in '{folder}' are not evenly spaced (from {steps.min():.4g} to {steps.max():.4g} "
            "mm): some are missing, or there are several at the same place.",
            "Copy the missing files into the folder, or keep one time point or stack in a folder of its own.",
        )


@contextlib.contextmanager
def _as_unreadable(path: Path) -> Iterator[None]:
    """Turns what readers raise into a sentence."""
    reason = ""
    try:
        yield
        return
    except IncompleteFileError as error:
        reason = str(error)
        advice = "Copy or export the file again; it was probably cut off on the way."
        raise ContrastiveSegError("unreadable-file", f"'{path}' cannot be read: {reason}.", advice) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        advice = "Check the permissions of the file and whether its disk is connected."
        raise ContrastiveSegError("unreadable-file", f"'{path}' cannot be read: {reason}.", advice) from error
    except RuntimeError as error:
        text = str(error).strip()
        if "out of memory" in text.lower() or "bad_alloc" in text or "allocate" in text.lower():
            raise ContrastiveSegError(
                "out-of-memory",
                f"There is not enough memory to read '{path}'.",
                "Close other applications or crop the volume, and try again.",
            ) from error
        advice = "Open it in another viewer to see whether it is intact, and export it again."
        if "Unable to determine ImageIO" in text and is_nifti_2(path):
            reason, advice = "it is a NIfTI-2 file", "Save it as NIfTI-1 (.nii.gz) or NRRD."
        elif "Unable to determine ImageIO" in text:
            reason = f"it is damaged, or not one of the formats {_FORMATS}"
        elif any(sign in text for sign in _VOXELS_MISSING):
            reason = "part of its voxels is missing (the file was cut off, or its .raw file is not beside it)"
        elif "[nrrd]" in text:  # what Teem says is for programmers
            reason = "its NRRD header is damaged or cut off"
        else:
            reason = text.splitlines()[-1].strip() if text else "the reader failed"
        sentence = f"'{path}' cannot be read: {reason.rstrip('.')}."
        raise ContrastiveSegError("unreadable-file", sentence, advice) from error


def _too_many_axes(path: Path, size: tuple[int, ...]) -> ContrastiveSegError:
    return ContrastiveSegError(
        "unreadable-file",
        f"'{path}' has {len(size)} axes ({' x '.join(map(str, size))}): it holds "
        f"{' x '.join(str(n) for n in size[3:])} volumes (time points or contrasts), not one.",
        "Save the volume that was annotated as a 3D file (in 3D Slicer: load it as a sequence, go to the "
        "time point and save that volume; with nibabel: image.slicer[..., 0]).",
    )


def _sheared(path: Path) -> ContrastiveSegError:
    return ContrastiveSegError(
        "unreadable-file",
        f"The voxel axes of '{path}' are not at right angles (a sheared grid, as with a tilted CT gantry).",
        "Resample it to a regular grid first (in 3D Slicer: harden the acquisition transform, then use "
        "Crop Volume).",
    )
