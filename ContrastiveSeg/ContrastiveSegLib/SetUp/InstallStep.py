"""One command of an installation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstallStep:
    """A Python module run with arguments.

    Attributes:
        title: What it does, for the user.
        arguments: What follows the name of the Python program, e.g. ``-m pip install ...``.
    """

    title: str
    arguments: tuple[str, ...]
