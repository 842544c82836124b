"""The arrays of a job: opened from the run folder or from image files."""

from __future__ import annotations

import tokenize
from pathlib import Path

import numpy as np

from contrastive_seg.data.checks import check_labels, check_volume
from contrastive_seg.data.read import read_labels, read_volume
from contrastive_seg.data.sparse_labels import IGNORE, OPEN, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.runs import JobCase, RunFolder


def open_volume(folder: RunFolder, case: JobCase, number: int, *, replace_nonfinite: bool = False) -> Volume:
    """The image of a case; .npy files are mapped into memory, not read.

    Args:
        folder: Of the run.
        case: Says where the image is.
        number: Of the case, for a name where it has none.
        replace_nonfinite: As in :func:`~contrastive_seg.data.read.read_volume`.

    Raises:
        ContrastiveSegError: ``unreadable-file``, or what ``check_volume`` finds.
    """
    path = folder.resolve(case.image)
    name = case.name or f"volume {number + 1}"
    if path.suffix.lower() == ".npy":
        array = open_npy(path, "iuf")
        if array.dtype.itemsize > 4 or not array.dtype.isnative:
            array = array.astype(np.float32)  # scanner units fit; torch wants the native order
        volume = Volume(array, np.asarray(case.ijk_to_ras, dtype=float), name)
    else:
        read = read_volume(path, replace_nonfinite=replace_nonfinite)
        matrix = read.ijk_to_ras if case.ijk_to_ras is None else np.asarray(case.ijk_to_ras, dtype=float)
        volume = Volume(read.array, matrix, name)
    check_volume(volume)
    return volume


def open_labels(folder: RunFolder, case: JobCase, volume: Volume) -> SparseLabels:
    """The sparse labels of a case, on the grid of its volume.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``grid-mismatch``, or what ``check_labels`` finds.
    """
    if case.labels is None:
        raise ContrastiveSegError(
            "bad-job", f"'{volume.name}' has no labels.", "Paint the structure on a few slices."
        )
    path = folder.resolve(case.labels)
    if path.suffix.lower() == ".npy":
        array = open_npy(path, "iub")
        if array.shape != volume.array.shape:
            raise ContrastiveSegError(
                "grid-mismatch",
                f"The labels of '{volume.name}' have {_size(array)} voxels, but the image has "
                f"{_size(volume.array)}.",
                "Export labels and image on the same grid.",
            )
        if array.dtype != np.dtype(np.int16):
            array = _as_int16(array, path)
        labels = SparseLabels(array)
    else:
        labels = read_labels(path, volume, ignore=IGNORE)
    check_labels(labels, volume)
    return labels


_DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError, RecursionError),
    *(SyntaxError, tokenize.TokenError),
)
"""What numpy raises on headers that are none: it parses them as Python literals."""


def _mapped(path: Path) -> np.ndarray:
    """An array mapped into memory; one without voxels, which cannot be mapped, is made."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
    if 0 in shape and not dtype.hasobject and max(shape) < 1 << 31:
        return np.empty(shape, dtype)
    mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def open_npy(path: Path, kinds: str) -> np.ndarray:
    """An array (z, y, x) of a file, mapped into memory; a 2D one gets a first axis.

    Args:
        path: Of the .npy file.
        kinds: Which of numpy's kinds of numbers it may hold, such as ``iuf``.

    Raises:
        ContrastiveSegError: ``unreadable-file``.
    """
    advice = "Write the array again as .npy (z, y, x) without pickled objects."
    try:
        array = _mapped(path)
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ContrastiveSegError(
            "unreadable-file", f"'{path}' cannot be read as an array ({reason[:200]}).", advice
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3):
        raise ContrastiveSegError("unreadable-file", f"'{path}' is not an array with 3 axes.", advice)
    if array.dtype.kind not in kinds:
        raise ContrastiveSegError(
            "unreadable-file", f"'{path}' holds values of type {array.dtype}, which do not fit.", advice
        )
    return array[np.newaxis] if array.ndim == 2 else array


def _as_int16(array: np.ndarray, path: Path) -> np.ndarray:
    if array.size and (array.min() < OPEN or array.max() > np.iinfo(np.int16).max):
        raise ContrastiveSegError(
            "unreadable-file",
            f"The labels in '{path}' go from {array.min()} to {array.max()}, but must lie between "
            f"{OPEN} (left open; {IGNORE}: nothing said) and 32767.",
            "Give the segments label values between 1 and 32767.",
        )
    return array.astype(np.int16)


def _size(array: np.ndarray) -> str:
    return " x ".join(str(length) for length in reversed(array.shape))
