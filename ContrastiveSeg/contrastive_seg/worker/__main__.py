"""Starts the worker: ``python -m contrastive_seg.worker``."""

from __future__ import annotations

import os
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING

from contrastive_seg import __version__
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.channel import EventWriter, claim_stdin, claim_stdout
from contrastive_seg.worker.inbox import Inbox, Task, read_commands, send_error
from contrastive_seg.worker.lifecycle import Lifecycle, end_on_signals, end_process, repeat
from contrastive_seg.worker.protocol import PROTOCOL, Export, Open, Predict, Suggest, Train

if TYPE_CHECKING:
    from contrastive_seg.worker.host import Host

PARENT_EVERY = 1.0
FLUSH_EVERY = 0.1


def main() -> None:
    """Runs until quit, the end of stdin, or the end of the application; never returns."""
    stdin, stdout = claim_stdin(), claim_stdout()
    inbox = Inbox()
    lifecycle = Lifecycle(on_quit=inbox.stop)
    writer = EventWriter(stdout, on_broken=lifecycle.quit)
    threading.Thread(
        target=read_commands, args=(stdin, inbox, writer, lifecycle), name="reader", daemon=True
    ).start()
    end_on_signals(lifecycle)
    repeat(FLUSH_EVERY, writer.send_due, lifecycle)
    try:
        _watch_parent(lifecycle)
        _greet(writer)
        _work(inbox, writer, lifecycle)
    except Exception as error:  # mostly a torch that cannot be loaded
        traceback.print_exc(file=sys.stderr)
        writer.send("hello", protocol=PROTOCOL, engine=__version__, pid=os.getpid(), device=None, torch=None)
        send_error(
            writer,
            ContrastiveSegError(
                "bad-installation",
                f"The engine cannot be started ({type(error).__name__}: {error}).",
                "Install the Python packages of ContrastiveSeg again.",
            ),
            None,
        )
        end_process(1)


def _watch_parent(lifecycle: Lifecycle) -> None:
    from contrastive_seg.worker.parent import Parent

    parent = Parent()

    def check_parent() -> None:
        if not parent.is_alive():
            lifecycle.quit()

    repeat(PARENT_EVERY, check_parent, lifecycle)


def _greet(writer: EventWriter) -> None:
    import torch

    from contrastive_seg.compute import choose_compute, list_devices

    writer.send(
        "hello",
        protocol=PROTOCOL,
        engine=__version__,
        pid=os.getpid(),
        device=choose_compute("auto").describe(),
        devices=list_devices(),
        torch=str(torch.__version__),
    )


def _work(inbox: Inbox, writer: EventWriter, lifecycle: Lifecycle) -> None:
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


def _carry_out(host: Host, task: Task) -> str:
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
