"""Files are complete or not there, and a full disk or a forbidden folder is told in a sentence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from contrastive_seg.atomic import make_folder, open_replacing, remove_parts, replacing, write_json, write_npy
from contrastive_seg.errors import ContrastiveSegError


def test_what_is_written_can_be_read_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    write_npy(tmp_path / "a b ä.npy", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    write_json(tmp_path / "x.json", {"ä": 1})
    assert np.array_equal(np.load(tmp_path / "a b ä.npy").ravel(), np.arange(24))
    assert (tmp_path / "x.json").read_text("utf-8") == '{\n  "ä": 1\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b ä.npy", "x.json"]


@pytest.mark.parametrize("filled", [(), (0,), (3, 4), (9,), (0, 5, 9)])
def test_stretches_of_zeros_become_holes_that_read_as_zeros(tmp_path: Path, filled: tuple[int, ...]) -> None:
    mask = np.zeros((10, 300, 401), np.uint8)
    for index in filled:
        mask[index] = 7
    write_npy(tmp_path / "mask.npy", mask)
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy", mmap_mode="r"), mask)


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.float32(3), np.zeros((3, 4, 5))[::-1, ::2].T])
def test_arrays_of_any_layout_come_back(tmp_path: Path, array: np.ndarray) -> None:
    write_npy(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy").ravel(), np.ravel(array))


def test_arrays_of_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="objects"):
        write_npy(tmp_path / "a.npy", np.array([{}]))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), open_replacing(tmp_path / "a.txt") as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_the_place_to_write_to_has_the_same_suffixes(tmp_path: Path) -> None:
    with replacing(tmp_path / "mask.nii.gz") as part:
        assert part.name.endswith("mask.nii.gz") and part.parent == tmp_path
        part.write_bytes(b"x")
    assert (tmp_path / "mask.nii.gz").read_bytes() == b"x"


def test_a_full_disk_is_told_and_no_half_file_stays(a_small_disk: Path) -> None:
    write_json(a_small_disk / "a.json", "old")
    with pytest.raises(ContrastiveSegError) as told:
        write_npy(a_small_disk / "a.npy", np.ones(10**6, np.uint8))
    assert told.value.code == "disk-full" and "a.npy" in told.value.sentence
    assert [path.name for path in a_small_disk.iterdir()] == ["a.json"]
    write_json(a_small_disk / "b.json", "there is space again")


def test_a_full_disk_is_recognised_behind_the_error_of_a_library(a_small_disk: Path) -> None:
    with pytest.raises(ContrastiveSegError) as told, replacing(a_small_disk / "x.bin") as part:
        try:
            part.write_bytes(bytes(10**6))
        except OSError:
            raise RuntimeError("some library failed") from None
    assert told.value.code == "disk-full"
    assert list(a_small_disk.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_missing_permission_is_told(tmp_path: Path, number: int) -> None:
    with pytest.raises(ContrastiveSegError) as told, open_replacing(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert told.value.code == "no-write-permission" and "a.txt" in told.value.sentence


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContrastiveSegError) as told:
        make_folder(tmp_path / "file" / "run")
    assert told.value.code == "no-write-permission" and "run" in told.value.sentence


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from contrastive_seg.atomic import open_replacing\n"
        "with open_replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(9)\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.bin")], env=environment, check=False)
    assert len(list(tmp_path.iterdir())) == 1 and not (tmp_path / "a.bin").exists()
    remove_parts(tmp_path, older_than=1000)
    assert len(list(tmp_path.iterdir())) == 1
    os.utime(next(tmp_path.iterdir()), (time.time() - 2000,) * 2)
    remove_parts(tmp_path, older_than=1000)
    assert list(tmp_path.iterdir()) == []
