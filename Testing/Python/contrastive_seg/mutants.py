"""Damaged versions of real files and JSON values, the same ones in every run."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 1e308, -1e308, 0.1, "", " ", "x"),
    *(
        "../../escaped",
        "/escaped",
        "C:\\escaped",
        "\x00",
        "\ud800",
        "NaN",
        "%s%n",
        "a" * 10_000,
        "患者",
        "<b>",
    ),
    *([], {}, [[]], [{}], {"": ""}, [0] * 50, {"__class__": "x"}, [[[[[[0]]]]]]),
)
TEXTS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff",
    b'"',
)


def byte_mutants(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Bytes with one to four changes each: flipped, cut, doubled, exchanged, lengths made huge."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            _change(changed, chance)
        yield bytes(changed)


def _change(data: bytearray, chance: random.Random) -> None:
    # Heads and ends decide about files, so half of the changes are there.
    size = max(1, len(data))
    at = chance.choice(
        (
            chance.randrange(size),
            chance.randrange(min(size, 400)),
            size - 1 - chance.randrange(min(size, 200)),
        )
    )
    kind = chance.randrange(7)
    if kind == 0:
        data[at : at + 1] = bytes([chance.randrange(256)])
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + chance.randrange(1, 40)]
    elif kind == 3:
        data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40)))
    elif kind == 4:
        data[at:at] = data[at : at + chance.randrange(1, 200)]
    elif kind == 5:
        data[at : at + 8] = chance.choice((b"\xff" * 8, bytes(8), (1 << 62).to_bytes(8, "little")))
    else:
        data[at:at] = chance.choice(TEXTS)


def json_mutants(value: Any, count: int, seed: int) -> Iterator[Any]:
    """JSON values in which one to three places hold something else, are missing, or are too many."""
    chance = random.Random(seed)
    for _ in range(count):
        changed = copy.deepcopy(value)
        for _ in range(chance.choice((1, 1, 2, 3))):
            changed = _changed(changed, chance)
        yield changed


def _changed(value: Any, chance: random.Random) -> Any:
    places: list[tuple[Any, Any]] = list(_places(value))
    if not places or chance.random() < 0.02:
        return copy.deepcopy(chance.choice(NASTY))
    parent, key = chance.choice(places)
    kind = chance.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif kind == 1:
        parent[str(chance.choice(("", "extra", "__proto__", "format")))] = copy.deepcopy(parent[key])
    elif kind == 2 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * chance.choice((-1, 2, 10**6, 10**12, 1e-9))
    else:
        parent[key] = copy.deepcopy(chance.choice(NASTY))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        items: Any = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def as_bytes(value: Any) -> bytes:
    """The bytes of a JSON text; half characters stay what they are."""
    return json.dumps(value).encode("ascii")
