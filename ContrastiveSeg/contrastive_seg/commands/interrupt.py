"""Ctrl+C as Stop: what has been learnt is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt(on_first: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Within it the first Ctrl+C (or SIGTERM) asks to stop, the second one ends at once.

    Args:
        on_first: Called at the first one, e.g. to say what will happen.

    Yields:
        A function that says whether stopping was asked for.
    """
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        on_first()

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, handle) for number in numbers]
    try:
        yield asked.is_set
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
