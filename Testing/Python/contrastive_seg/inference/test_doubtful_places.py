"""Doubtful places: found, ordered, apart from each other, and quick on large volumes."""

import numpy as np
import pytest

from contrastive_seg.inference import doubtful_places as module
from contrastive_seg.inference.doubtful_places import doubtful_places

MM = (1.0, 1.0, 1.0)


def empty(shape=(20, 60, 80)):
    return np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)


def test_a_sure_prediction_has_no_doubtful_place():
    uncertainty, labels = empty()
    uncertainty[5, 5, 5] = module.DOUBTFUL - 1
    assert doubtful_places(uncertainty, labels, MM) == []


def test_the_region_with_the_largest_sum_comes_first_and_names_its_structure():
    uncertainty, labels = empty()
    uncertainty[3:5, 10:12, 10:12] = 90
    labels[3:5, 10:12, 8:11] = 2
    uncertainty[14:18, 40:44, 60:64] = 60
    labels[14:18, 40:44, 60:70] = 7
    first, second = doubtful_places(uncertainty, labels, MM)
    assert (first.value, first.voxels) == (7, 64) and (second.value, second.voxels) == (2, 8)
    for place in (first, second):
        x, y, z = place.index
        assert uncertainty[z, y, x] >= module.DOUBTFUL


def test_a_long_rim_becomes_several_places_apart_from_each_other():
    uncertainty, labels = empty((9, 100, 100))
    y, x = np.mgrid[:100, :100]
    ring = np.abs(np.hypot(y - 50, x - 50) - 40) < 1.5
    uncertainty[4][ring] = 80
    labels[4][np.hypot(y - 50, x - 50) < 40] = 1
    places = doubtful_places(uncertainty, labels, MM, most=8)
    assert len(places) >= 6 and {place.value for place in places} == {1}
    at = np.array([place.index for place in places], float)
    gaps = np.linalg.norm(at[:, None] - at[None], axis=2) + 1e9 * np.eye(len(at))
    assert gaps.min() > 10
    angles = np.arctan2(at[:, 1] - 50, at[:, 0] - 50)
    assert np.ptp(angles) > np.pi, "all on one side"


def test_doubt_without_a_structure_near_is_background():
    uncertainty, labels = empty()
    uncertainty[2:4, 2:4, 2:4] = 70
    assert doubtful_places(uncertainty, labels, MM)[0].value == 0


def test_thick_slices_are_measured_in_millimetres():
    uncertainty, labels = empty((6, 40, 40))
    uncertainty[1, 20, 18:22] = uncertainty[4, 20, 18:22] = 80
    assert len(doubtful_places(uncertainty, labels, (10.0, 1.0, 1.0))) == 2


def test_a_large_volume_is_looked_at_in_blocks(monkeypatch):
    uncertainty, labels = empty()
    uncertainty[3:5, 10:14, 10:14] = 90
    uncertainty[15:17, 50:53, 70:73] = 80
    fine = doubtful_places(uncertainty, labels, MM)
    monkeypatch.setattr(module, "_MOST_BLOCKS", 2000)
    coarse = doubtful_places(uncertainty, labels, MM)
    assert [one.voxels for one in coarse] == [one.voxels for one in fine] == [32, 18]
    for a, b in zip(coarse, fine, strict=True):
        assert np.abs(np.subtract(a.index, b.index)).max() <= 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_places_turn_with_the_volume(axis):
    uncertainty, labels = empty()
    uncertainty[3:5, 10:14, 10:14] = 90
    (place,) = doubtful_places(np.flip(uncertainty, axis), labels, MM)
    (plain,) = doubtful_places(uncertainty, labels, MM)
    moved = list(plain.index)
    moved[2 - axis] = uncertainty.shape[axis] - 1 - moved[2 - axis]
    assert np.abs(np.subtract(place.index, moved)).max() <= 1
