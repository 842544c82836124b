"""The worker as a child process of the application."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.JsonLines import JsonLines
from ContrastiveSegLib.ModelsFolder import ModelsFolder
from ContrastiveSegLib.ProcessTree import ProcessTree
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError

_EVENTS = ("hello", "status", "progress", "metric", "preview", "note", "result", "error")
_LOG_KEPT = 200
# what the application's launcher writes when its child was ended by a signal; it then exits with 1
_LAUNCHER_SAYS = "exit abnormally"
_LAST_SIGNAL = 64


class WorkerProcess:
    """Starts the worker, sends it commands and turns its lines into signals.

    QProcess and not ``slicer.util.launchConsoleProcess``: that one gives no way to write to the
    child (its stdin is the application's own), and the worker takes its commands there; with
    QProcess the same code also serves Slicer 5.10, and its signals come in the main thread.

    Signals, all in the main thread: one for each kind of event (``hello``, ``status``, ``progress``,
    ``metric``, ``preview``, ``note``, ``result``, ``error``) with the event's dictionary; ``log`` with
    a line of text; ``died`` with a sentence when the process ends without being asked to;
    ``ended`` whenever it has ended.

    Args:
        command: Program and arguments instead of ``PythonSlicer -m contrastive_seg.worker``.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        self.signals = {name: Signal(name) for name in _EVENTS}
        self.log, self.died, self.ended = Signal("log"), Signal("died"), Signal("ended")
        self._command = command
        self._process: Any = None
        self._former: Any = None
        self._tree: ProcessTree | None = None
        self._lines = JsonLines()
        self._askedToEnd = self.hasRun = False
        self._lastId = 0
        self._recent: list[str] = []
        self._grace: Any = None

    @staticmethod
    def defaultCommand() -> list[str]:
        """How the worker is started in the application.

        Raises:
            UserError: The application's Python cannot be found.
        """
        python = shutil.which("PythonSlicer")
        if python is None:
            raise UserError(
                _("The program PythonSlicer, which runs the learning, cannot be found."),
                _("Install 3D Slicer again."),
            )
        return [python, "-m", "contrastive_seg.worker"]

    @property
    def isRunning(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        """Process id of the launcher, 0 where none runs."""
        return int(self._process.processId()) if self._process is not None else 0

    def descendants(self) -> list[int]:
        """Process ids of what the launcher has started, as far as they can be found."""
        return self._tree.look() if self._tree is not None else []

    @property
    def recentLog(self) -> str:
        """The last lines the worker wrote, for an error report."""
        return "\n".join(self._recent)

    def start(self) -> None:
        """Starts the process and returns at once; nothing happens where it is running.

        One that was asked to end, and has not yet, is ended now: it would take no more commands.

        Raises:
            UserError: The application's Python cannot be found.
        """
        if self.isRunning and not self._askedToEnd:
            return
        if self._process is not None:
            former = self._process
            self.kill()
            former.waitForFinished(2000)
        program, *arguments = self._command or self.defaultCommand()
        process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        process.setProcessEnvironment(self._environment())
        process.connect("readyReadStandardOutput()", self._onOutput)
        process.connect("readyReadStandardError()", self._onErrorOutput)
        process.connect("stateChanged(QProcess::ProcessState)", self._onStateChanged)
        self._lines, self._askedToEnd, self.hasRun, self._recent = JsonLines(), False, False, []
        self._process = process
        process.start(program, arguments)
        if self._process is process and process.processId():
            self._tree = ProcessTree(int(process.processId()))

    @staticmethod
    def _environment() -> Any:
        environment = qt.QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        environment.insert("PYTHONIOENCODING", "utf-8")
        environment.insert("CONTRASTIVE_SEG_PARENT_PID", str(os.getpid()))
        for name, value in ModelsFolder.environment().items():
            environment.insert(name, value)
        paths = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
        environment.insert("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        return environment

    def send(self, command: str, **arguments: Any) -> int:
        """Sends a command; returns its id, which the worker's answers carry as ``reply_to``."""
        self._lastId += 1
        if self._process is not None:
            line = json.dumps({"command": command, "id": self._lastId, **arguments}) + "\n"
            self._process.write(qt.QByteArray(line.encode("ascii")))
        return self._lastId

    def quit(self, wait: bool = False, graceSeconds: float = 3.0) -> None:
        """Asks the worker to end and ends it by force after a grace period.

        Args:
            wait: Block until it has ended; for the application's own end.
            graceSeconds: How long it may take.
        """
        process = self._process
        if process is None:
            return
        self._askedToEnd = True
        self.send("quit")
        process.closeWriteChannel()
        if wait:
            if not process.waitForFinished(int(1000 * graceSeconds)):
                self.kill()
                process.waitForFinished(1000)
            return
        self._grace = qt.QTimer()
        self._grace.setSingleShot(True)
        self._grace.setInterval(int(1000 * graceSeconds))
        self._grace.connect("timeout()", self.kill)
        self._grace.start()

    def kill(self) -> None:
        """Ends the worker with everything it has started, at once."""
        if self._process is None:
            return
        if self._tree is not None:
            self._tree.kill()
        self._process.kill()

    def _onOutput(self) -> None:
        if self._process is not None:
            self._take(self._lines.feed(_bytes(self._process.readAllStandardOutput())))

    def _take(self, messages: list[dict[str, Any] | str]) -> None:
        for message in messages:
            if isinstance(message, str):
                self._note(message)
                continue
            if message["type"] == "hello" and isinstance(message.get("pid"), int) and self._tree:
                self._tree.add(message["pid"])
            if message["type"] in self.signals:
                self.signals[message["type"]].emit(message)
            else:
                self._note(json.dumps(message))

    def _onErrorOutput(self) -> None:
        if self._process is not None:
            text = _bytes(self._process.readAllStandardError()).decode("utf-8", errors="replace")
            for line in text.splitlines():
                if line.strip():
                    self._note(line)

    def _note(self, line: str) -> None:
        if not self._recent and self._tree is not None:
            self._tree.look()  # it speaks, so the launcher has started it
        self._recent = [*self._recent, line][-_LOG_KEPT:]
        logging.debug("ContrastiveSeg worker: %s", line)
        self.log.emit(line)

    def _onStateChanged(self, state: Any) -> None:
        process = self._process
        if process is None or state != qt.QProcess.NotRunning:
            self.hasRun = self.hasRun or state == qt.QProcess.Running
            return
        self._onOutput()
        self._onErrorOutput()
        self._take(self._lines.end())
        sentence = self._sentence(process)
        self._process = None
        if self._grace is not None:
            self._grace.stop()
            self._grace = None
        if self._tree is not None:
            self._tree.kill()  # a launcher that was killed leaves its child
            self._tree = None
        self._former = process  # it is still sending: destroyed now, it would crash
        if not self._askedToEnd:
            self.died.emit(sentence)
        self.ended.emit()

    def _sentence(self, process: Any) -> str:
        if not self.hasRun:
            return _("The learning process could not be started.")
        if process.exitStatus() == qt.QProcess.CrashExit or self._wasKilled(process.exitCode()):
            return _("The learning process was ended from outside or ran out of memory.")
        last = self._recent[-1].strip() if self._recent else ""
        if last:
            return _("The learning process ended unexpectedly (exit code {code}: {last}).").format(
                code=process.exitCode(), last=last[:200]
            )
        return _("The learning process ended unexpectedly (exit code {code}).").format(
            code=process.exitCode()
        )

    def _wasKilled(self, code: int) -> bool:
        """Whether the worker under the launcher was ended by a signal, as for want of memory."""
        # a shell exits with 128 + signal, others with -signal; Windows has large numbers for crashes,
        # which are negative in 32 bits
        bySignal = code < 0 or code == 9 or 128 < code <= 128 + _LAST_SIGNAL
        return bySignal or any(_LAUNCHER_SAYS in line for line in self._recent[-5:])


def _bytes(array: Any) -> bytes:
    return bytes(array.data())
