"""Finds files of which the end is missing, or whose compressed part is damaged.

ITK's readers of NIfTI and MetaImage fill what is missing with zeros and report success, which
would silently train on half a patient.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK = 1 << 20
_NIFTI1, _NIFTI2 = 348, 540


class IncompleteFileError(Exception):
    """A file that ends too early or is damaged; the text says how."""


def check_complete(path: Path) -> int:
    """Reads through the file where its format needs it.

    Returns:
        How many values of a NIfTI file are not finite: ITK reads them as zeros without a word.

    Raises:
        IncompleteFileError: When part of the voxels is missing or damaged.
        OSError: When the file cannot be opened.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _check_nifti(path)
    elif name.endswith((".mha", ".mhd")):
        _check_meta_image(path)
    elif name.endswith((".nrrd", ".nhdr")):
        _check_nrrd(path)
    elif name.endswith((".jpg", ".jpeg")):
        _check_jpeg(path)
    elif name.endswith((".tif", ".tiff")):
        _check_tiff(path)
    return 0


def nifti_matrix(path: Path) -> list[list[float]] | None:
    """The sform, 4x4 RAS, as it stands in a NIfTI header; None where there is none."""
    with _open(path) as file:
        header = file.read(_NIFTI2)
    order, size = _nifti_layout(header)
    at = {_NIFTI1: (254, 280, "f", 4), _NIFTI2: (348, 400, "d", 8)}[size]
    code = struct.unpack_from(order + ("h" if size == _NIFTI1 else "i"), header, at[0])[0]
    if code <= 0:
        return None
    rows = [list(struct.unpack_from(f"{order}4{at[2]}", header, at[1] + 4 * at[3] * row)) for row in range(3)]
    return [*rows, [0.0, 0.0, 0.0, 1.0]]


def is_nifti_2(path: Path) -> bool:
    """Whether a file has the header of NIfTI-2, which ITK may not know."""
    try:
        with _open(path) as file:
            return _nifti_layout(file.read(_NIFTI2))[1] == _NIFTI2
    except (OSError, EOFError, zlib.error, IncompleteFileError):
        return False


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _nifti_layout(header: bytes) -> tuple[str, int]:
    """Byte order and header size."""
    if len(header) >= _NIFTI1:
        for order in "<>":
            size = struct.unpack_from(order + "i", header)[0]
            if size in (_NIFTI1, _NIFTI2) and len(header) >= size:
                return order, size
    raise IncompleteFileError("it has no NIfTI header")


def _check_nifti(path: Path) -> int:
    """Number of values that are not finite."""
    try:
        with _open(path) as file:
            header = file.read(_NIFTI2)
            order, size = _nifti_layout(header)
            if size == _NIFTI1:
                dim = struct.unpack_from(order + "8h", header, 40)
                code, bits = struct.unpack_from(order + "2h", header, 70)
                offset = int(struct.unpack_from(order + "f", header, 108)[0])
                single = header[344:347] == b"n+1"
            else:
                code, bits = struct.unpack_from(order + "2h", header, 12)
                dim = struct.unpack_from(order + "8q", header, 16)
                offset = struct.unpack_from(order + "q", header, 168)[0]
                single = header[4:7] == b"n+2"
            if not single:
                return 0  # the voxels are in a file of their own (.img)
            expected = math.prod(max(0, n) for n in dim[1 : 1 + max(0, dim[0])]) * bits // 8
            file.seek(offset)
            found, nonfinite = _go_through(file, {16: order + "f4", 64: order + "f8"}.get(code))
    except EOFError as error:
        raise IncompleteFileError("its end is missing") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise IncompleteFileError("its compressed part is damaged") from error
    if found < expected:
        raise IncompleteFileError(f"it holds {found} of {expected} bytes of voxels")
    return nonfinite


def _go_through(file: BinaryIO, floats: str | None) -> tuple[int, int]:
    """Bytes from here to the end, and how many of the floats there are not finite.

    gzip checks its sum on the way; a plain file of integers need not be read.
    """
    if floats is None and not isinstance(file, gzip.GzipFile):
        here = file.tell()
        return file.seek(0, 2) - here, 0
    total = nonfinite = 0
    while part := file.read(_CHUNK):
        total += len(part)
        if floats is not None:
            whole = len(part) - len(part) % np.dtype(floats).itemsize
            values = np.frombuffer(part[:whole], floats)
            nonfinite += values.size - int(np.count_nonzero(np.isfinite(values)))
    return total, nonfinite


def _check_meta_image(path: Path) -> None:
    """Only the compressed part: of the rest ITK itself sees whether it is complete."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while line := file.readline(4096):
            key, _, value = line.decode("latin-1").partition("=")
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                break
        if fields.get("CompressedData", "").lower() != "true":
            return
        data = fields.get("ElementDataFile", "")
        if data == "LOCAL":
            _inflate(file)
        elif (path.parent / data).is_file():
            with (path.parent / data).open("rb") as other:
                _inflate(other)


def _check_nrrd(path: Path) -> None:
    """Only the compressed part, of which ITK does not check the sum."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while (line := file.readline(1 << 20)) not in (b"", b"\n", b"\r\n"):
            key, _, value = line.decode("latin-1").partition(":")
            fields[key.strip().lower()] = value.strip()
        if fields.get("encoding", "").lower() not in ("gzip", "gz"):
            return
        detached = fields.get("data file", fields.get("datafile"))
        if detached is None:
            _gunzip(file)
        elif (path.parent / detached).is_file():
            with (path.parent / detached).open("rb") as other:
                _gunzip(other)


def _gunzip(file: BinaryIO) -> None:
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            while unzipped.read(_CHUNK):
                pass
    except EOFError as error:
        raise IncompleteFileError("its end is missing") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise IncompleteFileError("its compressed part is damaged") from error


def _inflate(file: BinaryIO) -> None:
    inflater = zlib.decompressobj()
    try:
        while not inflater.eof and (part := file.read(_CHUNK)):
            while part and not inflater.eof:
                inflater.decompress(part, _CHUNK * 4)
                part = inflater.unconsumed_tail
    except zlib.error as error:
        raise IncompleteFileError("its compressed part is damaged") from error
    if not inflater.eof:
        raise IncompleteFileError("its end is missing")


def _check_jpeg(path: Path) -> None:
    if b"\xff\xd9" not in path.read_bytes()[2:]:
        raise IncompleteFileError("its end is missing")


def _check_tiff(path: Path) -> None:
    """Follows the chain of pages: a reader takes a lost page for the end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(begin[:4])
        if order is None or len(begin) < 8:
            return  # BigTIFF, or no TIFF at all, of which the reader will say so
        place, pages = struct.unpack(order + "I", begin[4:])[0], 0
        while place and pages < 65536:
            if place + 2 > size:
                raise IncompleteFileError(f"only {pages} of its pages are there")
            file.seek(place)
            entries = struct.unpack(order + "H", file.read(2))[0]
            file.seek(place + 2 + 12 * entries)
            following = file.read(4)
            if len(following) < 4:
                raise IncompleteFileError(f"only {pages} of its pages are there")
            place, pages = struct.unpack(order + "I", following)[0], pages + 1
