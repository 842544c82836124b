"""The sparse labels of each round, kept in the run folder: the file they came from changes.

Only slices on which something is known are kept, so that a round takes some kilobytes.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from contrastive_seg.atomic import write_bytes
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels

_HEADER = 1 << 16


def keep_labels(folder: Path, number: int, labels: Sequence[SparseLabels]) -> None:
    """Writes the labels of a round.

    Args:
        folder: The run folder.
        number: Of the round, counted from 1.
        labels: Of the cases, in order.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    for case, one in enumerate(labels):
        known = one.array != IGNORE
        slices = [np.flatnonzero(known.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        sizes = [len(found) / known.shape[axis] for axis, found in enumerate(slices)]
        axis = int(np.argmin(sizes))
        content = np.ascontiguousarray(np.take(one.array, slices[axis], axis=axis).astype("<i2"))
        tensors = {"axis": np.array([axis]), "indices": slices[axis].astype("<i8"), "content": content}
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as file:
            file.write(save(tensors))
        write_bytes(_path(folder, number, case), buffer.getvalue(), durable=False)


def kept_labels(folder: Path, number: int, case: int, shape: tuple[int, ...]) -> SparseLabels | None:
    """The labels of a case in a round; None where they were not kept or cannot be read.

    Args:
        folder: The run folder.
        number: Of the round, counted from 1.
        case: Counted from 0.
        shape: Of the volume, (z, y, x).
    """
    largest = 2 * int(np.prod(shape)) + 8 * max(shape) + _HEADER
    try:
        with gzip.open(_path(folder, number, case)) as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            return None
        tensors = load(data)
        axis, indices, content = int(tensors["axis"][0]), tensors["indices"], tensors["content"]
        if axis not in (0, 1, 2):
            return None
        array = np.full(shape, IGNORE, np.int16)
        moved = np.moveaxis(array, axis, 0)
        if content.dtype != np.int16 or indices.dtype != np.int64 or (indices < 0).any():
            return None
        moved[indices] = np.moveaxis(content, axis, 0)
    except (OSError, EOFError, zlib.error, SafetensorError, ArithmeticError, LookupError):
        return None
    except (ValueError, TypeError):
        return None
    return SparseLabels(array)


def _path(folder: Path, number: int, case: int) -> Path:
    return folder / f"labels-round{number}-case{case}.safetensors.gz"
