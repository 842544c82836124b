"""Which slices a simulated user annotates."""

from __future__ import annotations

import numpy as np

IGNORE, OPEN = -1, -2
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


def painted_apart(
    truth: np.ndarray, axis: int, pair: tuple[int, int], count: int, way: str
) -> np.ndarray | None:
    """What somebody says who paints two structures on different slices.

    Args:
        truth: Full label map of the two structures.
        axis: Array axis that counts the slices.
        pair: Their label values.
        count: Slices of each, evenly placed over it.
        way: ``closed``: what is not painted is background. ``open``: around the place where the other
            structure may be, as the next slices that show it say, nothing is said where the two are mixed.
            ``both``: both are painted on all these slices.

    Returns:
        int16 labels, IGNORE where nothing is said, OPEN as in the engine; None where a structure is on
        too few slices.
    """
    planes = np.moveaxis(truth, axis, 0)
    painted: dict[int, list[int]] = {}
    taken: set[int] = set()
    for value in pair:
        there = [i for i in np.flatnonzero((planes == value).any(axis=(1, 2))) if i not in taken]
        if len(there) < count + 2:
            return None
        places = np.round(np.linspace(0, len(there) - 1, count + 2)[1:-1])
        painted[value] = sorted({int(there[int(i)]) for i in places})
        taken.update(painted[value])
    shown = np.flatnonzero(planes.any(axis=(1, 2)))
    empty = [i for i in (int(shown[0]) - 1, int(shown[-1]) + 1) if 0 <= i < len(planes)]
    sparse = np.full(planes.shape, IGNORE, np.int16)
    sparse[empty] = 0
    for index in sorted(taken):
        plane = planes[index].astype(np.int16)
        for value in () if way == "both" else pair:
            if index in painted[value]:
                continue
            plane[plane == value] = 0
            mine = painted[value]
            beside = [i for i in mine if i < index][-1:] + [i for i in mine if i > index][:1]
            if way == "open" and any(mine[0] < i < mine[-1] for i in taken.difference(mine)):
                place = _around((planes[beside] == value).any(axis=0))
                plane[place] = np.where(plane[place] == 0, OPEN, plane[place])
        sparse[index] = plane
    return np.ascontiguousarray(np.moveaxis(sparse, 0, axis))


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns around a mask, with a quarter of its size on each side and at least 8 pixels."""
    bounds = []
    for other in (1, 0):
        found = np.flatnonzero(mask.any(axis=other))
        first, last = int(found[0]), int(found[-1]) + 1
        margin = max(8, (last - first) // 4)
        bounds.append(slice(max(0, first - margin), last + margin))
    return bounds[0], bounds[1]
