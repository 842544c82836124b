"""Volumes and sparse labels from files: NIfTI, NRRD, MHA/MHD, a DICOM folder, PNG/JPG/TIF."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from contrastive_seg.data.annotated import guess_annotated, parse_annotated, sparse_from_dense
from contrastive_seg.data.checks import check_labels, check_volume, nonfinite_voxels
from contrastive_seg.data.grids import check_same_grid, describe_grid, offset_in
from contrastive_seg.data.image_files import open_image
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError

_OFTEN_NOT_SAID = 255
_LARGEST_VALUE = int(np.iinfo(np.int16).max)
_LUMINANCE = (0.299, 0.587, 0.114)


def _log(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


def read_volume(
    path: Path,
    *,
    replace_nonfinite: bool = False,
    on_note: Callable[[str], None] = _log,
) -> Volume:
    """Reads a scalar image.

    Colour becomes grey (luminance), a 2D image becomes a volume of one slice. Integers keep their
    type, 64-bit floats become float32; nothing is copied that need not be.

    Args:
        path: A file, or a folder with DICOM files (of several series the one with most slices).
        replace_nonfinite: Instead of refusing the image, put the smallest finite value where a voxel
            is NaN or -inf, and the largest where it is +inf (NIfTI: 0).
        on_note: Told what the user should know although it is no error.

    Raises:
        ContrastiveSegError: ``unreadable-file`` (missing, damaged, cut off, 4D, empty folder), or what
            :func:`~contrastive_seg.data.checks.check_volume` finds.
    """
    path = Path(path)
    stored = open_image(path, on_note)
    array = _grey(stored.array, path)
    if array.dtype.kind == "c":
        raise _unfit(path, "complex numbers", "Save its magnitude.")
    if array.dtype.kind in "iu" and array.dtype.itemsize > 4:
        array = array.astype(np.float32)
    if stored.zeroed and not replace_nonfinite:
        raise nonfinite_voxels(path.name, stored.zeroed, array.size)
    if stored.zeroed:
        on_note(f"{stored.zeroed} voxels of '{path.name}' are not numbers and were replaced by 0.")
    elif replace_nonfinite and array.dtype.kind == "f":
        array = _finite(array, on_note, path)
    volume = Volume(array, stored.ijk_to_ras, path.name)
    check_volume(volume)
    return volume


def read_labels(
    path: Path,
    like: Volume,
    ignore: int | None = None,
    plane: str | None = None,
    annotated: Mapping[str, Iterable[int]] | Iterable[str] = (),
    *,
    structures: Collection[int] = (),
    on_note: Callable[[str], None] = _log,
) -> SparseLabels:
    """Reads a label map and finds out which of it is truth.

    * With ``annotated`` exactly those slices are truth, empty ones too.
    * Else with ``ignore`` everything is truth that has not that value (scribbles, mixed planes).
    * Else the slices along ``plane`` that contain a label are truth, the others are not.

    Args:
        path: Label map with values 0 (background) to 32767.
        like: The image; the label map must be on its grid.
        ignore: Value of voxels about which nothing is said.
        plane: ``axial``, ``coronal``, ``sagittal``, or None for the one with the fewest slices that
            contain a label.
        annotated: Slices by plane, or texts such as ``axial:3,5,9``.
        structures: Values that are known to be structures.
        on_note: Told what the user should know although it is no error.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``grid-mismatch`` (which describes both grids),
            ``label-outside-image``, ``bad-labels`` (also where ``ignore`` seems to be forgotten),
            ``bad-annotated``, ``no-annotation``.
    """
    path = Path(path)
    dense = read_label_map(path, like=like, ignore=ignore, on_note=on_note).array
    slices = annotated if isinstance(annotated, Mapping) else parse_annotated(annotated)
    if slices:
        labels = sparse_from_dense(dense, slices, name=path.name)
    elif ignore is not None:
        labels = SparseLabels(dense)
        if all(bool((part != IGNORE).all()) for part in dense):
            on_note(
                f"No voxel of '{path.name}' has the value {ignore}, so every voxel of it is taken as truth, "
                "background included. If only some slices are annotated, name them with --annotated."
            )
    else:
        slices = guess_annotated(dense, plane)
        labels = sparse_from_dense(dense, slices, name=path.name)
    check_labels(labels, like)
    if ignore is None and _OFTEN_NOT_SAID not in structures and _OFTEN_NOT_SAID in labels.values:
        _check_not_forgotten(dense, path)
    return labels


def _check_not_forgotten(dense: np.ndarray, path: Path) -> None:
    """No structure fills whole slices; what fills them means that nothing is said there."""
    unsaid = dense == _OFTEN_NOT_SAID
    if any(unsaid.all(axis=tuple({0, 1, 2} - {axis})).any() for axis in range(3)):
        raise ContrastiveSegError(
            "bad-labels",
            f"Whole slices of '{path.name}' hold nothing but the value {_OFTEN_NOT_SAID}.",
            f"Add --ignore {_OFTEN_NOT_SAID} if that means that nothing is said there, or --name "
            f"{_OFTEN_NOT_SAID}=NAME if it is a structure.",
        )


def read_label_map(
    path: Path,
    *,
    like: Volume | None = None,
    ignore: int | None = None,
    on_note: Callable[[str], None] = _log,
) -> Volume:
    """Reads a label map as it is: int16, IGNORE where the file has the value ``ignore``.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``bad-labels``, and with ``like`` ``grid-mismatch`` or
            ``label-outside-image``.
    """
    path = Path(path)
    stored = open_image(path, on_note)
    array = stored.array
    if stored.zeroed:
        raise _not_finite(path, stored.zeroed)
    if array.ndim == 4:
        first = array[..., 0]
        if not all(np.array_equal(first, array[..., c]) for c in range(1, min(3, array.shape[-1]))):
            raise ContrastiveSegError(
                "bad-labels",
                f"The label map '{path}' has {array.shape[-1]} values a voxel (colours, or overlapping "
                "segments).",
                "Export it as a label map with one integer a voxel.",
            )
        array = first
    labels = Volume(_as_labels(array, ignore, path), stored.ijk_to_ras, path.name)
    if like is not None:
        if path.name.lower().endswith(".seg.nrrd") and labels.shape != like.shape:
            labels = _on_grid_of(labels, like, 0 if ignore is None else IGNORE)
        check_same_grid(like, labels)
    return labels


def _grey(array: np.ndarray, path: Path) -> np.ndarray:
    if array.ndim == 3:
        return array
    components = array.shape[-1]
    if components == 2:
        return np.ascontiguousarray(array[..., 0])  # grey with transparency
    if components > 4:
        raise _unfit(
            path,
            f"{components} values a voxel (time points, directions or overlapping segments)",
            "Save the one that was annotated as a 3D file.",
        )
    whole = array.dtype.kind in "iu"
    grey = np.empty(array.shape[:-1], array.dtype if whole else np.float32)
    weights = np.array(_LUMINANCE, dtype=np.float32)
    for z, part in enumerate(array):
        light = part[..., :3].astype(np.float32) @ weights
        grey[z] = np.rint(light) if whole else light
    return grey


def _finite(array: np.ndarray, on_note: Callable[[str], None], path: Path) -> np.ndarray:
    bad, low, high = 0, np.inf, -np.inf
    for part in array:
        good = np.isfinite(part)
        bad += int(part.size - np.count_nonzero(good))
        low = min(low, float(np.min(part, where=good, initial=np.inf)))
        high = max(high, float(np.max(part, where=good, initial=-np.inf)))
    if bad == 0:
        return array
    if bad == array.size:
        raise ContrastiveSegError(
            "nonfinite-voxels",
            f"No voxel of '{path.name}' is a finite 32-bit number, so there is nothing to replace them by.",
            "Choose another image, or export it again with smaller values.",
        )
    on_note(f"{bad} voxels of '{path.name}' are not numbers and were replaced by {low:g} or {high:g}.")
    replaced: np.ndarray = np.nan_to_num(array, nan=low, posinf=high, neginf=low)
    return replaced


def _as_labels(array: np.ndarray, ignore: int | None, path: Path) -> np.ndarray:
    """int16 with IGNORE, slice by slice."""
    if array.dtype.kind == "c":
        raise _unfit(path, "complex numbers", "Export it as a label map with one integer a voxel.")
    labels = np.empty(array.shape, np.int16)
    for z, part in enumerate(array):
        unsaid = part == ignore if ignore is not None else None
        if unsaid is not None and unsaid.any():
            part = np.where(unsaid, part.dtype.type(0), part)
        else:
            unsaid = None
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            raise _not_finite(path, sum(int(np.count_nonzero(~np.isfinite(one))) for one in array))
        if part.dtype.kind == "f" and not (part == np.rint(part)).all():
            raise _not_whole(path, "values that are not whole numbers")
        if part.size and (part.min() < 0 or part.max() > _LARGEST_VALUE):
            low, high = int(part.min()), int(part.max())
            outside = low if low < 0 else high
            raise ContrastiveSegError(
                "bad-labels",
                f"The label map '{path}' holds the value {outside}; labels go from 0 to {_LARGEST_VALUE}.",
                f"If it means that nothing is said there, pass --ignore {outside}; if not, renumber the "
                "structures.",
            )
        labels[z] = part
        if unsaid is not None:
            labels[z][unsaid] = IGNORE
    return labels


def _not_finite(path: Path, count: int) -> ContrastiveSegError:
    return _not_whole(path, f"{count} voxels that are not numbers (NaN or infinite)")


def _not_whole(path: Path, what: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-labels",
        f"The label map '{path}' holds {what}.",
        "Check that it is the label map and not the image; resample labels with nearest neighbour.",
    )


def _on_grid_of(labels: Volume, like: Volume, fill: int) -> Volume:
    """A segmentation as 3D Slicer saves it, cropped to what is painted, back on the image's grid."""
    start = offset_in(like, labels)
    if start is None:
        return labels  # not the same lattice: the caller says so
    source, target = [], []
    for begin, length, room in zip(start, labels.shape, like.shape, strict=True):
        low, high = max(0, int(begin)), min(room, int(begin) + length)
        target.append(slice(low, max(low, high)))
        source.append(slice(low - int(begin), max(low, high) - int(begin)))
    inside = labels.array[tuple(source)]
    if np.count_nonzero(labels.array > 0) > np.count_nonzero(inside > 0):
        raise ContrastiveSegError(
            "label-outside-image",
            f"Part of the labels in '{labels.name}' lies outside '{like.name}': the labels have "
            f"{describe_grid(labels)}; the image has {describe_grid(like)}.",
            "Choose the image on which the structure was painted, or export the labels on the image's grid.",
        )
    whole = np.full(like.shape, fill, np.int16)
    whole[tuple(target)] = inside
    return Volume(whole, np.asarray(like.ijk_to_ras, dtype=float), labels.name)


def _unfit(path: Path, what: str, advice: str) -> ContrastiveSegError:
    return ContrastiveSegError("unreadable-file", f"'{path}' holds {what}, which cannot be used.", advice)
