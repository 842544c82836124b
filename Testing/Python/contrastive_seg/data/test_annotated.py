"""Which voxels of a label map count as truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrastive_seg.data.annotated import guess_annotated, parse_annotated, sparse_from_dense
from contrastive_seg.data.read import read_labels
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError

A_VOLUME = Volume(np.arange(10 * 8 * 6, dtype=np.int16).reshape(10, 8, 6), name="image")


@pytest.fixture
def a_painted_map() -> np.ndarray:
    """Structures 5 and 30000 on axial slices 2 and 6."""
    dense = np.zeros(A_VOLUME.shape, np.uint16)
    dense[2, 2:5, 1:4] = 5
    dense[6, 3:6, 2:5] = 30000
    return dense


def read(tmp_path: Path, dense: np.ndarray, **options: object) -> np.ndarray:
    path = write_like(dense, A_VOLUME, tmp_path / "labels.nrrd")
    return read_labels(path, A_VOLUME, **options).array  # type: ignore[arg-type]


def test_without_a_word_the_slices_with_labels_of_the_sparsest_plane_are_truth(
    tmp_path: Path, a_painted_map: np.ndarray
) -> None:
    labels = read(tmp_path, a_painted_map)
    assert [z for z in range(10) if (labels[z] != IGNORE).all()] == [2, 6]
    assert (labels[[0, 1, 3, 4, 5, 7, 8, 9]] == IGNORE).all()
    assert np.array_equal(labels[[2, 6]], a_painted_map[[2, 6]].astype(np.int16))


def test_the_plane_can_be_given(tmp_path: Path, a_painted_map: np.ndarray) -> None:
    labels = read(tmp_path, a_painted_map, plane="sagittal")
    assert [x for x in range(6) if (labels[..., x] != IGNORE).all()] == [1, 2, 3, 4]


def test_named_slices_are_truth_also_when_empty_and_no_other(
    tmp_path: Path, a_painted_map: np.ndarray
) -> None:
    labels = read(tmp_path, a_painted_map, annotated=["axial:0,2", "coronal:3-4"])
    truth = np.zeros(labels.shape, bool)
    truth[[0, 2]] = True
    truth[:, [3, 4]] = True
    assert np.array_equal(labels != IGNORE, truth)
    assert np.array_equal(labels[truth], a_painted_map.astype(np.int16)[truth])


def test_ignored_voxels_stay_ignored_on_named_slices(tmp_path: Path, a_painted_map: np.ndarray) -> None:
    a_painted_map[2, 0, 0] = 255
    labels = read(tmp_path, a_painted_map, ignore=255, annotated={"axial": [2]})
    assert labels[2, 0, 0] == IGNORE and (labels[2].ravel()[1:] != IGNORE).all()


def test_scribbles_are_partly_painted_slices(tmp_path: Path) -> None:
    dense = np.full(A_VOLUME.shape, 65535, np.uint16)
    dense[4, 2, 1:4], dense[4, 6, 1:4] = 1, 0
    labels = read(tmp_path, dense, ignore=65535)
    assert np.count_nonzero(labels != IGNORE) == 6 and sorted(np.unique(labels)) == [-1, 0, 1]


def test_an_ignore_value_that_never_occurs_is_pointed_out(tmp_path: Path, a_painted_map: np.ndarray) -> None:
    notes: list[str] = []
    labels = read(tmp_path, a_painted_map, ignore=255, on_note=notes.append)
    assert (labels != IGNORE).all() and "255" in notes[0]


def test_a_map_in_which_nothing_is_said_is_refused(tmp_path: Path) -> None:
    for options, value in (({"ignore": 255}, 255), ({}, 0)):
        with pytest.raises(ContrastiveSegError) as told:
            read(tmp_path, np.full(A_VOLUME.shape, value, np.uint8), **options)
        assert told.value.code == "no-annotation"


@pytest.mark.parametrize("text", ["axial", "axial:", "axial:a", "oblique:3", "axial:5-3", "axial:-1", ":3"])
def test_texts_that_name_no_slices_are_refused(text: str) -> None:
    with pytest.raises(ContrastiveSegError) as told:
        parse_annotated([text])
    assert told.value.code == "bad-annotated" and text in told.value.sentence


def test_slices_outside_the_volume_are_refused() -> None:
    with pytest.raises(ContrastiveSegError, match="no axial slice 10; it has 10"):
        sparse_from_dense(np.zeros(A_VOLUME.shape, int), {"axial": [10]})


def test_texts_of_one_plane_are_joined() -> None:
    assert parse_annotated(["axial:3,1", "Axial: 2-3", "coronal:7"]) == {"axial": [1, 2, 3], "coronal": [7]}


def test_the_plane_with_the_fewest_painted_slices_is_guessed() -> None:
    dense = np.zeros((10, 8, 6), np.int16)
    dense[:, 3, :] = 1
    assert guess_annotated(dense) == {"coronal": [3]}
