"""Which voxels of a label map are truth: whole slices, or everything but one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from contrastive_seg.data.sparse_labels import IGNORE, PLANES, SparseLabels
from contrastive_seg.errors import ContrastiveSegError

_FORM = "Write the plane and the slices counted from 0, such as axial:3,5,9 or coronal:40-44."


def parse_annotated(texts: Iterable[str]) -> dict[str, list[int]]:
    """Slices by plane from texts such as ``axial:3,5,9`` or ``coronal:40-44``.

    Raises:
        ContrastiveSegError: ``bad-annotated`` where a text is not of that form.
    """
    slices: dict[str, list[int]] = {}
    for text in texts:
        plane, colon, numbers = text.partition(":")
        plane = plane.strip().lower()
        indices: list[int] = []
        try:
            for item in numbers.split(","):
                first, dash, last = item.strip().partition("-")
                span = range(int(first), int(last if dash else first) + 1)
                if not span:
                    raise ValueError(item)
                indices.extend(span)
        except ValueError:
            indices = []
        if plane not in PLANES or not colon or not indices:
            raise ContrastiveSegError("bad-annotated", f"'{text}' does not name annotated slices.", _FORM)
        slices.setdefault(plane, []).extend(indices)
    return {plane: sorted(set(indices)) for plane, indices in slices.items()}


def plane_axis(plane: str) -> int:
    """Array axis of a plane's name.

    Raises:
        ContrastiveSegError: ``bad-annotated`` for an unknown name.
    """
    name = plane.strip().lower()
    if name not in PLANES:
        raise ContrastiveSegError(
            "bad-annotated", f"'{plane}' is not a plane.", f"Use one of {', '.join(PLANES)}."
        )
    return PLANES.index(name)


def sparse_from_dense(
    dense: np.ndarray, slices: Mapping[str, Iterable[int]], *, name: str = "labels"
) -> SparseLabels:
    """Keeps the named slices of a label map as truth, background included; the rest is IGNORE.

    Args:
        dense: Integer labels, (z, y, x); IGNORE inside a kept slice stays IGNORE.
        slices: Indices, counted from 0, by name of plane; planes may be mixed.
        name: What to call the label map in errors.

    Raises:
        ContrastiveSegError: ``bad-annotated`` when a slice lies outside the volume.
    """
    sparse = np.full(dense.shape, IGNORE, dtype=np.int16)
    for plane, indices in slices.items():
        axis = plane_axis(plane)
        for index in indices:
            if not 0 <= index < dense.shape[axis]:
                raise ContrastiveSegError(
                    "bad-annotated",
                    f"'{name}' has no {plane} slice {index}; it has {dense.shape[axis]}, counted from 0.",
                    _FORM,
                )
            where: list[slice | int] = [slice(None)] * 3
            where[axis] = index
            sparse[tuple(where)] = dense[tuple(where)]
    return SparseLabels(sparse)


def slices_with_labels(dense: np.ndarray) -> dict[str, list[int]]:
    """Indices of the slices that contain a label (> 0), by plane."""
    painted = [np.zeros(n, dtype=bool) for n in dense.shape]
    for z, part in enumerate(dense):  # one pass, without a mask of the whole volume
        positive = part > 0
        if positive.any():
            painted[0][z] = True
            painted[1] |= positive.any(axis=1)
            painted[2] |= positive.any(axis=0)
    return {name: np.flatnonzero(found).tolist() for name, found in zip(PLANES, painted, strict=True)}


def guess_annotated(dense: np.ndarray, plane: str | None = None) -> dict[str, list[int]]:
    """The annotated slices when nobody names them: those that contain a label.

    Args:
        dense: Integer labels, (z, y, x).
        plane: Along which plane; None for the one with the fewest such slices (the first of axial,
            coronal, sagittal when equal): whoever paints a few slices along one plane touches many
            slices of the others.
    """
    found = slices_with_labels(dense)
    if plane is not None:
        name = PLANES[plane_axis(plane)]
        return {name: found[name]}
    name = min(PLANES, key=lambda p: len(found[p]))
    return {name: found[name]}
