"""Tries what is installed, beside the application."""

from __future__ import annotations

import json

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.ConsoleProcess import ConsoleProcess
from ContrastiveSegLib.Signal import Signal

_SECONDS = 180


class SelfCheck:
    """Runs ``contrastive_seg.selfcheck`` in a child process.

    Signal: ``finished`` with a :class:`CheckReport`, also where the process has died.

    Args:
        python: The Python program with which it is run.
    """

    def __init__(self, python: str) -> None:
        self.finished = Signal("finished")
        self._python = python
        self._found: CheckReport | None = None
        self._isWanted = False
        self._process = ConsoleProcess()
        self._process.line.connect(self._onLine)
        self._process.ended.connect(self._onEnded)
        self._late = qt.QTimer()
        self._late.setSingleShot(True)
        self._late.setInterval(1000 * _SECONDS)
        self._late.connect("timeout()", self._process.kill)

    @property
    def isRunning(self) -> bool:
        return self._process.isRunning

    def start(self) -> None:
        """Starts it, where it is not running already, and returns at once."""
        if not self.isRunning:
            self._found, self._isWanted = None, True
            self._late.start()
            self._process.start([self._python, "-m", "contrastive_seg.selfcheck", "--json"])

    def stop(self, wait: bool = False) -> None:
        """Ends it; there is no answer then."""
        self._isWanted = False
        self._process.kill(wait=wait)

    def _onLine(self, line: str) -> None:
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                return
            if isinstance(found, dict) and found.get("type") == "selfcheck":
                self._found = CheckReport.of(found)

    def _onEnded(self, code: int, wasKilled: bool) -> None:
        self._late.stop()
        if not self._isWanted:
            return
        self.finished.emit(
            self._found
            or CheckReport(
                code="died",
                problem=_("The test of PyTorch ended without an answer (exit code {code}).").format(
                    code=code
                ),
                whatToDo=_("Press Repair; if that does not help, update the driver of the graphics card."),
            )
        )
