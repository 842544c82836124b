"""Whether the process that wants the results still lives."""

from __future__ import annotations

import os

import psutil

VARIABLE = "CONTRASTIVE_SEG_PARENT_PID"
"""Process id of the application. Needed where a launcher stands between it and the worker, or
where something else holds the other end of stdin, so that its end would not be seen."""


class Parent:
    """The process to which the worker belongs.

    Args:
        pid: Process id of a process that is not the parent; default: :data:`VARIABLE`, and where
            that is not set, the parent.
    """

    def __init__(self, pid: int | None = None) -> None:
        named = pid if pid is not None else _named()
        self._born_of = os.getppid()
        # a child whose parent ends gets another one at once, except on Windows
        self._by_birth = named is None and os.name == "posix"
        self.pid = self._born_of if named is None else named
        self._process: psutil.Process | None = None
        self._visible = True
        if self._by_birth:
            return
        try:
            self._process = psutil.Process(self.pid)  # knows the start time: ids are used again
            self._process.create_time()
        except psutil.NoSuchProcess:
            self._process = None
        except (psutil.Error, OSError):
            self._visible = False

    def is_alive(self) -> bool:
        """False once the process has ended, even where nobody has collected its exit status."""
        if self._by_birth:
            return os.getppid() == self._born_of
        if not self._visible:
            return bool(psutil.pid_exists(self.pid))
        if self._process is None:
            return False
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
        except (psutil.Error, OSError):
            return bool(psutil.pid_exists(self.pid))


def _named() -> int | None:
    try:
        pid = int(os.environ.get(VARIABLE, ""))
    except ValueError:
        return None
    return pid if pid > 0 else None
