"""A command of the engine as a child process: pretraining, export, import."""

from __future__ import annotations

import logging
from typing import Any

from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.WorkerProcess import WorkerProcess


class CommandProcess(WorkerProcess):
    """Runs ``contrastive-seg ARGUMENTS --events`` and says how it ended.

    Signals beside those of :class:`WorkerProcess`: ``finished`` with the result's dictionary, or
    ``failed`` with a sentence and the error's code (empty where the process died). One of them comes,
    once, unless :meth:`WorkerProcess.quit` was called.

    Args:
        arguments: Of the command line, ``--events`` left out.

    Raises:
        UserError: The application's Python cannot be found.
    """

    def __init__(self, arguments: list[str]) -> None:
        python = WorkerProcess.defaultCommand()[0]
        super().__init__([python, "-m", "contrastive_seg.cli", *arguments, "--events"])
        self.finished, self.failed = Signal("finished"), Signal("failed")
        self._answer: tuple[Signal, tuple[Any, ...]] | None = None
        self.signals["result"].connect(self._onResult)
        self.signals["error"].connect(self._onError)
        self.died.connect(self._onDied)
        self.ended.connect(self._onEnded)

    def stop(self) -> None:
        """Asks the command to end and to keep what there is; returns at once."""
        self.send("stop")

    def _onResult(self, event: dict[str, Any]) -> None:
        self._answer = (self.finished, (event,))

    def _onError(self, event: dict[str, Any]) -> None:
        words = f"{event.get('message', '')} {event.get('what_to_do', '')}".strip()
        self._answer = (self.failed, (words, str(event.get("code") or "")))

    def _onDied(self, sentence: str) -> None:
        if self._answer is None:  # a command ends by itself when it has answered
            logging.warning("ContrastiveSeg: %s\n%s", sentence, self.recentLog)
            self._answer = (self.failed, (sentence, ""))

    def _onEnded(self) -> None:
        """What follows may start the next process, so nothing is told before this one has gone."""
        answer, self._answer = self._answer, None
        if answer is not None and not self._askedToEnd:
            signal, arguments = answer
            signal.emit(*arguments)
