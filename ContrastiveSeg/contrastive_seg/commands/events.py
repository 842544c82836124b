"""For a program that has started a command (``--events``): lines of JSON, as the worker writes them.

Each event has a ``type`` (hello, progress, metric, note, result, error). The line
``{"command": "stop"}`` on stdin asks to stop and to keep what there is, and so does the end of stdin:
the command does not outlive the program that has started it.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from contrastive_seg import __version__
from contrastive_seg.commands.console import Output
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.channel import EventWriter, claim_stdin, claim_stdout, lines
from contrastive_seg.worker.lifecycle import end_process
from contrastive_seg.worker.protocol import MAX_LINE, PROTOCOL

GRACE = 30.0
"""Seconds that a command has to save what there is when nobody listens any more."""


class EventOutput(Output):
    """Writes events to stdout and takes ``stop`` from stdin.

    Args:
        name: Of the command; ``for`` of its result.
    """

    current: EventOutput | None = None
    """The one of this process, for errors that end it."""

    def __init__(self, name: str) -> None:
        super().__init__(as_json=True)
        self._name = name
        self._asked = threading.Event()
        stdin, stdout = claim_stdin(), claim_stdout()
        self._writer = EventWriter(stdout, on_broken=self._abandoned)
        self._writer.send("hello", protocol=PROTOCOL, engine=__version__, pid=os.getpid())
        EventOutput.current = self
        threading.Thread(target=self._listen, args=(stdin,), name="stdin", daemon=True).start()

    def should_stop(self) -> bool:
        """Whether the program has asked to stop, or has gone."""
        return self._asked.is_set()

    def note(self, sentence: str, code: str = "note") -> None:
        """See :meth:`Output.note`."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._writer.send("note", code=code, message=sentence)

    def metric(self, **values: Any) -> None:
        """A point of the curves; what is no number is left out."""
        fine = {
            key: value
            for key, value in values.items()
            if value is not None and not (isinstance(value, float) and not math.isfinite(value))
        }
        self._writer.send("metric", **fine)

    def result(self, values: dict[str, Any], tables: list[Table], sentences: list[str]) -> None:
        """See :meth:`Output.result`."""
        self._writer.drop_progress()
        self._writer.send("result", **{"for": self._name, **values})

    def error(self, error: ContrastiveSegError) -> None:
        """See :meth:`Output.error`."""
        self._writer.drop_progress()
        self._writer.send("error", code=error.code, message=error.sentence, what_to_do=error.what_to_do)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float, float | None], None]]:
        """See :meth:`Output.progress`."""

        def show(what: str, fraction: float, seconds_left: float | None) -> None:
            left = None if seconds_left is None else round(seconds_left, 1)
            share = round(min(max(fraction, 0.0), 1.0), 4)
            self._writer.progress(stage=what, fraction=share, seconds_left=left)

        yield show

    def _listen(self, stdin: int | None) -> None:
        for line in lines(stdin, MAX_LINE) if stdin is not None else ():
            try:
                command = json.loads(line or b"")["command"]
            except (ValueError, KeyError, TypeError):
                continue
            if command == "stop":
                self._asked.set()
            elif command == "quit":
                break
        self._abandoned()

    def _abandoned(self) -> None:
        if not self._asked.is_set():
            self._asked.set()
        timer = threading.Timer(GRACE, end_process, (0,))
        timer.daemon = True
        timer.start()


def output_for(name: str, as_json: bool, events: bool) -> Output:
    """Where a command writes to: to a program that has started it, to a script, or to a person."""
    return EventOutput(name) if events else Output(as_json)
