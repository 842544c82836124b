"""Structures that hang together in everybody who was labelled are not looked for elsewhere in others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from contrastive_seg.inference.prediction import Prediction

_NEARLY_ALL = 0.95
_WORTH_SAYING = 0.05
_EVERYWHERE = np.ones((3, 3, 3), bool)


def is_one_piece(labels: np.ndarray) -> bool:
    """Whether everything labelled, all structures together, hangs together.

    Gaps of up to two voxels do not part it, and a twentieth of it may lie elsewhere.

    Args:
        labels: (z, y, x), above 0 where something is labelled.
    """
    box = _box(labels)
    if box is None:
        return False
    mask = labels[box] > 0
    sizes = _sizes(mask, _pieces(mask))
    return bool(sizes.max() >= _NEARLY_ALL * sizes.sum())


def keep_largest_piece(found: Prediction) -> Prediction:
    """The prediction without all but the largest piece of what it found, all structures together.

    As in nnU-Net (Isensee et al. 2021), which does so where it helped on the labelled patients. Nothing is
    hidden: what was left out stays, as entirely uncertain, in the map of uncertainty.
    """
    box = _box(found.labels)
    if box is None:
        return found
    mask = found.labels[box] > 0
    pieces = _pieces(mask)
    sizes = _sizes(mask, pieces)
    elsewhere = mask & (pieces != sizes.argmax() + 1)
    if not elsewhere.any():
        return found
    labels, probability, uncertainty = (
        one.copy() for one in (found.labels, found.probability, found.uncertainty)
    )
    labels[box][elsewhere] = 0
    probability[box][elsewhere] = np.minimum(probability[box][elsewhere], 50)
    uncertainty[box][elsewhere] = 100
    return replace(
        found,
        labels=labels,
        probability=probability,
        uncertainty=uncertainty,
        elsewhere_voxels=int(elsewhere.sum()),
    )


def said_of_elsewhere(found: Prediction, voxel_ml: float) -> list[str]:
    """A sentence about what :func:`keep_largest_piece` left out; none where that is little.

    Args:
        found: The prediction.
        voxel_ml: Size of a voxel in ml.
    """
    if found.elsewhere_voxels < _WORTH_SAYING * np.count_nonzero(found.labels) or not found.elsewhere_voxels:
        return []
    left_out = found.elsewhere_voxels * voxel_ml
    return [
        f"{left_out:.2g} ml that were found apart from the largest piece were left out, as what was learnt "
        "hangs together; the uncertainty shows them."
    ]


def _box(labels: np.ndarray) -> tuple[slice, ...] | None:
    """Around everything labelled; None where nothing is."""
    found = ndimage.find_objects((labels > 0).view(np.uint8))
    return found[0] if found else None


def _pieces(mask: np.ndarray) -> np.ndarray:
    """Number of the piece of each voxel, from 1; meaningful within the mask only."""
    joined = ndimage.binary_dilation(mask, _EVERYWHERE)
    return np.asarray(ndimage.label(joined, _EVERYWHERE)[0])


def _sizes(mask: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Voxels of the mask in each piece."""
    return np.bincount(pieces[mask])[1:]
