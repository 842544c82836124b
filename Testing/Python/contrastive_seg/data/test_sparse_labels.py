import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels


@given(st.integers(0, 2**31 - 1), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_complete_and_touched_slices_equal_a_search(seed, axis):
    rng = np.random.default_rng(seed)
    array = np.full((4, 5, 6), IGNORE, dtype=np.int16)
    moved = np.moveaxis(array, axis, 0)
    moved[0] = 3
    moved[2, 1, 1] = rng.integers(0, 9)
    labels = SparseLabels(array)
    assert labels.annotated_slices(axis) == [0]
    assert labels.touched_slices(axis) == [0, 2]


def test_values_hold_background_but_not_ignore():
    array = np.full((3, 2, 2), IGNORE, dtype=np.int16)
    assert SparseLabels(array).values == ()
    array[1] = [[0, 49], [7, 7]]
    assert SparseLabels(array).values == (0, 7, 49)


def test_labels_are_complete_when_something_was_said_of_every_voxel():
    array = np.zeros((3, 2, 2), dtype=np.int16)
    assert SparseLabels(array).is_complete
    array[2, 1, 0] = IGNORE
    assert not SparseLabels(array).is_complete
