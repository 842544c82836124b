"""3D Slicer's own tools on the same annotated slices, for comparison."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from contrastive_seg.data.read import read_label_map
from contrastive_seg.errors import ContrastiveSegError

TITLES = {"fill": "Fill between slices", "grow": "Grow from seeds"}
SCRIPT = Path(__file__).resolve().parents[2] / "Benchmarks" / "slicer_baselines.py"
"""Beside the source tree only: an installed engine goes without the comparison."""
_LIMIT_SECONDS = 900


def missing_tools() -> str | None:
    """A sentence on why Slicer's tools cannot be run here; None where they can."""
    if not SCRIPT.is_file():
        return "The comparison with 3D Slicer's tools is left out: it needs the source tree (Benchmarks)."
    if importlib.util.find_spec("slicer") is None:
        return (
            "The comparison with 3D Slicer's tools is left out: it needs slicer-core "
            '(pip install ".[demo]").'
        )
    return None


def run_tool(
    method: str,
    image: Path,
    labels: Path,
    result: Path,
    *,
    axis: int,
    ignore: int,
    on_note: Callable[[str], None],
) -> np.ndarray | None:
    """Runs one tool in a child process, as slicer-core may crash when the interpreter exits.

    Args:
        method: A key of :data:`TITLES`.
        image: Image file that SimpleITK reads.
        labels: Sparse labels on its grid.
        result: Where the tool's label map is written (NIfTI).
        axis: Array axis (z, y, x) that counts the annotated slices.
        ignore: Value in ``labels`` where nothing is said.
        on_note: Told why there is no result.

    Returns:
        int16 labels (z, y, x), or None where the tool failed.
    """
    arguments = [method, str(image), str(labels), str(result), "--axis", str(axis), "--ignore", str(ignore)]
    try:
        child = subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_SECONDS,
            check=False,
        )
        reason = "" if child.returncode == 0 else _last_line(child.stderr) or f"status {child.returncode}"
    except (subprocess.TimeoutExpired, OSError) as error:
        reason = str(error)
    if not reason:
        try:
            return read_label_map(result).array
        except ContrastiveSegError as error:
            reason = error.sentence
    on_note(f"'{TITLES[method]}' of 3D Slicer is left out, as it failed: {reason}")
    return None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
