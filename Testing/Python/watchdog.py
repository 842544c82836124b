"""Measures how long the application's event loop stands still."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Block:
    """One stretch in which no event could be handled.

    Attributes:
        name: What was going on.
        seconds: How long it took by the clock: on a busy computer longer than the work itself.
        work: Seconds of computing in the main thread, which do not depend on how busy it is.
    """

    name: str
    seconds: float
    work: float


class Watchdog:
    """Runs what a user does, and the application's events, and notes the longest blocks."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.name = ""

    def call(self, name: str, function: Callable[[], object]) -> None:
        """What a click does; the events that follow count under the same name."""
        self.name = name
        self._timed(function)

    def wait(self, happened: Callable[[], bool], seconds: float = 300.0) -> None:
        """Lets events run until something has happened; fails when it does not."""
        import slicer

        ending = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < ending, f"{self.name}: nothing happened in {seconds} s"
            self._timed(slicer.app.processEvents)
            time.sleep(0.002)

    def _timed(self, function: Callable[[], object]) -> None:
        wall, work = time.monotonic(), time.thread_time()
        function()
        self.blocks.append(Block(self.name, time.monotonic() - wall, time.thread_time() - work))

    def longest(self) -> dict[str, Block]:
        """The block with the most work under each name."""
        found: dict[str, Block] = {}
        for one in self.blocks:
            if one.name not in found or one.work > found[one.name].work:
                found[one.name] = one
        return found

    def table(self) -> str:
        """For people: milliseconds by name."""
        rows = [
            f"{b.name:30s} {1000 * b.work:6.0f} ms work, {1000 * b.seconds:6.0f} ms in all"
            for b in self.longest().values()
        ]
        return "\n".join(rows)
