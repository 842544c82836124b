"""The icon of a weights extension: three layers of tensors, 128x128 RGBA, without any further package."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIZE = 128
_FINE = 4
_LAYERS = ((92, (38, 56, 84)), (66, (79, 163, 224)), (40, (255, 138, 30)))
"""Height of each layer in the picture, the lowest first, and its colour."""
_HALF = (50, 22, 14)
"""Half width and half height of a layer's rhombus, and its thickness."""


def icon_png() -> bytes:
    """The file's content."""
    return png(_draw())


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A picture as a PNG file.

    Args:
        pixels: (rows, columns, 4), RGBA.
    """
    rows, columns, _ = pixels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, -1)], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    body = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _draw() -> npt.NDArray[np.uint8]:
    fine = SIZE * _FINE
    row, column = (np.mgrid[:fine, :fine] + 0.5) / _FINE
    picture = np.zeros((fine, fine, 4))
    width, height, thickness = _HALF
    across = np.abs(column - SIZE / 2) / width
    for centre, colour in _LAYERS:
        top = across + np.abs(row - centre) / height <= 1
        below = (row >= centre) & (row <= centre + thickness + height * (1 - across)) & (across <= 1)
        picture[below & ~top] = (*(0.7 * c for c in colour), 255)
        picture[top] = (*colour, 255)
    # Colours are averaged with their opacity, so that edges get no dark rim.
    opaque = picture[..., 3:] / 255
    blocks = (SIZE, _FINE, SIZE, _FINE, -1)
    weight = opaque.reshape(blocks).mean(axis=(1, 3))
    colour_sum = (picture[..., :3] * opaque).reshape(blocks).mean(axis=(1, 3))
    mean = np.divide(colour_sum, weight, out=np.zeros_like(colour_sum), where=weight > 0)
    return np.concatenate([mean, 255 * weight], axis=-1).round().astype(np.uint8)
