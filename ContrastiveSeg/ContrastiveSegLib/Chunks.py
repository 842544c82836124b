"""Long work in the main thread, a piece at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import qt

from ContrastiveSegLib.OtherThread import OtherThread

_PIECE = 0.015
_JOIN = 0.005
_Result = TypeVar("_Result")


class Chunks:
    """Runs a generator between the application's events."""

    def __init__(self) -> None:
        self._steps: Iterator[None] | None = None
        self._isOver = False
        self._done: Callable[[], None] = lambda: None
        self._failed: Callable[[Exception], None] = lambda error: None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._go)

    @property
    def isBusy(self) -> bool:
        """Whether something is under way."""
        return self._steps is not None or self._isOver

    def run(
        self,
        steps: Iterator[None],
        done: Callable[[], None],
        failed: Callable[[Exception], None],
        atOnce: bool = False,
    ) -> None:
        """Begins, and returns after the first few hundredths of a second.

        Args:
            steps: Each of its steps should take less than that.
            done: Called after the last step.
            failed: Called with what a later step raises; the first ones raise here.
            atOnce: Return only when all is done: for what is known to be short.
        """
        assert self._steps is None
        self._steps, self._done, self._failed = steps, done, failed
        try:
            ended = self._some(float("inf") if atOnce else _PIECE)
        except Exception:
            self._steps = None
            raise
        if ended:
            done()
        else:
            self._timer.start(0)

    @staticmethod
    def finish(steps: Generator[None, None, _Result]) -> _Result:
        """Runs a generator to its end, and gives what it returns."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: _Result = end.value
                return result

    @staticmethod
    def beside(function: Callable[[], _Result]) -> Generator[None, None, _Result]:
        """A step for what cannot be divided: runs it in a thread, and takes steps until it is done.

        Args:
            function: Must touch neither Qt nor the scene.
        """
        found: list[_Result] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                found.append(function())
            except Exception as error:
                failed.append(error)

        thread = OtherThread.start(run)
        while thread.is_alive():
            thread.join(_JOIN)  # lets it run: the application itself seldom lets go of the interpreter
            yield
        OtherThread.look()
        if failed:
            raise failed[0]
        return found[0]

    def forget(self) -> None:
        """Leaves what is under way where it is."""
        self._timer.stop()
        self._steps, self._isOver = None, False
        self._done, self._failed = lambda: None, lambda error: None  # they may hold nodes

    def _some(self, seconds: float = _PIECE) -> bool:
        """A few steps; returns whether all are done."""
        ending = time.monotonic() + seconds
        while self._steps is not None:
            try:
                next(self._steps)
            except StopIteration:
                self._steps = None
                return True
            if time.monotonic() > ending:
                break
        return self._steps is None

    def _go(self) -> None:
        if self._isOver:
            self._isOver = False
            self._done()
            return
        if self._steps is None:
            return
        try:
            ended = self._some()
        except Exception as error:
            self._steps = None
            self._failed(error)
            return
        self._isOver = ended  # what is to be done then takes its time, too
        self._timer.start(0)
