"""Whether the SHA256 of weights was checked since their file last changed.

Every load checks it; this is what a list can say without reading gigabytes. What was found is kept
in a file in the user's folder of weights, and is forgotten where size or time of a file differ.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contrastive_seg.atomic import write_json
from contrastive_seg.errors import ContrastiveSegError

CHECKED, UNCHECKED, WRONG = "checked", "not yet checked", "wrong"
RECORD = ".checked.json"
BLOCK = 1 << 20


class Checksums:
    """What is known about the files.

    Args:
        folder: The user's folder, where the record is kept; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._record = folder / RECORD
        self._known: dict[str, list[Any]] = _read(self._record)

    def state(self, path: Path, sha256: str) -> str:
        """:data:`CHECKED`, :data:`UNCHECKED` or :data:`WRONG`.

        Args:
            path: The safetensors file.
            sha256: What its card says.
        """
        known = self._known.get(_key(path))
        if known is None or known[:2] != _stamp(path):
            return UNCHECKED
        return CHECKED if known[2] == sha256 else WRONG

    def check(self, path: Path, sha256: str) -> str:
        """Reads the whole file and remembers what came out."""
        for _ in self.checking(path):
            pass
        return self.state(path, sha256)

    def checking(self, path: Path) -> Iterator[float]:
        """Reads a file block by block, for callers that must do other things in between.

        Yields:
            The fraction that has been read. After the last one it is remembered, see :meth:`state`;
            a file that cannot be read, or that changes meanwhile, stays unchecked.
        """
        digest, done, before = hashlib.sha256(), 0, _stamp(path)
        if before is None:
            return
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    done += len(block)
                    yield min(1.0, done / max(1, before[0]))
        except OSError:
            return
        if _stamp(path) == before:
            self._known[_key(path)] = [*before, digest.hexdigest()]

    def save(self) -> None:
        """Keeps what is known for the next time; where that cannot be written, it is checked again."""
        there = {key: value for key, value in self._known.items() if Path(key).is_file()}
        with contextlib.suppress(ContrastiveSegError, OSError):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._record, there, durable=False)


def _key(path: Path) -> str:
    try:
        return str(path.resolve())
    except OSError:
        return str(path)


def _stamp(path: Path) -> list[int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def _read(record: Path) -> dict[str, list[Any]]:
    try:
        values = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        key: value
        for key, value in values.items()
        if isinstance(value, list) and len(value) == 3 and isinstance(value[2], str)
    }
