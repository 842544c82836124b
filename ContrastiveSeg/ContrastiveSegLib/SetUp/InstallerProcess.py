"""Runs an installation step by step, beside the application."""

from __future__ import annotations

import logging
import re

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.ConsoleProcess import ConsoleProcess
from ContrastiveSegLib.SetUp.InstallStep import InstallStep
from ContrastiveSegLib.SetUp.PipFailure import PipFailure
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError

_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)$")


class InstallerProcess:
    """One step after the other; the first that fails ends it.

    Signals: ``stepped`` (title, number from 1, how many), ``progressed`` (bytes, bytes in all) while a
    file is downloaded, ``line`` (a line of the log), ``ended`` (a UserError, or None where all went
    well).

    Args:
        python: The Python program with which everything is run.
    """

    def __init__(self, python: str) -> None:
        self.stepped, self.progressed = Signal("stepped"), Signal("progressed")
        self.line, self.ended = Signal("line"), Signal("ended")
        self._python = python
        self._process = ConsoleProcess()
        self._process.line.connect(self._onLine)
        self._process.ended.connect(self._onEnded)
        self._steps: list[InstallStep] = []
        self._next = 0
        self._lines: list[str] = []
        self._stopped = False

    @property
    def isRunning(self) -> bool:
        return self._process.isRunning

    def start(self, steps: list[InstallStep]) -> None:
        """Starts the first step and returns at once."""
        self._steps, self._next, self._stopped = list(steps), 0, False
        self._go()

    def stop(self, wait: bool = False) -> None:
        """Ends the installation; what is half installed is found, and can be repaired."""
        self._stopped = True
        self._process.kill(wait=wait)

    def _go(self) -> None:
        if self._next >= len(self._steps):
            self.ended.emit(None)
            return
        step = self._steps[self._next]
        self._next += 1
        self._lines = []
        self.stepped.emit(step.title, self._next, len(self._steps))
        logging.info("ContrastiveSeg: %s", step.title)
        self._process.start([self._python, *step.arguments])

    def _onLine(self, line: str) -> None:
        progress = _PROGRESS.match(line)
        if progress:
            self.progressed.emit(int(progress[1]), int(progress[2]))
            return
        self._lines.append(line)
        logging.info("ContrastiveSeg: %s", line)
        self.line.emit(line)

    def _onEnded(self, code: int, wasKilled: bool) -> None:
        title = self._steps[self._next - 1].title
        if self._stopped:
            said = UserError(_("The installation was stopped."), _("Press the button to go on with it."))
            self.ended.emit(said)
        elif code == 0 and not wasKilled:
            self._go()
        else:
            self.ended.emit(PipFailure.explain(self._lines, title, code, wasKilled))
