import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.volume import Volume


def random_volume(seed: int) -> Volume:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if seed % 2:
        rotation = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * rng.uniform(0.3, 5, 3)
    return Volume(rng.normal(size=(3, 4, 5)).astype(np.float32), matrix)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_turning_and_turning_back_moves_no_voxel(seed):
    volume = random_volume(seed)
    orientation = Orientation.of(volume)
    np.testing.assert_array_equal(orientation.undo(orientation.apply(volume.array)), volume.array)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_the_turned_axes_point_up_forward_and_right(seed):
    volume = random_volume(seed)
    orientation = Orientation.of(volume)
    directions = volume.ijk_to_ras[:3, :3] / np.linalg.norm(volume.ijk_to_ras[:3, :3], axis=0)
    for new_axis, ras in ((0, 2), (1, 1), (2, 0)):
        column = directions[:, 2 - orientation.order[new_axis]]
        if orientation.flipped[new_axis]:
            column = -column
        assert column[ras] > 0 or abs(column[ras]) < 0.6
    spacing = [volume.spacing_zyx[a] for a in orientation.order]
    np.testing.assert_allclose(orientation.turn(volume).spacing_zyx, spacing)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2), st.integers(0, 59))
def test_a_slice_is_found_again_after_turning(seed, axis, index):
    volume = random_volume(seed)
    index %= volume.array.shape[axis]
    orientation = Orientation.of(volume)
    new_axis, new_index = orientation.slice_of((axis, index), volume.array.shape)
    turned = orientation.apply(volume.array).take(new_index, new_axis)
    np.testing.assert_array_equal(np.sort(turned.ravel()), np.sort(volume.array.take(index, axis).ravel()))


def test_turning_shares_memory():
    volume = random_volume(1)
    assert np.shares_memory(Orientation.of(volume).apply(volume.array), volume.array)
