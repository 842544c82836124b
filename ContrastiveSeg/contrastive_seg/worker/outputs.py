"""Arrays that the worker leaves in the run folder: results and previews."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np

from contrastive_seg.atomic import write_npy
from contrastive_seg.inference.doubtful_places import doubtful_places
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.inference.volume_error import errors_ml

_KEPT = 2
_SHARE = 0.1


def write_prediction(folder: Path, name: str, prediction: Prediction) -> dict[str, str]:
    """Writes the three arrays of a result.

    They do not wait for the disk: with 300 slices that would take longer than Stop may, and the
    checkpoint makes them again.

    Args:
        folder: The run folder.
        name: Last part of the file names, e.g. the number of the case.
        prediction: What to write.

    Returns:
        File names by kind: ``prediction`` (uint8, or int16 for values above 255), ``probability`` and
        ``uncertainty`` (uint8, percent).

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    arrays: dict[str, np.ndarray] = {
        "prediction": prediction.labels,
        "probability": prediction.probability.astype(np.uint8, copy=False),
        "uncertainty": prediction.uncertainty.astype(np.uint8, copy=False),
    }
    names = {kind: f"{kind}-{name}.npy" for kind in arrays}
    for kind, array in arrays.items():
        write_npy(folder / names[kind], array, durable=False)
    return names


def volumes_ml(labels: np.ndarray, ijk_to_ras: np.ndarray, values: tuple[int, ...]) -> dict[str, float]:
    """Millilitres by label value.

    Args:
        labels: Integer array (z, y, x), 0 for background.
        ijk_to_ras: 4x4 matrix in mm.
        values: Label values to name even where they do not occur.
    """
    size = voxel_ml(ijk_to_ras)
    counts: dict[int, int] = dict.fromkeys(values, 0)
    for part in labels:  # slice by slice, and only what is painted: bincount makes 64-bit copies
        for value, count in enumerate(np.bincount(part[part > 0])):
            if count:
                counts[value] = counts.get(value, 0) + int(count)
    return {str(value): round(count * size, 4) for value, count in sorted(counts.items())}


def doubtful_fields(
    prediction: Prediction, ijk_to_ras: np.ndarray
) -> tuple[dict[str, float], list[dict[str, object]]]:
    """What a result says about its own errors.

    Args:
        prediction: The result.
        ijk_to_ras: 4x4 matrix in mm.

    Returns:
        Millilitres by which each volume may be off, by label value; and the doubtful places, the
        weightiest first, each with ``index`` (voxel x, y, z), ``value`` (of the label) and ``ml``.
    """
    size = voxel_ml(ijk_to_ras)
    lengths = np.linalg.norm(np.asarray(ijk_to_ras, dtype=float)[:3, :3], axis=0)[::-1]
    spacing = (float(lengths[0]), float(lengths[1]), float(lengths[2]))
    places = doubtful_places(prediction.uncertainty, prediction.labels, spacing)
    described: list[dict[str, object]] = [
        {"index": list(one.index), "value": one.value, "ml": round(one.voxels * size, 4)} for one in places
    ]
    return errors_ml(prediction.doubtful_voxels, size), described


def voxel_ml(ijk_to_ras: np.ndarray) -> float:
    """Size of a voxel in ml."""
    return abs(float(np.linalg.det(np.asarray(ijk_to_ras, dtype=float)[:3, :3]))) / 1000.0


class Previews:
    """Numbered preview files; of each case the last two stay, as a reader may still be at one.

    Args:
        folder: The run folder; previews left there by an earlier process are deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[int, list[Path]] = {}
        self._number = 0
        self._seconds: dict[int, tuple[float, float]] = {}
        for path in folder.glob("preview-*.npy"):
            with contextlib.suppress(ValueError):
                self._number = max(self._number, int(path.stem.removeprefix("preview-")))
            _remove(path)

    def write(self, case: int, labels: np.ndarray) -> str | None:
        """Writes a preview.

        Args:
            case: Index of the case.
            labels: Integer array (z, y, x).

        Returns:
            The file's name; None where writing would take more than a tenth of the time, which
            belongs to the training.

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
        """
        started = time.monotonic()
        written_at, took = self._seconds.get(case, (float("-inf"), 0.0))
        if started - written_at < took / _SHARE:
            return None
        self._number += 1
        path = self._folder / f"preview-{self._number:04d}.npy"
        write_npy(path, labels, durable=False)
        ended = time.monotonic()
        self._seconds[case] = (ended, ended - started)
        kept = self._kept.setdefault(case, [])
        kept.append(path)
        while len(kept) > _KEPT:
            _remove(kept.pop(0))
        return path.name


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows: somebody has it open
        path.unlink()
