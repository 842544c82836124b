"""Ends a process with everything it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any


class ProcessTree:
    """A process and its descendants.

    ``PythonSlicer`` is a launcher: killing it alone leaves the Python under it running, and once it
    is gone nobody knows whose child that was. So what was seen once is remembered.

    Args:
        pid: Process id of the launcher.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, Any] = {pid: _process(pid)}
        self.look()

    def add(self, pid: int) -> None:
        """A process known to belong to it, e.g. from the worker's greeting."""
        self._seen.setdefault(pid, _process(pid))

    def look(self) -> list[int]:
        """Process ids below it, those seen before included; needs psutil."""
        with contextlib.suppress(Exception):  # it has ended, or psutil is not there
            for child in self._seen[self._pid].children(recursive=True):
                self._seen.setdefault(child.pid, child)
        return [pid for pid in self._seen if pid != self._pid]

    def kill(self) -> None:
        """Ends them all at once; those already gone are passed over."""
        self.look()
        for pid, process in reversed(self._seen.items()):
            with contextlib.suppress(Exception):
                if process is not None:
                    process.kill()  # psutil sees to it that the number is not another process's by now
                elif pid > 0 and pid != os.getpid():
                    _end(pid)


def _end(pid: int) -> None:
    if os.name == "nt":
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        command = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=flags)
    else:
        os.kill(pid, signal.SIGKILL)


def _process(pid: int) -> Any:
    try:
        import psutil  # comes with the engine's packages; without it the greeting's id must do

        return psutil.Process(pid)
    except Exception:
        return None
