"""The layout of a safetensors file, and what other files are: plain Python, nothing is unpacked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from contrastive_seg import strict_json
from contrastive_seg.errors import ContrastiveSegError

_PICKLE_SUFFIXES = {".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin", ".th", ".pyt", ".joblib"}
_LENGTH = 8
BEGINNING = 512
"""Bytes by which a pickle is known."""
_LARGEST_HEADER = 100_000_000
_MOST_AXES = 16
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(?c[A-Za-z_][\w.]*\n\w+\n|[]})]q|\([dlit]")
"""Protocols 2 to 5; of 0 and 1 a class by its name, or a container."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def beginning_of(path: Path) -> bytes:
    """What :func:`refuse_pickle` looks at; nothing where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING)
    except OSError:
        return b""


def refuse_pickle(path: Path, begin: bytes) -> None:
    """Refuses checkpoints that are pickles, whatever their name.

    Args:
        path: Of the file.
        begin: Its first bytes, as :func:`beginning_of` gives them.

    Raises:
        ContrastiveSegError: ``pickle``.
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES or _is_pickle(begin):
        raise ContrastiveSegError(
            "pickle",
            f"'{path}' is a PyTorch checkpoint or another Python pickle. Such a file can run any program "
            "when it is opened, so it is never loaded.",
            "Use weights in safetensors format. A checkpoint of one of the original repositories, from a "
            "source that you trust, can be converted once with 'contrastive-seg weights import --from'.",
        )


def _is_pickle(begin: bytes) -> bool:
    if begin.startswith(_ZIP):  # what torch.save writes
        return True
    if begin[_LENGTH : _LENGTH + 1] == b"{":  # a header's length may begin with any byte
        return False
    if begin[257:262] == b"ustar":  # what the first PyTorch wrote
        return True
    return _PICKLE.match(begin) is not None


def check_layout(path: Path, data: bytes) -> dict[str, tuple[int, ...]]:
    """Whether a file is complete safetensors, before anything else is done with it.

    Args:
        path: For the sentences.
        data: The whole file.

    Returns:
        The shape of each tensor.

    Raises:
        ContrastiveSegError: ``pickle``, ``truncated-weights`` or ``bad-weights``.
    """
    return check_header(path, data, len(data))


def header_end(begin: bytes) -> int:
    """How many bytes :func:`check_header` needs at least; not more than it would read.

    Args:
        begin: The first eight bytes.
    """
    return _LENGTH + min(int.from_bytes(begin[:_LENGTH], "little"), _LARGEST_HEADER)


def check_header(path: Path, begin: bytes, size: int) -> dict[str, tuple[int, ...]]:
    """Like :func:`check_layout`, for a file of which only the beginning is at hand.

    Args:
        path: For the sentences.
        begin: At least the first :func:`header_end` bytes, where the file has so many.
        size: Bytes of the whole file.

    Returns:
        The shape of each tensor.

    Raises:
        ContrastiveSegError: ``pickle``, ``truncated-weights`` or ``bad-weights``.
    """
    refuse_pickle(path, begin[:BEGINNING])
    if size < _LENGTH:
        raise _truncated(path, f"it has {size} bytes, not even a header's length")
    length = int.from_bytes(begin[:_LENGTH], "little")
    if length > _LARGEST_HEADER or begin[_LENGTH : _LENGTH + 1] not in (b"{", b""):
        raise _bad(path, "it does not begin like a safetensors file")
    if _LENGTH + length > size:
        raise _truncated(path, f"it has {size} bytes, its header alone {_LENGTH + length}")
    try:
        header = strict_json.parse(begin[_LENGTH : _LENGTH + length])
        header.pop("__metadata__", None)
        shapes = {name: _shape(entry) for name, entry in header.items()}
        end = max((_count(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _bad(path, "its header is damaged") from error
    expected = _LENGTH + length + end
    if size < expected:
        raise _truncated(path, f"it has {size} bytes of {expected}")
    if size > expected:
        raise _bad(path, f"it has {size} bytes, {size - expected} more than its header says")
    return shapes


def _shape(entry: Any) -> tuple[int, ...]:
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError("no shape")
    return tuple(_count(length) for length in shape)


def _count(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 62:
        raise ValueError("no count")
    return number


def _truncated(path: Path, how: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "truncated-weights",
        f"The weights file '{path}' ends too early: {how}.",
        "Copy or download it again; the disk may have been full when it was written.",
    )


def _bad(path: Path, how: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-weights", f"'{path}' cannot be read as weights: {how}.", "Get the file again from its source."
    )
