"""Threads in which nothing that belongs to Qt is deleted."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import qt

_LOOK_MS = 50
_PATIENCE = 2.0


class OtherThread:
    """Starts threads, and keeps Python's garbage collector from running while there are any.

    The collector runs in whatever thread happens to allocate, and deletes there what nobody holds any
    more, such as the timers of a panel that was closed. Qt lets only the main thread delete those: an
    active timer that another one deletes ends the application at its next event.
    """

    _threads: list[threading.Thread] = []
    _paused = False
    _timer: qt.QTimer | None = None

    @classmethod
    def start(cls, function: Callable[[], None]) -> threading.Thread:
        """Runs a function in a thread; to be called in the main one.

        Args:
            function: Must touch neither Qt nor the scene.
        """
        thread = threading.Thread(target=function, name="ContrastiveSeg", daemon=True)
        if not cls._paused and gc.isenabled():
            gc.disable()
            cls._paused = True
        cls._threads.append(thread)
        if cls._timer is None:
            cls._timer = qt.QTimer()
            cls._timer.setInterval(_LOOK_MS)
            cls._timer.connect("timeout()", cls.look)
            cls._timer.start()
        thread.start()
        return thread

    @classmethod
    def look(cls) -> None:
        """Lets the collector run again where all threads have ended; in the main thread."""
        cls._threads = [one for one in cls._threads if one.is_alive()]
        if cls._threads:
            return
        if cls._timer is not None:
            cls._timer.stop()
            cls._timer = None
        if cls._paused:
            cls._paused = False
            gc.enable()

    @classmethod
    def end(cls) -> None:
        """Waits a moment for the threads, and lets the collector run again in any case.

        For the end of the module: what is loaded again knows nothing of the threads of before.
        """
        ending = time.monotonic() + _PATIENCE
        for one in cls._threads:
            one.join(max(0.0, ending - time.monotonic()))
        cls._threads = []
        cls.look()
