"""The labels as they were right after a prediction was accepted."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox

_SLICES = 16


class AcceptedLabels:
    """A file with the box of the labels, from which later changes by a person are told.

    Args:
        path: The ``.npy`` file in the run folder; where its box lies stands beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about = path.with_suffix(".json")

    def write(self, labels: LabelBox) -> Iterator[None]:
        """Notes the labels, part by part; nothing half written is ever read."""
        part = self._path.with_suffix(".part")
        kind = np.dtype(np.uint8 if labels.array.max(initial=0) < 256 else np.int16)
        about = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False}
        with open(part, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {**about, "shape": labels.array.shape})
            for first in range(0, labels.array.shape[0], _SLICES):
                some = np.ascontiguousarray(labels.array[first : first + _SLICES], kind)
                file.write(memoryview(some).cast("B"))
                yield
        self._about.write_text(json.dumps({"start": labels.start, "shape": labels.shape}), "utf-8")
        part.replace(self._path)

    def changed(self, labels: LabelBox) -> LabelBox | None:
        """Where other labels are now, as 0 and 1; None where nothing was noted for this grid."""
        try:
            about = json.loads(self._about.read_text("utf-8"))
            array = np.load(self._path, mmap_mode="r", allow_pickle=False)
            before = LabelBox(array, tuple(about["start"]), tuple(about["shape"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if before.shape != labels.shape or before.array.ndim != 3:
            return None
        boxes = [one for one in (before, labels) if one.array.size]
        if not boxes:
            return LabelBox(np.zeros((0, 0, 0), np.int16), (0, 0, 0), labels.shape)
        low = np.min([one.start for one in boxes], axis=0)
        size = np.max([np.add(one.start, one.array.shape) for one in boxes], axis=0) - low
        found = LabelBox.of(_in(before, low, size) != _in(labels, low, size))
        start = [int(a) + b for a, b in zip(low, found.start, strict=True)]
        return LabelBox(found.array, (start[0], start[1], start[2]), labels.shape)

    def moveTo(self, path: Path) -> None:
        """Keeps it under another name."""
        other = AcceptedLabels(path)
        with contextlib.suppress(OSError):
            os.replace(self._about, other._about)
        os.replace(self._path, path)

    def remove(self) -> None:
        """Forgets it."""
        for path in (self._path, self._about):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _in(box: LabelBox, low: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The labels of a box in a box that holds it; as a rule that is the same one."""
    if box.array.shape == tuple(size):
        return box.array
    array = np.zeros(size, box.array.dtype)
    array[tuple(slice(s - a, s - a + n) for s, a, n in zip(box.start, low, box.array.shape, strict=True))] = (
        box.array
    )
    return array
