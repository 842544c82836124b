"""The worker's two pipes: stdin and stdout, taken away from everything else in the process."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

PROGRESS_INTERVAL = 0.25
"""Seconds between two progress events; a panel needs no more."""
_CHUNK = 65536


def claim_stdin() -> int | None:
    """A private descriptor of stdin; descriptor 0 itself becomes empty.

    Nothing else can then swallow a command, and on Windows no library being loaded waits for the
    pipe that the reader thread is blocked on.

    Returns:
        The descriptor, or None where the process was started without stdin.
    """
    try:
        private = os.dup(0)
    except OSError:
        return None
    _point_at_nothing(0, os.O_RDONLY)
    return private


def claim_stdout() -> int | None:
    """A private descriptor of stdout; descriptor 1 then goes where stderr goes.

    Prints of libraries, also those written in C, thus never come between the events.

    Returns:
        The descriptor, or None where the process was started without stdout.
    """
    try:
        private = os.dup(1)
    except OSError:
        return None
    try:
        os.dup2(2, 1)
    except OSError:  # no stderr either
        _point_at_nothing(1, os.O_WRONLY)
    return private


def _point_at_nothing(descriptor: int, flags: int) -> None:
    nothing = os.open(os.devnull, flags)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)


def lines(descriptor: int, longest: int) -> Iterator[bytes | None]:
    """Lines from a descriptor until its end; None in place of each line that is too long.

    Args:
        descriptor: What to read; never more than ``longest`` bytes and a chunk are held.
        longest: Bytes a line may have.
    """
    held = bytearray()
    skipping = False
    while True:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            return  # what is left has no line end: its writer died in the middle of it
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            held += end
            if skipping:
                skipping = False
            elif len(held) > longest:
                yield None
            else:
                yield bytes(held)
            held.clear()
        if not skipping:
            held += rest
            if len(held) > longest:
                yield None
                skipping = True
                held.clear()


class EventWriter:
    """Writes events as lines of JSON; may be used from several threads.

    Events are held back until ``hello`` is sent, so that it is always the first.

    Args:
        descriptor: Where to write; None drops everything.
        on_broken: Called once when the other side has gone.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        descriptor: int | None,
        on_broken: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = None if descriptor is None else open(descriptor, "wb")  # noqa: SIM115
        self._on_broken = on_broken
        self._clock = clock
        self._lock = threading.RLock()
        self._before_hello: list[bytes] = []
        self._greeted = False
        self._pending: dict[str, Any] | None = None
        self._last_progress = float("-inf")

    def send(self, type_: str, *, reply_to: int | str | None = None, **content: Any) -> None:
        """Sends an event at once."""
        event: dict[str, Any] = {"type": type_}
        if reply_to is not None:
            event["reply_to"] = reply_to
        line = (json.dumps(event | content, allow_nan=False) + "\n").encode("ascii")
        with self._lock:
            if type_ == "hello":
                self._greeted = True
                line += b"".join(self._before_hello)
            elif not self._greeted:
                self._before_hello.append(line)
                return
            if self._file is None:
                return
            try:
                self._file.write(line)
                self._file.flush()
            except (OSError, ValueError):
                self._file = None
                self._on_broken()

    def progress(self, **content: Any) -> None:
        """Sends a progress event, or keeps the newest one until it is time again."""
        with self._lock:
            self._pending = content
            self.send_due()

    def send_due(self) -> None:
        """Sends the progress event kept back, if it is time."""
        with self._lock:
            now = self._clock()
            if self._pending is not None and now - self._last_progress >= PROGRESS_INTERVAL:
                content, self._pending = self._pending, None
                self._last_progress = now
                self.send("progress", **content)

    def drop_progress(self) -> None:
        """Forgets the progress kept back: what it told about has ended."""
        with self._lock:
            self._pending = None
