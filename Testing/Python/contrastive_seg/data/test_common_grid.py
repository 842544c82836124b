"""Label maps that were cropped by 3D Slicer, brought onto one grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.data.common_grid import on_common_grid
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError

SHAPE = (9, 11, 13)
MATRIX = np.array([[0.0, -0.8, 0.0, 5.0], [0.9, 0.0, 0.0, -7.0], [0.0, 0.0, 2.5, 3.0], [0, 0, 0, 1.0]])


def cropped(labels, begin, end, name):
    """A part of a label map, with the origin that it has."""
    matrix = MATRIX.copy()
    matrix[:3, 3] = (MATRIX @ np.append(begin[::-1], 1.0))[:3]
    return Volume(labels[tuple(map(slice, begin, end))].astype(np.int16), matrix, name)


def box(data, label):
    begin = [data.draw(st.integers(0, n - 1), label=f"{label} begins") for n in SHAPE]
    return begin, [
        data.draw(st.integers(b + 1, n), label=f"{label} ends") for b, n in zip(begin, SHAPE, strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_voxels_keep_their_places_and_what_was_not_saved_is_background(data):
    parts = []
    for number, name in enumerate(("a.seg.nrrd", "b.seg.nrrd")):
        begin, end = box(data, name)
        whole = np.zeros(SHAPE, np.int16)
        whole[tuple(map(slice, begin, end))] = number + 1
        parts.append((whole, cropped(whole, begin, end, name)))
    first, second = on_common_grid(parts[0][1], parts[1][1])
    assert first.shape == second.shape and np.allclose(first.ijk_to_ras, second.ijk_to_ras)
    start = np.rint(np.linalg.inv(MATRIX) @ first.ijk_to_ras[:, 3])[:3].astype(int)[::-1]
    for grown, (whole, _part) in zip((first, second), parts, strict=True):
        expected = np.zeros(SHAPE, np.int16)
        expected[tuple(slice(s, s + n) for s, n in zip(start, grown.shape, strict=True))] = grown.array
        assert np.array_equal(expected, whole)


def test_a_cropped_truth_says_nothing_beside_what_was_saved_where_voxels_may_be_unknown():
    whole = np.ones(SHAPE, np.int16)
    truth = cropped(whole, [2, 3, 4], [5, 6, 7], "truth.seg.nrrd")
    first, second = on_common_grid(cropped(whole, [0, 0, 0], list(SHAPE), "p.nii.gz"), truth, ignore=9)
    assert second.shape == SHAPE and (second.array == 1).sum() == 27
    assert set(np.unique(second.array)) == {IGNORE, 1} and first.array.all()


def test_other_formats_and_other_lattices_are_refused_as_before():
    whole = np.ones(SHAPE, np.int16)
    large = cropped(whole, [0, 0, 0], list(SHAPE), "large.nii.gz")
    with pytest.raises(ContrastiveSegError) as info:
        on_common_grid(large, cropped(whole, [2, 3, 4], [5, 6, 7], "small.nii.gz"))
    assert info.value.code == "grid-mismatch" and "small.nii.gz" in str(info.value)
    between = cropped(whole, [2, 3, 4], [5, 6, 7], "between.seg.nrrd")
    shifted = between.ijk_to_ras.copy()
    shifted[0, 3] += 0.4
    with pytest.raises(ContrastiveSegError) as info:
        on_common_grid(large, Volume(between.array, shifted, between.name))
    assert info.value.code == "grid-mismatch"
