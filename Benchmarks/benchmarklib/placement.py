"""Which slices a simulated user annotates."""

from __future__ import annotations

import numpy as np

IGNORE = -1
PLACEMENTS = ("inside", "ends")


def annotated_slices(truth: np.ndarray, axis: int, count: int, placement: str = "inside") -> list[int]:
    """Indices of ``count`` slices evenly placed over the extent, and an empty one beyond each end.

    Args:
        truth: Full label map, 0 is background.
        axis: Array axis that counts the slices.
        count: Number of slices that show the structures.
        placement: ``inside``: strictly between the first and the last slice of the structures, with
            equal gaps (``linspace(first, last, count + 2)[1:-1]``, rounded), as a user does who
            pages through the volume. ``ends``: the first and the last slice themselves included.

    Returns:
        Sorted indices. An empty slice is the one right before the first or after the last slice of
        the structures, left out where the volume ends there.

    Raises:
        ValueError: Nothing is labelled, or the placement is unknown.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"The placement is '{placement}', but must be one of {', '.join(PLACEMENTS)}.")
    other = tuple(a for a in range(truth.ndim) if a != axis)
    found = np.flatnonzero((truth > 0).any(axis=other))
    if not len(found):
        raise ValueError("The label map is empty: there is nothing to annotate.")
    first, last = int(found[0]), int(found[-1])
    if placement == "inside":
        places = np.linspace(first, last, count + 2)[1:-1]
    else:
        places = np.linspace(first, last, count)
    painted = {int(i) for i in np.round(places)}
    empty = {i for i in (first - 1, last + 1) if 0 <= i < truth.shape[axis]}
    return sorted(painted | empty)


def sparse_labels(truth: np.ndarray, axis: int, slices: list[int]) -> np.ndarray:
    """int16 labels that say the truth on ``slices`` and IGNORE (-1) elsewhere."""
    sparse = np.full(truth.shape, IGNORE, np.int16)
    where: list[slice | list[int]] = [slice(None)] * truth.ndim
    where[axis] = slices
    sparse[tuple(where)] = truth[tuple(where)]
    return sparse


def two_planes(truth: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Like :func:`sparse_labels`, with half of the slices along another axis, rounded down."""
    second = next(a for a in range(3) if a != axis)
    sparse = sparse_labels(truth, axis, annotated_slices(truth, axis, count - count // 2))
    more = sparse_labels(truth, second, annotated_slices(truth, second, count // 2))
    return np.where(more != IGNORE, more, sparse).astype(np.int16)


def dice_per_class(prediction: np.ndarray, truth: np.ndarray, values: list[int]) -> dict[int, float]:
    """Dice over the whole volume of each label value, annotated slices included."""
    scores = {}
    for value in values:
        ours, theirs = prediction == value, truth == value
        total = int(ours.sum()) + int(theirs.sum())
        scores[value] = 2.0 * int((ours & theirs).sum()) / total if total else 1.0
    return scores
