"""Large arrays on their way between the application and a file, a little at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import qt
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport

_SLICE_SECONDS = 0.012
_BYTES = 1 << 20


class SlabCopy:
    """Works through small steps between the events of the application, so that it never stands still.

    No thread: in the application others than the main one hardly get to run, and none but the main
    one may look at nodes.

    Args:
        steps: Does a little each time it is advanced; what it returns is given to ``onDone``.
        onDone: Called at the end.
        onFailed: Called with a UserError instead where there was one.
    """

    def __init__(
        self, steps: Iterator[Any], onDone: Callable[[Any], None], onFailed: Callable[[UserError], None]
    ) -> None:
        self._steps, self._onDone, self._onFailed = steps, onDone, onFailed
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._go)
        self._timer.start()

    def cancel(self) -> None:
        """Ends it; what was half written is removed, and nobody is called."""
        self._timer.stop()
        with contextlib.suppress(Exception):
            self._steps.close()  # type: ignore[attr-defined]

    def _go(self) -> None:
        ending = time.monotonic() + _SLICE_SECONDS
        try:
            while time.monotonic() < ending:
                next(self._steps)
        except StopIteration as end:
            self._timer.stop()
            self._onDone(end.value)
        except UserError as error:
            self._timer.stop()
            self._onFailed(error)
        except Exception as error:  # a timer's exceptions would be lost, and its case would wait for ever
            self._timer.stop()
            self._onFailed(UserError(str(error)))

    @staticmethod
    def write(volumeNode: Any, path: Path) -> Iterator[None]:
        """Steps that write the voxels of a node as .npy (z, y, x), beside its place and renamed.

        Colours become grey as in :class:`VolumeExport`, 64-bit numbers float32.

        Raises:
            UserError: The node changes meanwhile, or the file cannot be written.
        """
        array = slicer.util.arrayFromVolume(volumeNode)
        before = _changed(volumeNode)
        grey = array.ndim == 3 and array.dtype.itemsize <= 4 and array.dtype.kind in "iuf"
        part = path.with_suffix(".part")
        rows = max(1, _BYTES // max(1, array[0, :1].nbytes))
        try:
            with open(part, "wb", buffering=0) as file:
                descr = np.lib.format.dtype_to_descr(array.dtype if grey else np.dtype(np.float32))
                header = {"descr": descr, "fortran_order": False, "shape": array.shape[:3]}
                np.lib.format.write_array_header_1_0(file, header)
                for z in range(array.shape[0]):
                    for y in range(0, array.shape[1], rows):
                        if _changed(volumeNode) != before:
                            raise UserError(_("The volume was changed while it was prepared."))
                        piece = array[z : z + 1, y : y + rows]
                        _writeAll(
                            file,
                            piece
                            if grey
                            else VolumeExport.greyValues(piece, array.ndim == 4).astype(np.float32),
                        )
                        yield
            os.replace(part, path)
        except OSError as error:
            raise UserError.cannotWrite(path, error) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    @staticmethod
    def read(path: Path) -> Iterator[None]:
        """Steps that read a .npy array; they give a vtkImageData with its voxels.

        Raises:
            UserError: It cannot be read.
        """
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(
                _("'{path}' cannot be read ({reason}).").format(path=path, reason=error)
            ) from error
        image = vtk.vtkImageData()
        image.SetDimensions(*array.shape[::-1])
        image.AllocateScalars(numpy_support.get_vtk_array_type(array.dtype), 1)
        target = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)
        rows = max(1, _BYTES // max(1, array[0, :1].nbytes))
        for z in range(array.shape[0]):
            for y in range(0, array.shape[1], rows):
                target[z, y : y + rows] = array[z, y : y + rows]
                yield
        return image


def _writeAll(file: BinaryIO, piece: np.ndarray) -> None:
    data = memoryview(np.ascontiguousarray(piece)).cast("B")
    while len(data):  # without a buffer, a call may write less than it is given
        data = data[file.write(data) :]


def _changed(volumeNode: Any) -> tuple[Any, ...]:
    """Another value after every change; keeps the image, so that no other one can look the same."""
    image = volumeNode.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    return (image, image.GetMTime() if image else 0, scalars.GetMTime() if scalars else 0)
