"""The process that segments other patients."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.WorkerProcess import WorkerProcess


class PatientProcess(WorkerProcess):
    """A process of its own, beside the worker that learns.

    So the learning keeps its network and its run folder for itself, Stop can end this one at once, and
    when it dies at a volume that is too large for the memory, nothing of the learning is lost.
    """

    @staticmethod
    def defaultCommand() -> list[str]:
        """How it is started in the application.

        Raises:
            UserError: The application's Python cannot be found.
        """
        return [*WorkerProcess.defaultCommand()[:-1], "contrastive_seg.patients"]

    def _sentence(self, process: Any) -> str:
        if not self.hasRun:
            return _("The process that segments could not be started.")
        if process.exitStatus() == qt.QProcess.CrashExit or self._wasKilled(process.exitCode()):
            return _("The process that segments was ended from outside or ran out of memory.")
        return _("The process that segments ended unexpectedly (exit code {code}).").format(
            code=process.exitCode()
        )
