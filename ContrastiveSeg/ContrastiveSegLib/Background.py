"""Work on arrays beside the application's event loop."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt

from ContrastiveSegLib.OtherThread import OtherThread

_LOOK_MS = 10


@dataclass
class _Task:
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    result: Any = None
    error: Exception | None = None


class Background:
    """Runs functions one after the other in a thread, and hands their results to the main thread.

    A function may read and write arrays and files; it must touch neither Qt nor the scene, and it
    must go slice by slice, as NumPy lets the application go on only between (or within) its calls.
    What it reads must be kept alive by the function itself, as by a closure.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Task] = deque()
        self._now: _Task | None = None
        self._thread: threading.Thread | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_LOOK_MS)
        self._timer.connect("timeout()", self._look)

    @property
    def isBusy(self) -> bool:
        """Whether anything runs or waits."""
        return self._now is not None or bool(self._waiting)

    def run(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Queues a function.

        Args:
            work: Runs in the thread.
            done: Gets what it returned, in the main thread.
            failed: Gets what it raised, in the main thread.
        """
        self._waiting.append(_Task(work, done, failed))
        self._next()

    def forget(self) -> None:
        """Drops what waits, and the result of what runs; the running function itself goes on to its end."""
        self._waiting.clear()
        if self._now is not None:
            # or the thread might be the last to hold, and so delete, what belongs to Qt
            self._now.done = self._now.failed = _nothing
        self._now = None
        self._timer.stop()

    def wait(self) -> None:
        """Blocks until all is done; for scripts and for the application's end."""
        while self.isBusy:
            if self._thread is not None:
                self._thread.join()
            self._look()

    def _next(self) -> None:
        if self._now is not None or not self._waiting:
            return
        former, task = self._thread, self._waiting.popleft()
        self._now = task

        def run() -> None:
            if former is not None:  # one that was forgotten may still be writing
                former.join()
            try:
                task.result = task.work()
            except Exception as error:
                task.error = error

        self._thread = OtherThread.start(run)
        self._timer.start()

    def _look(self) -> None:
        task = self._now
        if task is None or self._thread is None or self._thread.is_alive():
            return
        self._now = None
        self._timer.stop()
        OtherThread.look()
        try:
            if task.error is not None:
                task.failed(task.error)
            else:
                task.done(task.result)
        except Exception:
            logging.exception("ContrastiveSeg: what follows a background task failed")
        self._next()


def _nothing(_value: Any) -> None:
    pass
