"""Slicer's own tools, in child processes as slicer-core may crash when the interpreter exits."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from contrastive_seg_phantom import dice, keep_slices, two_organs

SCRIPT = Path(__file__).resolve().parents[3] / "Benchmarks" / "slicer_baselines.py"

needs_slicer = pytest.mark.skipif(
    importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"
)


def run_tool(method: str, folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    output = folder / f"{method}.nii.gz"
    arguments = [method, folder / "image.nii.gz", folder / "labels.nii.gz", output, *options]
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return done, output


def write(array: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.8, 0.8, 1.5))
    image.SetOrigin((-3.0, 4.0, 5.0))
    sitk.WriteImage(image, str(path))


def write_phantom(folder: Path, axis: int, ignore: int = 255) -> np.ndarray:
    """Image and sparse labels, annotated along an array axis; returns the truth."""
    volume, truth = two_organs()
    shown = np.flatnonzero((truth > 0).any(axis=tuple(a for a in range(3) if a != axis)))
    first, last = int(shown[0]), int(shown[-1])
    slices = [first - 1, *np.linspace(first + 1, last - 1, 6).round().astype(int), last + 1]
    sparse = keep_slices(truth, slices, axis).array
    write(volume.array, folder / "image.nii.gz")
    write(np.where(sparse < 0, ignore, sparse).astype(np.int16), folder / "labels.nii.gz")
    return truth


@needs_slicer
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", ["fill", "grow"])
def test_each_tool_completes_two_structures_along_every_axis(tmp_path: Path, method: str, axis: int) -> None:
    truth = write_phantom(tmp_path, axis)
    done, output = run_tool(method, tmp_path, "--axis", str(axis))
    assert done.returncode == 0, done.stderr
    image = sitk.ReadImage(str(output))
    assert image.GetSpacing() == pytest.approx((0.8, 0.8, 1.5))
    assert image.GetOrigin() == pytest.approx((-3.0, 4.0, 5.0))
    found = sitk.GetArrayFromImage(image)
    assert set(np.unique(found)) == {0, 1, 7}
    annotated = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labels.nii.gz")))
    kept = annotated != 255
    np.testing.assert_array_equal(found[kept], annotated[kept])  # what was painted stays
    least = 0.8 if method == "fill" else 0.6  # GrowCut leaks where the image is noisy
    assert dice(found, truth, 1) > least and dice(found, truth, 7) > least


@needs_slicer
def test_fill_interpolates_along_the_given_axis_only(tmp_path: Path) -> None:
    """Two discs far apart along z become a cylinder along z; nothing can join them along x."""
    sparse = np.full((12, 20, 20), 255, np.int16)
    rows, columns = np.ogrid[:20, :20]
    for k in (2, 9):
        sparse[k] = ((rows - 9) ** 2 + (columns - 9) ** 2 < 30).astype(np.int16)
    write(sparse, tmp_path / "labels.nii.gz")
    write(np.zeros(sparse.shape, np.int16), tmp_path / "image.nii.gz")
    found = {}
    for axis in (0, 2):
        done, output = run_tool("fill", tmp_path, "--axis", str(axis))
        assert done.returncode == 0, done.stderr
        found[axis] = sitk.GetArrayFromImage(sitk.ReadImage(str(output)))
    np.testing.assert_array_equal(found[0][2:10], np.repeat(sparse[2:3], 8, axis=0))
    assert not found[0][:2].any() and not found[0][10:].any()
    assert not found[2][3:9].any()


@needs_slicer
def test_grow_follows_the_image_and_other_values_may_mean_not_said(tmp_path: Path) -> None:
    """A tube that shifts between two annotated slices is found at its edges, not along a straight line."""
    truth = np.zeros((16, 32, 32), np.int16)
    for k in range(16):
        start = 6 + k // 2
        truth[k, 10:20, start : start + 9] = 3
    write((truth * 100).astype(np.float32), tmp_path / "image.nii.gz")
    sparse = np.full(truth.shape, -1, np.int16)
    sparse[[3, 12]] = truth[[3, 12]]
    write(sparse, tmp_path / "labels.nii.gz")
    done, output = run_tool("grow", tmp_path, "--ignore", "-1")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(output))), truth)


@needs_slicer
def test_labels_without_any_seed_give_an_empty_mask(tmp_path: Path) -> None:
    empty = np.full((6, 8, 8), 255, np.int16)
    write(empty, tmp_path / "labels.nii.gz")
    write(empty, tmp_path / "image.nii.gz")
    for method in ("fill", "grow"):
        done, output = run_tool(method, tmp_path)
        assert done.returncode == 0, done.stderr
        assert not sitk.GetArrayFromImage(sitk.ReadImage(str(output))).any()


def test_the_exit_status_is_true_when_something_is_wrong(tmp_path: Path) -> None:
    done, output = run_tool("grow", tmp_path)
    assert done.returncode == 1 and "labels.nii.gz" in done.stderr and not output.exists()
    done, _ = run_tool("fill", tmp_path, "--axis", "3")
    assert done.returncode == 2 and "--axis" in done.stderr


def test_without_slicer_core_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    write_phantom(tmp_path, 0)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "slicer.py").write_text("raise ImportError('not here')", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "hidden")}
    arguments = ["fill", "image.nii.gz", "labels.nii.gz", "out.nii.gz"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert 'pip install "slicer-core"' in done.stderr
