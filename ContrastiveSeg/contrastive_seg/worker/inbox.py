"""Commands on their way from the reader thread to the main thread."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.channel import EventWriter

C = TypeVar("C")


@dataclass
class Task(Generic[C]):
    """A command that takes time, and whether it is still wanted."""

    command: C
    stop: threading.Event = field(default_factory=threading.Event)


class Inbox(Generic[C]):
    """Tasks in the order of their commands; the one being worked on counts until it is done."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Task[C]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: list[Task[C]] = []

    def put(self, command: C) -> None:
        """Adds a command."""
        task = Task(command)
        with self._lock:
            self._open.append(task)
        self._queue.put(task)

    def get(self) -> Task[C]:
        """The next task, waiting for one."""
        return self._queue.get()

    def done(self, task: Task[C]) -> None:
        """Says that a task has ended."""
        with self._lock:
            self._open.remove(task)

    def stop(self) -> bool:
        """Stops the task being worked on and all that wait; False when there are none."""
        with self._lock:
            for task in self._open:
                task.stop.set()
            return bool(self._open)


def send_error(writer: EventWriter, error: ContrastiveSegError, reply_to: int | str | None) -> None:
    """Sends an error event."""
    writer.send(
        "error", reply_to=reply_to, code=error.code, message=error.sentence, what_to_do=error.what_to_do
    )
