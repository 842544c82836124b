"""Pictures as PNG, with nothing but the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 3: 2}


def png_bytes(pixels: np.ndarray) -> bytes:
    """A picture as the content of a PNG file.

    Args:
        pixels: uint8, (rows, columns) for grey or (rows, columns, 3) for colours.

    Raises:
        ValueError: The array is no such picture.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ValueError(f"an array {pixels.dtype} {pixels.shape} is no picture")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels not in _COLOUR_TYPE:
        raise ValueError(f"a picture with {channels} channels cannot be written")
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    unfiltered = np.zeros((height, 1), np.uint8)  # each row says first how it is filtered
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    data = zlib.compress(np.hstack([unfiltered, rows]).tobytes(), 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
