"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from contrastive_seg.data import write
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import check_output, write_like
from contrastive_seg.errors import ContrastiveSegError

NOISE = np.random.default_rng(0).integers(0, 30000, (40, 60, 90)).astype(np.int16)
A_VOLUME = Volume(NOISE)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_full_disk_is_told_and_nothing_stays(a_small_disk: Path, name: str) -> None:
    with pytest.raises(ContrastiveSegError) as told:
        write_like(NOISE, A_VOLUME, a_small_disk / name)
    assert told.value.code == "disk-full" and name in told.value.sentence
    assert list(a_small_disk.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_like(NOISE, A_VOLUME, tmp_path / "a.nii")

    def full(part: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, "_check_written", full)
    with pytest.raises(ContrastiveSegError) as told:
        write_like(NOISE // 2, A_VOLUME, path)
    assert told.value.code == "disk-full"
    assert np.array_equal(read_volume(path).array, NOISE) and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ContrastiveSegError) as told:
        write_like(NOISE, A_VOLUME, tmp_path / "file" / "a.nii")
    assert told.value.code == "no-write-permission" and str(tmp_path / "file") in told.value.sentence


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_folder_in_which_nothing_may_be_written_is_told(a_small_disk: Path, name: str) -> None:
    mount = ["mount", "-o", "remount,ro", str(a_small_disk)]
    subprocess.run(mount, check=True)
    with pytest.raises(ContrastiveSegError) as told:
        write_like(NOISE, A_VOLUME, a_small_disk / name)
    assert told.value.code == "no-write-permission" and name in told.value.sentence


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no such folder")
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_the_systems_own_reason_is_told_and_libraries_print_nothing(
    name: str, capfd: pytest.CaptureFixture
) -> None:
    """/proc takes no files although it is a folder of the administrator, and says that it has no space."""
    with pytest.raises(ContrastiveSegError) as told:
        write_like(NOISE, A_VOLUME, Path("/proc") / name)
    assert told.value.code == "no-write-permission" and f"/proc/{name}" in told.value.sentence
    assert capfd.readouterr() == ("", "")


def test_percent_is_stored_as_a_share(tmp_path: Path) -> None:
    percent = (NOISE % 101).astype(np.uint8)
    path = write_like(percent, A_VOLUME, tmp_path / "neu" / "u.nii.gz", divide_by=100)
    array = read_volume(path).array
    assert array.dtype == np.float32 and np.allclose(array * 100, percent)


def test_a_slice_can_be_written_as_a_picture(tmp_path: Path) -> None:
    flat = Volume(NOISE[:1])
    mask = (NOISE[:1] % 3).astype(np.int16)
    assert np.array_equal(read_volume(write_like(mask, flat, tmp_path / "m.png")).array, mask)
    with pytest.raises(ContrastiveSegError) as told:
        check_output(tmp_path / "m.png", A_VOLUME)
    assert told.value.code == "bad-output"


def test_a_name_without_format_is_refused_early() -> None:
    with pytest.raises(ContrastiveSegError, match=r"result\.docx"):
        check_output(Path("result.docx"))


def test_views_and_masks_are_written_as_they_are_seen(tmp_path: Path) -> None:
    turned = NOISE.transpose(2, 0, 1)[::-1, :, ::2]
    volume = Volume(turned)
    assert np.array_equal(read_volume(write_like(turned, volume, tmp_path / "a.nrrd")).array, turned)
    mask = read_volume(write_like(turned > 9000, volume, tmp_path / "m.nrrd")).array
    assert mask.dtype == np.uint8 and np.array_equal(mask, turned > 9000)
