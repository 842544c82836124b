"""What is written and read again lies where it was, on any grid, and an independent reader agrees."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from grids_strategy import volumes
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.data.grids import TOLERANCE_MM, check_same_grid, largest_offset, orientation_code
from contrastive_seg.data.read import read_label_map, read_labels, read_volume
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError

SUFFIXES = st.sampled_from([".nii.gz", ".nii", ".nrrd", ".mha"])


@settings(max_examples=60, deadline=None)
@given(volume=volumes(), suffix=SUFFIXES)
def test_no_voxel_moves_between_writing_and_reading(volume: Volume, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = read_volume(write_like(volume.array, volume, Path(folder) / f"räumlich 1{suffix}"))
        assert np.array_equal(read.array, volume.array) and read.array.dtype == np.int16
        assert largest_offset(read.ijk_to_ras, volume.ijk_to_ras, volume.shape) <= TOLERANCE_MM
        check_same_grid(volume, read)


@settings(max_examples=30, deadline=None)
@given(volume=volumes())
def test_an_independent_reader_sees_the_same_ras_matrix(volume: Volume) -> None:
    with tempfile.TemporaryDirectory() as folder:
        image = nibabel.load(write_like(volume.array, volume, Path(folder) / "a.nii.gz"))
        assert largest_offset(image.affine, volume.ijk_to_ras, volume.shape) <= TOLERANCE_MM
        assert np.array_equal(np.asanyarray(image.dataobj).T, volume.array)


@settings(max_examples=30, deadline=None)
@given(volume=volumes(), suffix=SUFFIXES, ignored=st.integers(0, 5))
def test_labels_are_truth_where_the_file_says_something(volume: Volume, suffix: str, ignored: int) -> None:
    dense = (volume.array % 6).astype(np.uint8)
    dense[dense == ignored] = 255
    dense[0, 0, 0], dense[-1, -1, -1] = 255, 3
    with tempfile.TemporaryDirectory() as folder:
        labels = read_labels(write_like(dense, volume, Path(folder) / f"l{suffix}"), volume, ignore=255)
    assert np.array_equal(labels.array == IGNORE, dense == 255)
    assert np.array_equal(labels.array[dense != 255], dense[dense != 255])


def test_a_grid_that_is_a_hundredth_of_a_millimetre_off_is_another_one(tmp_path: Path) -> None:
    a_volume = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([1.0, 1, 3, 1]), "image.nii")
    moved = a_volume.ijk_to_ras.copy()
    moved[0, 3] = 0.01
    other = write_like(a_volume.array, Volume(a_volume.array, moved), tmp_path / "labels.nii")
    with pytest.raises(ContrastiveSegError) as told:
        read_labels(other, a_volume)
    assert told.value.code == "grid-mismatch"
    assert "origin (0, 0, 0)" in told.value.sentence and "origin (0.01, 0, 0)" in told.value.sentence
    moved[0, 3] = 0.0005
    read_labels(write_like(a_volume.array, Volume(a_volume.array, moved), tmp_path / "labels.nii"), a_volume)


def test_a_grid_of_another_size_is_told_with_both_sizes(tmp_path: Path) -> None:
    a_volume = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), name="image.nii")
    smaller = Volume(a_volume.array[:, :, :4])
    with pytest.raises(ContrastiveSegError) as told:
        read_labels(write_like(smaller.array, smaller, tmp_path / "labels.nii"), a_volume)
    assert told.value.code == "grid-mismatch"
    assert "5 x 4 x 3" in told.value.sentence and "4 x 4 x 3" in told.value.sentence


def test_a_segmentation_cropped_by_slicer_is_put_back_on_the_image(tmp_path: Path) -> None:
    matrix = np.array([[0, -2.0, 0, 10], [0.5, 0, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])
    a_volume = Volume(np.arange(8 * 7 * 6, dtype=np.int16).reshape(8, 7, 6), matrix, "image.nii")
    shifted = matrix.copy()
    shifted[:3, 3] = (matrix @ [2, 3, 1, 1])[:3]
    part = Volume(np.full((4, 2, 3), 7, np.uint8), shifted)
    path = write_like(part.array, part, tmp_path / "a.seg.nrrd")
    whole = read_label_map(path, like=a_volume).array
    assert (whole[1:5, 3:5, 2:5] == 7).all() and np.count_nonzero(whole) == part.array.size
    shifted[:3, 3] = (matrix @ [5, 3, 1, 1])[:3]
    with pytest.raises(ContrastiveSegError) as told:
        read_label_map(write_like(part.array, part, path), like=a_volume)
    assert told.value.code == "label-outside-image"


@pytest.mark.parametrize(
    ("diagonal", "code"), [((1, 1, 1), "RAS"), ((-1, -1, 1), "LPS"), ((-1, 1, -1), "LAI")]
)
def test_axes_are_named_by_where_they_point(diagonal: tuple[int, int, int], code: str) -> None:
    assert orientation_code(np.diag([*diagonal, 1.0])) == code
