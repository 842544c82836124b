"""Finds the runs that belong to a volume, also in another scene."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import slicer.util

from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunState import RunState
from ContrastiveSegLib.Runs.RunSummary import RunSummary
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.VolumeExport import VolumeExport

_NAME = re.compile(r"[0-9a-f]{32}")
_SLICES_COMPARED = 9
_MOST = 30


class RunFinder:
    """Looks through the folder of all runs.

    A run belongs to a volume that carries its number, or whose voxels are those that it was given: a
    volume that was loaded from its file again has no number. The hashes that a run's provenance has
    are not made for that, as hashing a large volume would keep the application waiting; some slices
    are compared with the run's own copy of the image instead, which takes milliseconds.

    Args:
        root: The folder; None for the user's own.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root

    def of(self, volumeNode: Any) -> list[RunSummary]:
        """The runs of a volume, the latest first."""
        root = self._root or RunFolder.root()
        image = volumeNode.GetImageData() if volumeNode is not None else None
        if image is None or image.GetPointData().GetScalars() is None or not root.is_dir():
            return []
        # a sequence has one number, and each of its frames other voxels
        isFrame = SequenceFrame.keeper(volumeNode) is not volumeNode
        number = "" if isFrame else RunFolder.numberOf(volumeNode)
        array = slicer.util.arrayFromVolume(volumeNode)
        found = []
        for path in root.iterdir():
            if not _NAME.fullmatch(path.name) or not path.is_dir():
                continue
            isOwn = bool(number) and path.name.startswith(number)
            if not isOwn and not _isImageOf(path, array):
                continue
            summary = self.read(path)
            if summary is not None:
                found.append(summary)
        return sorted(found, key=lambda one: one.changed, reverse=True)

    def all(self) -> list[RunSummary]:
        """The latest runs that have learnt something, of whatever volume, the latest first."""
        root = self._root or RunFolder.root()
        if not root.is_dir():
            return []
        paths = [one for one in root.iterdir() if _NAME.fullmatch(one.name) and RunFolder(one).hasLearnt]
        paths.sort(key=lambda one: (one / "checkpoint.safetensors").stat().st_mtime, reverse=True)
        found = (self.read(one) for one in paths[:_MOST])
        there = [one for one in found if one is not None]
        return sorted(there, key=lambda one: one.changed, reverse=True)

    @staticmethod
    def read(path: Path) -> RunSummary | None:
        """What a run's folder tells; None where nothing was learnt there."""
        try:
            job = json.loads((path / "job.json").read_text("utf-8"))
            structures = {int(one["value"]): str(one["name"]) for one in job["segments"]}
            changed = max(
                (path / name).stat().st_mtime
                for name in ("job.json", "panel.json", "checkpoint.json", "prediction-0.npy")
                if (path / name).is_file()
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if RunFolder(path).wasInterrupted():
            state = RunState.Interrupted
        else:
            state = RunState.Finished if (path / "prediction-0.npy").is_file() else RunState.Begun
        return RunSummary(path, changed, structures, state, RunFolder(path).title)


def latest(path: Path, stem: str) -> Path | None:
    """The newest of a run's numbered arrays, e.g. ``labels-0003.npy``; None where there is none."""
    found = sorted(path.glob(f"{stem}-[0-9]*.npy"))
    return found[-1] if found else None


def _isImageOf(path: Path, array: np.ndarray) -> bool:
    stored = latest(path, "image")
    if stored is None:
        return False
    try:
        image = np.load(stored, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    if image.shape != array.shape[:3]:
        return False
    colours = array.ndim == 4
    # the middle first: outside of the body all volumes are alike
    middle = len(array) // 2
    some = {middle, *np.linspace(0, len(array) - 1, _SLICES_COMPARED).astype(int).tolist()}
    return all(
        np.array_equal(image[k], VolumeExport.greyValues(array[k], colours))
        for k in sorted(some, key=lambda k: abs(k - middle))
    )
