"""How the worker ends: at once while it has nothing to lose, else after a last checkpoint."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

GRACE = 5.0
"""Seconds a running command has to save its state after quit; then the process ends anyway. The
checkpoint on disk is then at most a few seconds old."""


class Lifecycle:
    """Whether the worker is to end, and the certainty that it does.

    Args:
        on_quit: Called once, from whichever thread asks first.
    """

    def __init__(self, on_quit: Callable[[], object]) -> None:
        self._on_quit = on_quit
        self._lock = threading.Lock()
        self._busy = False
        self.quitting = threading.Event()

    def quit(self) -> None:
        """Ends the worker: at once unless a command is running, else when that has saved."""
        with self._lock:
            if self.quitting.is_set():
                return
            self.quitting.set()
            busy = self._busy
        if not busy:
            end_process(0)
        timer = threading.Timer(GRACE, end_process, (0,))
        timer.daemon = True
        timer.start()
        self._on_quit()

    def begin(self) -> bool:
        """Marks a command as running; False when the worker is to end instead."""
        with self._lock:
            self._busy = not self.quitting.is_set()
            return self._busy

    def end(self) -> None:
        """Marks the command as done; ends the process if that was asked for meanwhile."""
        with self._lock:
            self._busy = False
            quitting = self.quitting.is_set()
        if quitting:
            end_process(0)


def end_process(status: int) -> None:
    """Ends the process with this exit status, whatever its threads and libraries are doing.

    Everything that must survive has been written and renamed by then. The usual way out could wait
    for threads inside a library, crash in one, or block on a stderr that nobody reads.
    """
    os._exit(status)


def end_on_signals(lifecycle: Lifecycle) -> None:
    """Makes the signals that ask a process to end quit in good order."""

    def handle(_number: int, _frame: object) -> None:
        # not here: the main thread may hold the very lock that quitting needs
        threading.Thread(target=lifecycle.quit, daemon=True).start()

    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handle)


def repeat(seconds: float, action: Callable[[], None], lifecycle: Lifecycle) -> None:
    """Does something again and again in a thread of its own until the worker ends."""

    def loop() -> None:
        while not lifecycle.quitting.wait(seconds):
            action()

    threading.Thread(target=loop, name=f"repeat {action.__name__}", daemon=True).start()
