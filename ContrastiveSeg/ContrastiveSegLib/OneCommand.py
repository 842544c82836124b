"""What runs one command of the engine at a time."""

from __future__ import annotations

from ContrastiveSegLib.CommandProcess import CommandProcess


class OneCommand:
    """Holds the process of a command while it runs; who is derived from it starts and ends that."""

    def __init__(self) -> None:
        self._process: CommandProcess | None = None

    @property
    def isBusy(self) -> bool:
        """Whether it runs."""
        return self._process is not None

    @property
    def pids(self) -> list[int]:
        """Processes that work on it; the last is the one that computes."""
        process = self._process
        return [] if process is None else [process.pid, *process.descendants()]
