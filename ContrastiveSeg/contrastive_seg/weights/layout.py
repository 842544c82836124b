"""The layout of a safetensors file, and what other files are: plain Python, nothing is unpacked."""

from __future__ import annotations

import json
import re
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError

_PICKLE_SUFFIXES = {".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin", ".th", ".pyt", ".joblib"}
_LENGTH = 8
_LARGEST_HEADER = 100_000_000
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(?c[A-Za-z_][\w.]*\n\w+\n|[]})]q|\([dlit]")
"""Protocols 2 to 5; of 0 and 1 a class by its name, or a container."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def refuse_pickle(path: Path, begin: bytes) -> None:
    """Refuses checkpoints that are pickles, whatever their name.

    Args:
        path: Of the file.
        begin: Its first bytes, 512 where there are so many.

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
    refuse_pickle(path, data[:512])
    if len(data) < _LENGTH:
        raise _truncated(path, f"it has {len(data)} bytes, not even a header's length")
    length = int.from_bytes(data[:_LENGTH], "little")
    if length > _LARGEST_HEADER or data[_LENGTH : _LENGTH + 1] not in (b"{", b""):
        raise _bad(path, "it does not begin like a safetensors file")
    if _LENGTH + length > len(data):
        raise _truncated(path, f"it has {len(data)} bytes, its header alone {_LENGTH + length}")
    try:
        header = json.loads(data[_LENGTH : _LENGTH + length].decode("utf-8"))
        header.pop("__metadata__", None)
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in header.items()}
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise _bad(path, "its header is damaged") from error
    expected = _LENGTH + length + end
    if len(data) < expected:
        raise _truncated(path, f"it has {len(data)} bytes of {expected}")
    if len(data) > expected:
        raise _bad(path, f"it has {len(data)} bytes, {len(data) - expected} more than its header says")
    return shapes


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
