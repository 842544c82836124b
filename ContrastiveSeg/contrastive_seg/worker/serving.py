"""A process that carries out commands of another program: lines of JSON in, lines of JSON out.

Plain Python until there is work: commands are read while PyTorch is still being loaded.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from contrastive_seg import __version__
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.worker.channel import EventWriter, claim_stdin, claim_stdout, lines
from contrastive_seg.worker.inbox import send_error
from contrastive_seg.worker.lifecycle import Lifecycle, end_on_signals, end_process, repeat
from contrastive_seg.worker.protocol import MAX_LINE, PROTOCOL, BadMessage, too_long

_PARENT_EVERY = 1.0
_FLUSH_EVERY = 0.1

Take = Callable[[bytes, EventWriter, Lifecycle], None]
"""Takes one line that is not empty; may raise :class:`BadMessage`. Called in the reader thread."""

Work = Callable[[EventWriter, Lifecycle], None]
"""Carries out what was taken, for ever; what it needs is imported by it."""


def serve(
    take: Take, work: Work, stop: Callable[[], object], greeting: Callable[[], dict[str, Any]] = dict
) -> None:
    """Runs until quit, the end of stdin, or the end of the application; never returns.

    Args:
        take: Takes a line of stdin.
        work: Carries out commands, in the calling thread.
        stop: Stops what is going on; called when the process is to end.
        greeting: Further fields of the event ``hello``.
    """
    stdin, stdout = claim_stdin(), claim_stdout()
    lifecycle = Lifecycle(on_quit=stop)
    writer = EventWriter(stdout, on_broken=lifecycle.quit)
    threading.Thread(target=_read, args=(stdin, take, writer, lifecycle), name="reader", daemon=True).start()
    end_on_signals(lifecycle)
    repeat(_FLUSH_EVERY, writer.send_due, lifecycle)
    try:
        _watch_parent(lifecycle)
        _greet(writer, greeting)
        work(writer, lifecycle)
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


def _read(descriptor: int | None, take: Take, writer: EventWriter, lifecycle: Lifecycle) -> None:
    """Takes lines until stdin ends, which ends the process too."""
    for line in lines(descriptor, MAX_LINE) if descriptor is not None else ():
        try:
            if line is None:
                raise too_long()
            if line.strip():
                take(line, writer, lifecycle)
        except BadMessage as error:
            send_error(writer, error, error.id)
        except Exception as error:  # a reader that has died could not be told to stop
            send_error(
                writer, ContrastiveSegError("bad-command", f"A command could not be read ({error})."), None
            )
    lifecycle.quit()


def _watch_parent(lifecycle: Lifecycle) -> None:
    from contrastive_seg.worker.parent import Parent

    parent = Parent()

    def check_parent() -> None:
        if not parent.is_alive():
            lifecycle.quit()

    repeat(_PARENT_EVERY, check_parent, lifecycle)


def _greet(writer: EventWriter, greeting: Callable[[], dict[str, Any]]) -> None:
    import torch

    from contrastive_seg.compute import choose_compute

    writer.send(
        "hello",
        protocol=PROTOCOL,
        engine=__version__,
        pid=os.getpid(),
        device=choose_compute("auto").describe(),
        torch=str(torch.__version__),
        **greeting(),
    )
