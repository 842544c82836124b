"""How many cores other programs leave to this process."""

from __future__ import annotations

import math
import time

import psutil
import torch

_SECONDS = 1.0
"""Between two looks: shorter ones say little."""

_ROUNDED_UP_FROM = 0.7


class FreeCores:
    """Says how many threads a computation should use while other programs compute, too.

    PyTorch's threads wait for each other after every operation. One that shares its core with another
    program holds up all of them, the more so the lower its priority, and on Linux 3D Slicer's child
    processes have the lowest: with two threads and another program on one of two cores a step took
    fifty times as long as with one thread.

    Args:
        most: Threads that would be used on an idle computer.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._threads = most
        # Where this process may not use all cores, how busy all are together says nothing.
        self._cores = psutil.cpu_count() or 1
        self._applies = most > 1 and most == self._cores
        self._last = self._read()

    def threads(self) -> int:
        """At least 1, at most what was said; looks again at most once in a second."""
        if not self._applies or time.monotonic() - self._last[0] < _SECONDS:
            return self._threads
        now = self._read()
        seconds, busy, own = (a - b for a, b in zip(now, self._last, strict=True))
        self._last = now
        others = min(max(0.0, busy - own) / seconds, float(self._cores))
        free = math.floor(self._cores - others + 1 - _ROUNDED_UP_FROM)
        self._threads = min(max(1, free), self.most)
        return self._threads

    def apply(self) -> None:
        """Has PyTorch use so many threads from now on."""
        threads = self.threads()
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """The clock, seconds in which cores worked, and those of them for this process."""
        every = psutil.cpu_times()
        idle = every.idle + getattr(every, "iowait", 0.0)
        # guest time is part of user time already
        counted = sum(every) - getattr(every, "guest", 0.0) - getattr(every, "guest_nice", 0.0)
        own = psutil.Process().cpu_times()
        return time.monotonic(), counted - idle, own.user + own.system
