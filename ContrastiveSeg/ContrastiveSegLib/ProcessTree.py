"""Ends a process with everything it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess


class ProcessTree:
    """A process and its descendants.

    ``PythonSlicer`` is a launcher: killing it alone leaves the Python under it running.

    Args:
        pid: Process id of the launcher.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._others: set[int] = set()

    def add(self, pid: int) -> None:
        """A process known to belong to it, e.g. from the worker's greeting."""
        self._others.add(pid)

    def kill(self) -> None:
        """Ends them all at once, descendants first found; those already gone are passed over."""
        pids = [*self.descendants(), *self._others, self._pid]
        if os.name == "nt":
            for pid in {*pids}:
                subprocess.run(
                    ["taskkill", "/F", "/T", "/PID", str(pid)],
                    capture_output=True,
                    check=False,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
            return
        for pid in dict.fromkeys(pids):
            if pid > 0 and pid != os.getpid():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def descendants(self) -> list[int]:
        """Process ids below it, as far as psutil is there to find them."""
        try:
            import psutil  # comes with the engine's packages; without it the greeting's id must do
        except ImportError:
            return []
        try:
            return [child.pid for child in psutil.Process(self._pid).children(recursive=True)]
        except psutil.Error:
            return []
