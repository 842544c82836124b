"""Whether files are what their cards say, found out without keeping the user waiting."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import qt

from ContrastiveSegLib.Signal import Signal

_PART = 1 << 20


class FileChecksum:
    """Reads one megabyte at a time between the application's events; what is known is remembered.

    Signals: ``changed`` when a file's checksum is known.
    """

    def __init__(self) -> None:
        self.changed = Signal("changed")
        self._known: dict[tuple[str, int, int], str] = {}
        self._key: tuple[str, int, int] | None = None
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._read)

    def of(self, path: Path) -> str | None:
        """SHA256 of a file; None while it is not known yet, empty where it cannot be read."""
        key = self._keyOf(path)
        if key is None:
            return ""
        if key in self._known:
            return self._known[key]
        if key != self._key:
            self.stop()
            try:
                self._file = path.open("rb")
            except OSError:
                return ""
            self._key, self._digest = key, hashlib.sha256()
            self._timer.start()
        return None

    def stop(self) -> None:
        """Leaves off."""
        self._timer.stop()
        if self._file is not None:
            self._file.close()
        self._file = self._key = None

    def _read(self) -> None:
        key, file = self._key, self._file
        if key is None or file is None:
            self.stop()
            return
        try:
            part = file.read(_PART)
        except OSError:
            self._known[key] = ""
        else:
            if part:
                self._digest.update(part)
                return
            self._known[key] = self._digest.hexdigest()
        self.stop()
        self.changed.emit()

    @staticmethod
    def _keyOf(path: Path) -> Any:
        try:
            about = path.stat()
        except OSError:
            return None
        return str(path), about.st_mtime_ns, about.st_size
