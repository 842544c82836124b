"""Dice and surface distances against slow references, and what must hold for any two masks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contrastive_seg.metrics import dice, score_labels, score_mask

SHAPES = st.tuples(*[st.integers(1, 5)] * 3)
SPACING = st.tuples(*[st.floats(0.3, 6.0)] * 3)


@st.composite
def two_masks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two random masks of one shape."""
    shape = draw(SHAPES)
    return draw(arrays.arrays(bool, shape)), draw(arrays.arrays(bool, shape))


def surface_points(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Centres, mm, of the voxels with a neighbour outside the mask; axes of length 1 do not count."""
    points = []
    for index in zip(*np.nonzero(mask), strict=True):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            if mask.shape[axis] == 1:
                continue
            beside = list(index)
            beside[axis] += step
            if not 0 <= beside[axis] < mask.shape[axis] or not mask[tuple(beside)]:
                points.append(np.array(index) * spacing)
                break
    return np.array(points)


def slow_distances(first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, float]:
    """HD95 and average symmetric surface distance from all pairs of points."""
    a, b = surface_points(first, spacing), surface_points(second, spacing)
    pairs = np.linalg.norm(a[:, None] - b[None], axis=2)
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float((there.sum() + back.sum()) / (len(there) + len(back)))


@settings(max_examples=150, deadline=None)
@given(masks=two_masks(), spacing=SPACING)
def test_scores_are_those_of_the_slow_reference(
    masks: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float, float]
) -> None:
    first, second = masks
    score = score_mask(first, second, spacing)
    a, b = set(zip(*np.nonzero(first), strict=True)), set(zip(*np.nonzero(second), strict=True))
    if not a and not b:
        assert (score.dice, score.hd95_mm, score.surface_distance_mm) == (1, 0, 0)
    elif not a or not b:
        assert score.dice == 0 and math.isnan(score.hd95_mm) and math.isnan(score.surface_distance_mm)
    else:
        assert score.dice == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
        expected = (0.0, 0.0) if first.size == 1 else slow_distances(first, second, spacing)
        assert (score.hd95_mm, score.surface_distance_mm) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(masks=two_masks(), spacing=SPACING, pad=st.integers(1, 3))
def test_scores_do_not_depend_on_the_side_or_on_empty_space_around(
    masks: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float, float], pad: int
) -> None:
    first, second = (np.pad(mask, 1) for mask in masks)
    score = score_mask(first, second, spacing)
    values = (score.dice, score.hd95_mm, score.surface_distance_mm)
    other = score_mask(second, first, spacing)
    assert (other.dice, other.hd95_mm, other.surface_distance_mm) == pytest.approx(values, nan_ok=True)
    padded = score_mask(np.pad(first, pad), np.pad(second, pad), spacing)
    assert (padded.dice, padded.hd95_mm, padded.surface_distance_mm) == pytest.approx(values, nan_ok=True)


def test_a_shift_by_one_voxel_is_one_voxel_size() -> None:
    first = np.zeros((8, 12, 12), bool)
    first[2:6, 3:8, 3:8] = True
    score = score_mask(first, np.roll(first, 1, axis=0), (5.0, 1.0, 1.0))
    assert score.hd95_mm == pytest.approx(5.0) and score.dice == pytest.approx(0.75)
    assert 0 < score.surface_distance_mm < 5


def test_a_2d_image_has_edges_and_no_top() -> None:
    flat = np.zeros((1, 20, 20), bool)
    flat[0, 5:15, 5:15] = True
    moved = np.roll(flat, 2, axis=2)
    assert score_mask(flat, moved, (1.0, 0.5, 0.5)) == score_mask(flat[0], moved[0], (0.5, 0.5))
    assert score_mask(flat, moved, (1.0, 0.5, 0.5)).surface_distance_mm < 1.0


def test_labels_are_scored_one_by_one_and_unknown_voxels_left_out() -> None:
    truth = np.zeros((4, 6, 6), np.int16)
    truth[1:3, 1:3, 1:3], truth[1:3, 4:, 4:] = 1, 700
    prediction = np.where(truth == 700, 0, truth)
    scores = score_labels(prediction, truth, (1, 1, 1))
    assert list(scores) == [1, 700] and scores[1].dice == 1 and scores[700].dice == 0
    known = truth != 700
    assert list(score_labels(prediction, truth, (1, 1, 1), known=known)) == [1]
    assert score_labels(prediction, truth, (1, 1, 1), values=[5])[5].dice == 1


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        score_mask(np.zeros((2, 2), bool), np.zeros((2, 3), bool), (1, 1))
    assert dice(np.zeros(3, bool), np.zeros(3, bool)) == 1
