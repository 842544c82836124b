"""A signal that plain Python objects can send."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any


class Signal:
    """Calls the connected functions in the order in which they were connected.

    A function that raises is logged and does not keep the others from being called: an error in
    the drawing of a preview must not make a training look failed.

    Args:
        name: What to call it in the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._functions: list[Callable[..., Any]] = []

    def connect(self, function: Callable[..., Any]) -> None:
        """Adds a function; connected twice, it is still called once."""
        if function not in self._functions:
            self._functions.append(function)

    def disconnect(self, function: Callable[..., Any]) -> None:
        """Removes a function; nothing happens where it was not connected."""
        if function in self._functions:
            self._functions.remove(function)

    def emit(self, *arguments: Any) -> None:
        """Calls the connected functions."""
        for function in list(self._functions):
            try:
                function(*arguments)
            except Exception:
                logging.exception("ContrastiveSeg: a receiver of '%s' failed", self._name)
