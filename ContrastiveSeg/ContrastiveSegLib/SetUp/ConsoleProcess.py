"""A program without a window, run beside the application."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import qt

from ContrastiveSegLib.ProcessTree import ProcessTree
from ContrastiveSegLib.Signal import Signal

_LAUNCHER_SAYS = "exit abnormally"
_LIBRARY = Path(__file__).resolve().parents[2]


class ConsoleProcess:
    """Runs one command at a time and hands over what it writes, line by line.

    QProcess and not ``slicer.packaging``, whose processes cannot be stopped, run nothing but pip, and
    are missing before 3D Slicer 5.12; while it installs something, nothing is started here.

    Signals, in the main thread: ``line`` (text), ``ended`` (exit code, whether it was killed). A
    command that cannot be started ends with the code -1.
    """

    def __init__(self) -> None:
        self.line, self.ended = Signal("line"), Signal("ended")
        self._process: Any = None
        self._former: Any = None
        self._tree: ProcessTree | None = None
        self._rest = b""
        self._lastLine = ""

    @property
    def isRunning(self) -> bool:
        return self._process is not None

    def start(self, command: list[str]) -> None:
        """Starts a command and returns at once.

        Args:
            command: The program and its arguments.
        """
        assert not self.isRunning
        process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.MergedChannels)
        process.setProcessEnvironment(_environment())
        process.connect("readyReadStandardOutput()", self._onOutput)
        process.connect("stateChanged(QProcess::ProcessState)", self._onStateChanged)
        self._process, self._rest, self._lastLine = process, b"", ""
        self._hasRun = False
        process.start(command[0], command[1:])
        if self._process is process and process.processId():
            self._tree = ProcessTree(int(process.processId()))

    def kill(self, wait: bool = False) -> None:
        """Ends the command with everything it has started.

        Args:
            wait: Block until it has ended; for the application's own end.
        """
        process = self._process
        if process is None:
            return
        if self._tree is not None:
            self._tree.kill()
        process.kill()
        if wait:
            process.waitForFinished(2000)

    def _onOutput(self) -> None:
        if self._process is None:
            return
        if self._tree is not None and not self._lastLine:
            self._tree.look()  # it speaks, so the launcher has started it
        data = self._rest + bytes(self._process.readAllStandardOutput().data())
        *lines, self._rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").rstrip()
        if text:
            self._lastLine = text
            self.line.emit(text)

    def _onStateChanged(self, state: Any) -> None:
        process = self._process
        if process is None or state != qt.QProcess.NotRunning:
            self._hasRun = self._hasRun or state == qt.QProcess.Running
            return
        self._onOutput()
        self._say(self._rest)
        code = int(process.exitCode()) if self._hasRun else -1
        crashed = self._hasRun and process.exitStatus() == qt.QProcess.CrashExit
        # a shell ends with 128 + signal when its child was killed, the application's launcher with 1
        wasKilled = crashed or 128 < code <= 192 or _LAUNCHER_SAYS in self._lastLine
        self._process = None
        if self._tree is not None:
            self._tree.kill()
            self._tree = None
        self._former = process  # it is still sending: destroyed now, it would crash
        self.ended.emit(code, wasKilled)


def _environment() -> Any:
    environment = qt.QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    paths = [str(_LIBRARY), os.environ.get("PYTHONPATH", "")]
    environment.insert("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    return environment
