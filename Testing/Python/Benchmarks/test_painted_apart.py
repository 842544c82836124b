"""Two structures that somebody paints on different slices."""

import numpy as np
import pytest
from benchmarklib.placement import IGNORE, OPEN, painted_apart
from contrastive_seg_phantom import two_organs

PAIR = (1, 7)


@pytest.fixture(scope="module")
def a_truth():
    return two_organs()[1]


def slices_of(labels, value):
    return np.flatnonzero((labels == value).any(axis=(1, 2))).tolist()


def test_each_structure_is_on_slices_of_its_own_and_both_where_that_is_asked_for(a_truth):
    closed = painted_apart(a_truth, 0, PAIR, 4, "closed")
    first, second = slices_of(closed, 1), slices_of(closed, 7)
    assert len(first) == len(second) == 4 and not set(first) & set(second)
    said = np.flatnonzero((closed != IGNORE).any(axis=(1, 2)))
    assert (closed[said] >= 0).all() and len(said) == 10  # two empty ones
    both = painted_apart(a_truth, 0, PAIR, 4, "both")
    assert np.array_equal(both[[*first, *second]], a_truth[[*first, *second]])


def test_open_slices_say_nothing_where_the_other_structure_is_and_the_truth_elsewhere(a_truth):
    opened = painted_apart(a_truth, 0, PAIR, 4, "open")
    closed = painted_apart(a_truth, 0, PAIR, 4, "closed")
    known = opened != OPEN
    assert np.array_equal(opened[known], closed[known])
    first, second = slices_of(closed, 1), slices_of(closed, 7)
    for mine, others, value in ((first, second, 7), (second, first, 1)):
        for index in mine:
            inside = opened[index][a_truth[index] == value]
            if others[0] < index < others[-1]:
                assert (inside == OPEN).all()
            assert (inside == OPEN).mean() > 0.8 and (opened[index] == 0).any()


def test_other_axes_are_painted_alike(a_truth):
    turned = np.ascontiguousarray(np.moveaxis(a_truth, 0, 2))
    assert np.array_equal(
        painted_apart(turned, 2, PAIR, 4, "open"),
        np.moveaxis(painted_apart(a_truth, 0, PAIR, 4, "open"), 0, 2),
    )


def test_a_structure_on_few_slices_cannot_be_painted_apart(a_truth):
    few = np.where((a_truth == 7) & (np.arange(24)[:, None, None] > 13), 0, a_truth)
    few[:9][few[:9] == 7] = 0
    assert painted_apart(few, 0, PAIR, 4, "open") is None
