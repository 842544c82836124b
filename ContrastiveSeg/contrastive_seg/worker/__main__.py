"""Starts the worker: ``python -m contrastive_seg.worker``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from contrastive_seg.worker.channel import EventWriter
from contrastive_seg.worker.inbox import Inbox, Task, send_error
from contrastive_seg.worker.lifecycle import Lifecycle, end_process
from contrastive_seg.worker.protocol import (
    Export,
    Open,
    Predict,
    Quit,
    Stop,
    Suggest,
    Train,
    parse_command,
)
from contrastive_seg.worker.serving import serve

if TYPE_CHECKING:
    from contrastive_seg.worker.host import Host

Work = Open | Train | Predict | Suggest | Export


def main() -> None:
    """Runs until quit, the end of stdin, or the end of the application; never returns."""
    inbox: Inbox[Work] = Inbox()
    serve(
        lambda line, writer, lifecycle: _take(line, inbox, writer, lifecycle),
        lambda writer, lifecycle: _work(inbox, writer, lifecycle),
        inbox.stop,
        _devices,
    )


def _take(line: bytes, inbox: Inbox[Work], writer: EventWriter, lifecycle: Lifecycle) -> None:
    command = parse_command(line)
    if isinstance(command, Quit):
        lifecycle.quit()
    elif isinstance(command, Stop):
        if inbox.stop():
            writer.send("status", reply_to=command.id, state="stopping", message="Stopping.")
        else:
            writer.send("status", reply_to=command.id, state="idle", message="There was nothing to stop.")
    else:
        inbox.put(command)


def _devices() -> dict[str, Any]:
    from contrastive_seg.compute import list_devices

    return {"devices": list_devices()}


def _work(inbox: Inbox[Work], writer: EventWriter, lifecycle: Lifecycle) -> None:
    from contrastive_seg.inference.scores import Stopped
    from contrastive_seg.worker.failures import as_user_error
    from contrastive_seg.worker.host import Host

    host = Host(writer, lifecycle.quitting.is_set)
    while True:
        task = inbox.get()
        if not lifecycle.begin():
            end_process(0)
        id_ = task.command.id
        try:
            idle = _carry_out(host, task)
        except Stopped:
            idle = "Stopped before there was a result."
        except Exception as error:
            send_error(writer, as_user_error(error), id_)
            idle = "Ready for the next command."
        writer.drop_progress()
        inbox.done(task)
        lifecycle.end()
        if idle:
            writer.send("status", reply_to=id_, state="idle", message=idle)


def _carry_out(host: Host, task: Task[Work]) -> str:
    """Does what a task asks; the words for the idle status that follows, empty for none."""
    command = task.command
    if isinstance(command, Open):
        host.open(command)
        return ""
    if task.stop.is_set():
        return "Stopped before it began."
    if isinstance(command, Train):
        host.train(command, task.stop.is_set)
    elif isinstance(command, Predict):
        host.predict(command, task.stop.is_set)
    elif isinstance(command, Suggest):
        host.suggest(command, task.stop.is_set)
    elif isinstance(command, Export):
        host.export(command, task.stop.is_set)
    return "Done."


if __name__ == "__main__":
    warnings.simplefilter("default")
    main()
