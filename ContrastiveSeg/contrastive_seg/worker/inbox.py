"""Commands on their way from the reader thread to the main thread."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.channel import EventWriter, lines
from contrastive_seg.worker.lifecycle import Lifecycle
from contrastive_seg.worker.protocol import (
    MAX_LINE,
    BadMessage,
    Command,
    Export,
    Open,
    Predict,
    Quit,
    Stop,
    Suggest,
    Train,
    parse_command,
    too_long,
)

Work = Open | Train | Predict | Suggest | Export


@dataclass
class Task:
    """A command that takes time, and whether it is still wanted."""

    command: Work
    stop: threading.Event = field(default_factory=threading.Event)


class Inbox:
    """Tasks in the order of their commands; the one being worked on counts until it is done."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: list[Task] = []

    def put(self, command: Work) -> None:
        """Adds a command."""
        task = Task(command)
        with self._lock:
            self._open.append(task)
        self._queue.put(task)

    def get(self) -> Task:
        """The next task, waiting for one."""
        return self._queue.get()

    def done(self, task: Task) -> None:
        """Says that a task has ended."""
        with self._lock:
            self._open.remove(task)

    def stop(self) -> bool:
        """Stops the task being worked on and all that wait; False when there are none."""
        with self._lock:
            for task in self._open:
                task.stop.set()
            return bool(self._open)


def read_commands(descriptor: int | None, inbox: Inbox, writer: EventWriter, lifecycle: Lifecycle) -> None:
    """Takes commands until stdin ends, which ends the worker too. Runs in the reader thread."""
    for line in lines(descriptor, MAX_LINE) if descriptor is not None else ():
        try:
            if line is None:
                raise too_long()
            if line.strip():
                _take(parse_command(line), inbox, writer, lifecycle)
        except BadMessage as error:
            send_error(writer, error, error.id)
        except Exception as error:  # a reader that has died could not be told to stop
            send_error(
                writer, ContrastiveSegError("bad-command", f"A command could not be read ({error})."), None
            )
    lifecycle.quit()


def send_error(writer: EventWriter, error: ContrastiveSegError, reply_to: int | str | None) -> None:
    """Sends an error event."""
    writer.send(
        "error", reply_to=reply_to, code=error.code, message=error.sentence, what_to_do=error.what_to_do
    )


def _take(command: Command, inbox: Inbox, writer: EventWriter, lifecycle: Lifecycle) -> None:
    if isinstance(command, Quit):
        lifecycle.quit()
    elif isinstance(command, Stop):
        if inbox.stop():
            writer.send("status", reply_to=command.id, state="stopping", message="Stopping.")
        else:
            writer.send("status", reply_to=command.id, state="idle", message="There was nothing to stop.")
    else:
        inbox.put(command)
