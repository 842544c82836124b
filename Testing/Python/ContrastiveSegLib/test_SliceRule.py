"""Which slices a painted region annotates."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_parts import ball, only_slices

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.SliceRule import SliceRule

SHAPE = (24, 30, 28)
BALL = ball(SHAPE, 0.4)


def found(array: np.ndarray, **options) -> list[tuple[int, int]]:
    return SliceRule.find(LabelBox.of(array), **options)


def test_nothing_painted_annotates_nothing():
    assert found(np.zeros(SHAPE, np.int16)) == []


@given(axis=st.integers(0, 2), data=st.data())
@settings(max_examples=60, deadline=None)
def test_isolated_slices_of_a_plane_are_found_and_nothing_else(axis, data):
    middle = SHAPE[axis] // 2
    indices = data.draw(st.lists(st.integers(middle - 7, middle + 7), min_size=1, max_size=5, unique=True))
    indices = [i for n, i in enumerate(sorted(indices)) if n == 0 or i - sorted(indices)[n - 1] > 1]
    assert found(only_slices(BALL, axis, indices)) == [(axis, i) for i in indices]


@given(
    st.lists(st.sampled_from([5, 8, 11, 14, 17]), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([8, 12, 16, 20]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([8, 13, 18]), max_size=2, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_slices_of_mixed_planes_are_each_found_in_their_plane(axial, coronal, sagittal):
    painted = only_slices(BALL, 0, axial) | only_slices(BALL, 1, coronal) | only_slices(BALL, 2, sagittal)
    expected = {(0, i) for i in axial} | {(1, i) for i in coronal} | {(2, i) for i in sagittal}
    assert set(found(painted)) == expected


def test_neighbouring_slices_stay_in_their_plane():
    assert found(only_slices(BALL, 0, [10, 11, 12])) == [(0, 10), (0, 11), (0, 12)]
    assert found(only_slices(BALL, 1, [14, 15])) == [(1, 14), (1, 15)]


def test_a_block_counts_slice_by_slice_in_the_acquisition_plane():
    indices = np.flatnonzero(BALL.any(axis=(1, 2)))
    assert found(BALL, preferred=0) == [(0, int(i)) for i in indices]
    assert {axis for axis, _ in found(BALL, preferred=2)} == {2}


def test_a_wall_one_pixel_thin_belongs_to_the_slice_it_was_drawn_on():
    ring = np.zeros(SHAPE, np.int16)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    radius = np.hypot(y - 15, x - 14)
    ring[9] = np.abs(radius - 9) < 0.6
    assert found(ring) == [(0, 9)]
    ring[10] = ring[9]
    assert found(ring) == [(0, 9), (0, 10)]


def test_a_single_voxel_annotates_the_slice_of_the_acquisition_plane():
    one = np.zeros(SHAPE, np.int16)
    one[4, 5, 6] = 1
    assert found(one, preferred=1) == [(1, 5)]


def test_the_user_can_limit_the_planes():
    mixed = only_slices(BALL, 0, [8]) | only_slices(BALL, 1, [15])
    assert found(mixed, axes=(1,)) == [(1, int(i)) for i in np.flatnonzero(mixed.any(axis=(0, 2)))]
    assert found(only_slices(BALL, 0, [8]), axes=(0,)) == [(0, 8)]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_painted_voxel_lies_on_some_annotated_slice(seed):
    painted = (np.random.default_rng(seed).random((6, 7, 8)) < 0.2).astype(np.int16)
    said = np.zeros(painted.shape, bool)
    for axis, index in found(painted):
        said[tuple(index if a == axis else slice(None) for a in range(3))] = True
    assert said[painted > 0].all()


def test_empty_slices_between_painted_ones_change_nothing():
    rng = np.random.default_rng(3)
    for _trial in range(40):
        small = np.zeros((7, 8, 9), np.int16)
        for _stroke in range(rng.integers(1, 4)):
            axis = rng.integers(3)
            place = [
                slice(int(a), int(a) + int(n))
                for a, n in zip(rng.integers(0, 4, 3), rng.integers(2, 5, 3), strict=True)
            ]
            place[axis] = slice(int(rng.integers(0, 7)), None)
            place[axis] = slice(place[axis].start, place[axis].start + 1)
            small[tuple(place)] = 1
        apart = [
            np.flatnonzero(small.any(axis=tuple(a for a in range(3) if a != one)) == 0) for one in range(3)
        ]
        wide, moved = small, []
        for axis in range(3):  # each empty slice becomes five
            repeat = np.ones(small.shape[axis], int)
            repeat[apart[axis]] = 5
            wide = wide.repeat(repeat, axis)
            moved.append(np.concatenate([[0], np.cumsum(repeat)]))
        expected = [(axis, int(moved[axis][index])) for axis, index in SliceRule.find(LabelBox.of(small))]
        assert SliceRule.find(LabelBox.of(wide)) == expected
