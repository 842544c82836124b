"""Calls the command line on small files, for its tests and the demo's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.cli import main
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like

ENGINE = Path(__file__).resolve().parents[2] / "ContrastiveSeg"
SLICES = (2, 7, 11, 15, 21)
QUICK = ["--steps", "12", "--device", "cpu", "--threads", "1"]
OBLIQUE = np.array(
    [[-0.78, 0.1, 0.2, 31.5], [0.12, 0.79, -0.3, -20.25], [0.13, -0.16, 1.46, 7.125], [0, 0, 0, 1.0]]
)


def write_pair(folder: Path, shape: tuple[int, int, int] = (24, 48, 56), seed: int = 0) -> dict[str, Path]:
    """image.nii.gz, labels.nii.gz (255 = not said) and truth.nii.gz of a phantom, on an oblique grid."""
    folder.mkdir(parents=True, exist_ok=True)
    phantom, truth = two_organs(shape, seed)
    volume = Volume(phantom.array, orthogonal(OBLIQUE), "phantom")
    sparse = keep_slices(truth, [k for k in SLICES if k < shape[0]]).array
    return {
        "image": write_like(volume.array, volume, folder / "image.nii.gz"),
        "labels": write_like(
            np.where(sparse < 0, 255, sparse).astype(np.uint8), volume, folder / "labels.nii.gz"
        ),
        "truth": write_like(truth.astype(np.uint8), volume, folder / "truth.nii.gz"),
    }


def orthogonal(matrix: np.ndarray) -> np.ndarray:
    """The same spacing, about the same directions, at right angles."""
    columns = matrix[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    left, _, right = np.linalg.svd(columns / spacing)
    squared = np.eye(4)
    squared[:3, :3] = left @ right * spacing
    squared[:3, 3] = matrix[:3, 3]
    return squared


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """``contrastive-seg ARGUMENTS`` as a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ENGINE),
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        [sys.executable, "-m", "contrastive_seg.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
        timeout=250,
    )


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The same within this process, which is quicker: status, stdout, stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    printed = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0 if code is None else 1), printed.out, printed.err


def expect_error(outcome: tuple[int, str, str], code: str | None, said: list[str]) -> None:
    """That a command ended with this error: a sentence and what to do, no traceback."""
    status, out, err = outcome
    assert status == 2, err
    error = json.loads(out)["error"]
    assert code is None or error["code"] == code
    assert error["message"] in err and error["what_to_do"] in err and error["what_to_do"]
    for words in said:
        assert words in err
    assert "Traceback" not in err


def array_of(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def same_grid(first: Path, second: Path) -> bool:
    a, b = sitk.ReadImage(str(first)), sitk.ReadImage(str(second))
    return (
        a.GetSize() == b.GetSize()
        and np.allclose(a.GetSpacing(), b.GetSpacing(), atol=1e-5)
        and np.allclose(a.GetOrigin(), b.GetOrigin(), atol=1e-4)
        and np.allclose(a.GetDirection(), b.GetDirection(), atol=1e-5)
    )
