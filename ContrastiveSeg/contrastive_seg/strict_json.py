"""JSON from elsewhere: one exception for whatever is wrong with it, and limits before it is read.

``json.loads`` alone accepts NaN, keeps the last of two equal fields, and can raise
:class:`RecursionError` beside :class:`ValueError`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 64 << 20
"""Bytes of the largest JSON file that is read where nothing smaller is known."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text.

    Args:
        text: UTF-8 where it is bytes.

    Raises:
        ValueError: It is no JSON (NaN and Infinity are none), a field occurs twice, or it is nested
            too deeply.
    """
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read(path: Path, largest: int = LARGEST) -> Any:
    """The value in a file.

    Args:
        path: Of the file.
        largest: Bytes; no more are read.

    Raises:
        OSError: It cannot be read.
        ValueError: As :func:`parse`, or it is too large.
    """
    return parse(read_limited(path, largest))


def read_limited(path: Path, largest: int) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It has more than ``largest`` bytes.
    """
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"it is larger than {largest // 1024} kB")
    return data


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the field '{repeated[:60]}' occurs twice")
    return values


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
