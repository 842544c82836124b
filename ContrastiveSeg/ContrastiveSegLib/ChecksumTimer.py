"""Checks the files of weights while the application stays responsive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import qt


class ChecksumTimer:
    """Reads one piece of a file at a time, between the events of the application.

    Args:
        changed: Called when a file has been read.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._checksums: Any = None
        self._isNew = False
        self._left: list[Any] = []
        self._reading: Iterator[float] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(5)
        self._timer.connect("timeout()", self._onTimeout)

    @property
    def isBusy(self) -> bool:
        """Whether files are left."""
        return bool(self._left) or self._reading is not None

    def start(self, checksums: Any, entries: list[Any]) -> None:
        """Begins with the files that are not checked yet; an earlier list is forgotten.

        Args:
            checksums: Remembers what comes out.
            entries: Of the list of weights.
        """
        self._save()
        self._checksums, self._reading = checksums, None
        self._left = [one for one in entries if one.path is not None and one.checksum == "not yet checked"]
        if self._left:
            self._timer.start()

    def stop(self) -> None:
        """Leaves the rest for another time."""
        self._timer.stop()
        self._left, self._reading = [], None
        self._save()

    def _save(self) -> None:
        if self._isNew:
            self._isNew = False
            self._checksums.save()

    def _onTimeout(self) -> None:
        if self._reading is None:
            if not self._left:
                self.stop()
                return
            self._reading = self._checksums.checking(self._left.pop(0).path)
        if next(self._reading, None) is None:
            self._reading, self._isNew = None, True
            self._changed()
