"""What hangs together in whom it was learnt from is not looked for elsewhere in others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.inference.one_piece import is_one_piece, keep_largest_piece, said_of_elsewhere
from contrastive_seg.inference.prediction import Prediction

SHAPE = (20, 24, 28)


def prediction_of(labels: np.ndarray) -> Prediction:
    probability = np.where(labels > 0, 90, 5).astype(np.uint8)
    return Prediction(labels, probability, np.full(labels.shape, 10, np.uint8))


@pytest.fixture
def a_heart() -> np.ndarray:
    """Two structures side by side."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:12, 5:12, 5:12] = 1
    labels[5:12, 5:12, 12:20] = 2
    return labels


def test_structures_side_by_side_are_one_piece_and_two_organs_are_not(a_heart: np.ndarray) -> None:
    assert is_one_piece(a_heart)
    a_heart[15:18, 15:18, 2:26] = 2
    assert not is_one_piece(a_heart)
    assert not is_one_piece(np.zeros(SHAPE, np.uint8))


def test_a_gap_of_two_voxels_or_a_few_lost_voxels_do_not_part_it(a_heart: np.ndarray) -> None:
    a_heart[:, :, 11:13] = 0
    assert is_one_piece(a_heart)
    a_heart[0, 0, 0] = 1
    assert is_one_piece(a_heart)
    a_heart[:, :, 10:14] = 0
    assert not is_one_piece(a_heart)


def test_what_lies_elsewhere_is_left_out_and_entirely_uncertain(a_heart: np.ndarray) -> None:
    labels = a_heart.copy()
    labels[15:18, 15:18, 20:26] = 2  # a piece of a structure of which more lies in the heart
    before = prediction_of(labels)
    found = keep_largest_piece(before)
    np.testing.assert_array_equal(found.labels, a_heart)
    elsewhere = (labels > 0) & (a_heart == 0)
    assert (found.uncertainty[elsewhere] == 100).all() and (found.uncertainty[~elsewhere] == 10).all()
    assert (found.probability[elsewhere] == 50).all() and (found.probability[a_heart > 0] == 90).all()
    assert found.elsewhere_voxels == 3 * 3 * 6
    assert before.labels[16, 16, 22] == 2  # the prediction that came in is as it was


def test_one_piece_or_nothing_stays_as_it_is(a_heart: np.ndarray) -> None:
    for labels in (a_heart, np.zeros(SHAPE, np.uint8)):
        before = prediction_of(labels)
        assert keep_largest_piece(before) is before


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_what_is_kept_is_one_piece_of_what_was_found_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((9, 10, 11), np.int16)
    for value in (1, 2, 3):
        low = rng.integers(0, 8, 3)
        labels[tuple(slice(a, a + int(rng.integers(1, 4))) for a in low)] = value
    found = keep_largest_piece(prediction_of(labels)).labels
    assert is_one_piece(found)
    assert set(np.unique(found - labels * (found > 0))) == {0}
    reached = np.argwhere(found > 0)
    for voxel in np.argwhere((labels > 0) & (found == 0)):
        assert np.abs(reached - voxel).max(axis=1).min() > 3 - 1  # nothing beside it was lost


def test_only_what_is_much_is_said(a_heart: np.ndarray) -> None:
    labels = a_heart.copy()
    labels[19, 23, 27] = 1
    assert said_of_elsewhere(keep_largest_piece(prediction_of(labels)), 0.001) == []
    labels[15:18, 15:18, 20:26] = 1
    (said,) = said_of_elsewhere(keep_largest_piece(prediction_of(labels)), 0.01)
    assert said.startswith("0.55 ml that were found apart from the largest piece were left out")
