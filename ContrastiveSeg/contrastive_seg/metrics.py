"""How well a segmentation agrees with the truth: overlap, and distances of surfaces in mm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Score:
    """Agreement of one structure in one volume.

    Where a structure is missing on both sides the Dice is 1 and the distances are 0; where it is
    missing on one side only the Dice is 0 and the distances are NaN, as there is no surface to
    measure to.

    Attributes:
        dice: 2 |A and B| / (|A| + |B|), 0 to 1.
        hd95_mm: Hausdorff distance, 95th percentile: the larger of the two directions.
        surface_distance_mm: Average symmetric surface distance: the mean over the surface voxels of both.
    """

    dice: float
    hd95_mm: float
    surface_distance_mm: float


def dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Dice of two masks of the same shape; 1 when both are empty."""
    total = int(np.count_nonzero(prediction)) + int(np.count_nonzero(truth))
    return 2 * int(np.count_nonzero(prediction & truth)) / total if total else 1.0


def score_mask(prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> Score:
    """Dice and surface distances of two masks.

    A surface voxel belongs to the mask and has a neighbour across a face that does not; what lies
    outside the array does not. Along an axis of length 1 (a 2D image) there are no neighbours.
    Distances are measured between voxel centres.

    Args:
        prediction: Booleans, any number of axes.
        truth: Booleans of the same shape.
        spacing: Voxel size in mm along the array axes.

    Raises:
        ValueError: When the shapes differ.
    """
    if prediction.shape != truth.shape or len(spacing) != prediction.ndim:
        raise ValueError(f"shapes {prediction.shape} and {truth.shape}, spacing {tuple(spacing)}")
    box = _bounding_box(prediction, truth)
    if box is None:
        return Score(1.0, 0.0, 0.0)
    prediction, truth = prediction[box], truth[box]
    overlap = dice(prediction, truth)
    if not prediction.any() or not truth.any():
        return Score(0.0, math.nan, math.nan)
    flat = [axis for axis, length in enumerate(prediction.shape) if length > 1]
    predicted_surface, true_surface = _surface(prediction, flat), _surface(truth, flat)
    to_truth = _distances(predicted_surface, true_surface, spacing)
    to_prediction = _distances(true_surface, predicted_surface, spacing)
    hd95 = max(float(np.percentile(to_truth, 95)), float(np.percentile(to_prediction, 95)))
    average = (to_truth.sum() + to_prediction.sum()) / (to_truth.size + to_prediction.size)
    return Score(overlap, hd95, float(average))


def score_labels(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    values: Iterable[int] | None = None,
    known: np.ndarray | None = None,
) -> dict[int, Score]:
    """Scores by label value.

    Args:
        prediction: Integer labels.
        truth: Integer labels of the same shape.
        spacing: Voxel size in mm along the array axes.
        values: Which labels; None for all above 0 that occur on either side.
        known: Booleans, False where the truth is not known: such voxels count on neither side.
    """
    if values is None:
        values = sorted(label_values(prediction, known) | label_values(truth, known))
    scores = {}
    for value in values:
        first, second = prediction == value, truth == value
        if known is not None:
            first &= known
            second &= known
        scores[int(value)] = score_mask(first, second, spacing)
    return scores


def label_values(labels: np.ndarray, known: np.ndarray | None = None) -> set[int]:
    """Label values above 0 that occur (where known)."""
    found: set[int] = set()
    for index, part in enumerate(labels):  # slice by slice: unique makes sorted copies
        found.update(int(v) for v in np.unique(part if known is None else part[known[index]]))
    return {value for value in found if value > 0}


def _bounding_box(first: np.ndarray, second: np.ndarray) -> tuple[slice, ...] | None:
    """Where either mask is, and one voxel more, so that surfaces stay what they are."""
    either = first | second
    box = []
    for axis in range(either.ndim):
        other = tuple(a for a in range(either.ndim) if a != axis)
        where = np.flatnonzero(either.any(axis=other))
        if where.size == 0:
            return None
        box.append(slice(max(0, int(where[0]) - 1), int(where[-1]) + 2))
    return tuple(box)


def _surface(mask: np.ndarray, axes: list[int]) -> np.ndarray:
    if not axes:
        return mask  # a single voxel
    structure = np.zeros((3,) * mask.ndim, dtype=bool)
    centre = (1,) * mask.ndim
    structure[centre] = True
    for axis in axes:
        for side in (0, 2):
            structure[(*centre[:axis], side, *centre[axis + 1 :])] = True
    surface: np.ndarray = mask & ~ndimage.binary_erosion(mask, structure)
    return surface


def _distances(from_surface: np.ndarray, to_surface: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance of each voxel of the one surface to the nearest of the other, mm."""
    distances: np.ndarray = ndimage.distance_transform_edt(~to_surface, sampling=spacing)[from_surface]
    return distances
