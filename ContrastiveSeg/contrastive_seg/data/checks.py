"""What a volume and its labels must be before anything is learnt from them."""

from __future__ import annotations

import numpy as np

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError


def check_volume(volume: Volume) -> None:
    """Goes through the voxels slice by slice, so that a memory map is never copied.

    Raises:
        ContrastiveSegError: ``empty-volume``, ``nonfinite-voxels`` or ``constant-image``.
    """
    array = volume.array
    if array.size == 0:
        size = " x ".join(str(n) for n in reversed(array.shape))
        raise ContrastiveSegError(
            "empty-volume",
            f"'{volume.name}' has no voxels (its size is {size}).",
            "Choose another image, or export it again.",
        )
    if array.dtype.kind == "f":
        bad = sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in array)
        if bad:
            raise nonfinite_voxels(volume.name, bad, array.size)
    first = array.flat[0]
    if all(bool((part == first).all()) for part in array):
        raise ContrastiveSegError(
            "constant-image",
            f"Every voxel of '{volume.name}' has the value {first.item():g}, so there is nothing to see.",
            "Choose the image on which the structure was painted.",
        )


def check_labels(labels: SparseLabels, volume: Volume) -> None:
    """Checks the labels of one volume.

    Whether the labels of all volumes together name a structure and something that is not it, is
    seen where they come together (:meth:`FinetuningSession.set_cases`).

    Raises:
        ContrastiveSegError: ``label-outside-image`` when the shapes differ, ``no-annotation`` when
            nothing is said anywhere.
    """
    if labels.array.shape != volume.array.shape:
        raise ContrastiveSegError(
            "label-outside-image",
            f"The labels of '{volume.name}' have the shape {labels.array.shape} (z, y, x), the image has "
            f"{volume.array.shape}.",
            "Export both on the same grid.",
        )
    if not any(bool((part != IGNORE).any()) for part in labels.array):
        raise ContrastiveSegError(
            "no-annotation",
            f"Nothing is annotated in '{volume.name}'.",
            "Paint at least one structure on a few slices, then start again.",
        )


def nonfinite_voxels(name: str, bad: int, count: int) -> ContrastiveSegError:
    """The error for an image of which ``bad`` of ``count`` voxels are NaN or infinite."""
    return ContrastiveSegError(
        "nonfinite-voxels",
        f"{bad} of the {count} voxels of '{name}' are not numbers (NaN or infinite).",
        "Replace them by the background's value (on the command line: --replace-nonfinite).",
    )
