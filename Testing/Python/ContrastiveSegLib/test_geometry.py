"""No voxel is moved: volumes and segmentations of any geometry, under any transforms."""

import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene_parts import add_segmentation, add_transform, add_volume, bent_transform, paint, share_one_image

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

GEOMETRY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**32 - 1)


def random_rotation(rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q  # determinant 1 or -1: flipped grids, too


def random_geometry(rng):
    matrix = np.eye(4)
    turn = random_rotation(rng) if rng.random() < 0.7 else np.eye(3)[rng.permutation(3)]
    matrix[:3, :3] = turn * rng.uniform(0.4, 3.0, 3) * rng.choice([-1, 1], 3)
    matrix[:3, 3] = rng.uniform(-100, 100, 3)
    return matrix


def random_transform(rng):
    matrix = np.eye(4)
    matrix[:3, :3] = random_rotation(rng) * rng.uniform(0.8, 1.25)
    matrix[:3, 3] = rng.uniform(-30, 30, 3)
    return add_transform(matrix)


def random_labels(rng, shape, values=2):
    labels = np.zeros(shape, np.int16)
    for value in range(1, values + 1):
        low = [rng.integers(0, n - 2) for n in shape]
        high = [rng.integers(a + 1, n + 1) for a, n in zip(low, shape, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        labels[box][rng.random(labels[box].shape) < 0.8] = value
    return labels


def resampled(segmentation, volume, values):
    return SegmentResampler(segmentation, VolumeGrid(volume)).labels(values).whole()


@given(seeds)
@GEOMETRY
def test_what_is_painted_on_a_volume_is_exported_voxel_for_voxel(a_scene, seed):
    rng = np.random.default_rng(seed)
    a_scene.Clear(0)
    shape = tuple(int(n) for n in rng.integers(3, 9, 3))
    volume = add_volume(np.zeros(shape, np.int16), random_geometry(rng))
    segmentation = add_segmentation(volume, ["a", "b"])
    labels = random_labels(rng, shape)
    for value, name in ((1, "a"), (2, "b")):
        paint(segmentation, name, labels == value, volume)
    if rng.random() < 0.5:
        transform = random_transform(rng)
        volume.SetAndObserveTransformNodeID(transform.GetID())
        segmentation.SetAndObserveTransformNodeID(transform.GetID())
    assert np.array_equal(resampled(segmentation, volume, {"a": 1, "b": 2}), labels)


@given(seeds)
@GEOMETRY
def test_another_grid_and_other_transforms_give_the_nearest_voxel(a_scene, seed):
    rng = np.random.default_rng(seed)
    a_scene.Clear(0)
    shape = tuple(int(n) for n in rng.integers(4, 9, 3))
    volume_matrix = random_geometry(rng)
    volume = add_volume(np.zeros(shape, np.int16), volume_matrix)
    # a second volume in about the same place lends the segmentation its own geometry
    center = volume_matrix @ np.array([*(np.array(shape[::-1]) - 1) / 2, 1.0])
    own_matrix = random_geometry(rng)
    own_shape = (8, 8, 8)
    own_matrix[:3, 3] = (center - own_matrix @ np.array([3.5, 3.5, 3.5, 0.0]))[:3]
    own = add_volume(np.zeros(own_shape, np.int16), own_matrix, name="Other")
    segmentation = add_segmentation(own, ["a"])
    painted = rng.random(own_shape) < 0.5
    paint(segmentation, "a", painted, own)
    between = np.eye(4)
    for node, sign in ((volume, -1), (segmentation, 1)):
        if rng.random() < 0.7:
            small = np.eye(4)
            small[:3, 3] = rng.uniform(-1, 1, 3)
            node.SetAndObserveTransformNodeID(add_transform(small).GetID())
            between[:3, 3] += sign * small[:3, 3]
    got = None
    try:
        got = resampled(segmentation, volume, {"a": 1})
    except UserError:
        got = np.zeros(shape, np.int16)
    to_own = np.linalg.inv(own_matrix) @ np.linalg.inv(between) @ volume_matrix
    for index in np.ndindex(shape):
        at = (to_own @ np.array([*index[::-1], 1.0]))[:3]
        if np.abs(at - np.floor(at) - 0.5).min() < 1e-4:
            continue  # on the border of two voxels both are nearest
        i, j, k = np.rint(at).astype(int)
        inside = min(i, j, k) >= 0 and max(i, j, k) < 8
        assert got[index] == (inside and painted[k, j, i]), index


def test_a_transform_on_the_volume_alone_does_not_empty_the_labels(a_volume_node, a_segmentation_node):
    painted = np.zeros((12, 30, 40), np.uint8)
    painted[5, 10:20, 10:20] = 1
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    move = np.eye(4)
    move[:3, 3] = (3, -2, 4)  # whole voxels: 3, -2 and 2
    a_volume_node.SetAndObserveTransformNodeID(add_transform(move).GetID())
    labels = resampled(a_segmentation_node, a_volume_node, {"Ball": 1})
    expected = np.zeros_like(painted)
    expected[3, 12:22, 7:17] = 1
    assert np.array_equal(labels, expected)


def test_an_image_of_many_segments_is_not_looked_through_for_each_of_them(a_scene, monkeypatch):
    rng = np.random.default_rng(1)
    shape, count = (30, 40, 50), 25
    volume = add_volume(np.zeros(shape, np.int16), random_geometry(rng))
    names = [f"s{number}" for number in range(count)]
    segmentation = add_segmentation(volume, names)
    labels = np.zeros(shape, np.uint8)
    for number in range(count - 1):  # the last one is empty
        labels[number : number + 2, 3:-3, 5:-5] = number + 1
    share_one_image(segmentation, labels, volume)
    looked = []
    bounds = LabelBox.bounds
    monkeypatch.setattr(
        LabelBox, "bounds", staticmethod(lambda array: looked.append(array.size) or bounds(array))
    )
    found = resampled(segmentation, volume, {name: number + 1 for number, name in enumerate(names)})
    assert np.array_equal(found, labels)
    assert sum(looked) <= 2 * labels.size


def test_a_segment_beside_the_volume_is_named_in_the_error(a_volume_node, a_segmentation_node):
    painted = np.zeros((12, 30, 40), np.uint8)
    painted[5, 10:20, 10:20] = 1
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    away = np.eye(4)
    away[0, 3] = 1000
    a_volume_node.SetAndObserveTransformNodeID(add_transform(away).GetID())
    with pytest.raises(UserError, match="segment 'Ball' does not touch the volume"):
        resampled(a_segmentation_node, a_volume_node, {"Ball": 1})


def test_a_warp_on_both_nodes_changes_nothing(a_volume_node, a_segmentation_node):
    painted = np.zeros((12, 30, 40), np.uint8)
    painted[5, 10:20, 10:20] = 1
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    warp = bent_transform()
    for node in (a_volume_node, a_segmentation_node):
        node.SetAndObserveTransformNodeID(warp.GetID())
    assert np.array_equal(resampled(a_segmentation_node, a_volume_node, {"Ball": 1}), painted)


def test_a_warp_on_the_segmentation_alone_moves_the_labels(a_volume_node, a_segmentation_node):
    painted = np.zeros((12, 30, 40), np.uint8)
    painted[5, 10:20, 10:20] = 1
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    a_segmentation_node.SetAndObserveTransformNodeID(bent_transform().GetID())
    labels = resampled(a_segmentation_node, a_volume_node, {"Ball": 1})
    expected = np.zeros_like(painted)
    expected[5, 10:20, 12:22] = 1
    assert np.array_equal(labels, expected)


@given(seeds)
@GEOMETRY
def test_a_prediction_comes_back_where_it_was_made(a_scene, seed):
    rng = np.random.default_rng(seed)
    a_scene.Clear(0)
    shape = tuple(int(n) for n in rng.integers(3, 9, 3))
    volume = add_volume(np.zeros(shape, np.int16), random_geometry(rng))
    if rng.random() < 0.5:
        volume.SetAndObserveTransformNodeID(random_transform(rng).GetID())
    segmentation = add_segmentation(volume, ["a", "b"])
    labels = random_labels(rng, shape)
    segments = [LabelledSegment(1, "a", "a"), LabelledSegment(2, "b", "b")]
    node = PredictionLogic.update(volume, segmentation, labels, segments)
    assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    assert np.array_equal(resampled(node, volume, {"a": 1, "b": 2}), labels)
    percent = rng.integers(0, 101, shape).astype(np.uint8)
    maps = PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": percent})
    assert np.array_equal(slicer.util.arrayFromVolume(maps["uncertainty"]), percent)
    assert np.allclose(VolumeGrid(maps["uncertainty"]).ijkToWorld(), VolumeGrid(volume).ijkToWorld())


def test_slices_are_called_after_the_anatomical_plane_they_lie_in(a_scene):
    sagittal = np.array([[0, 0, 3, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    volume = add_volume(np.zeros((4, 5, 6), np.int16), sagittal)
    assert VolumeGrid(volume).planeNames() == ("sagittal", "axial", "coronal")
    assert VolumeGrid(volume).acquisitionAxis() == 0
    assert VolumeGrid(add_volume(np.zeros((4, 5, 6), np.int16))).planeNames() == (
        "axial",
        "coronal",
        "sagittal",
    )
