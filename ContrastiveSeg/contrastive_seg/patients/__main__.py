"""Starts the process that segments other patients: ``python -m contrastive_seg.patients``.

It speaks as the worker does (Docs/worker-protocol.md): a JSON command a line on stdin, a JSON event a
line on stdout; and it ends as the worker does. Its commands are in Docs/other-patients.md.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
import warnings

from contrastive_seg import __version__
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.patients.commands import Request, parse_request
from contrastive_seg.worker.__main__ import FLUSH_EVERY, PARENT_EVERY
from contrastive_seg.worker.channel import EventWriter, claim_stdin, claim_stdout, lines
from contrastive_seg.worker.inbox import send_error
from contrastive_seg.worker.lifecycle import Lifecycle, end_on_signals, end_process, repeat
from contrastive_seg.worker.protocol import MAX_LINE, PROTOCOL, BadMessage, too_long


class _Requests:
    """Requests in their order, and whether the one being carried out is still wanted."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self.stopped = threading.Event()

    def put(self, request: Request) -> None:
        """Adds one."""
        self._queue.put(request)

    def get(self) -> Request:
        """The next one, waiting for it."""
        request = self._queue.get()
        self.stopped.clear()
        return request

    def stop(self) -> None:
        """Stops what is going on and drops what waits."""
        while not self._queue.empty():
            self._queue.get()
        self.stopped.set()


def main() -> None:
    """Runs until quit, the end of stdin, or the end of the application; never returns."""
    stdin, stdout = claim_stdin(), claim_stdout()
    requests = _Requests()
    lifecycle = Lifecycle(on_quit=requests.stop)
    writer = EventWriter(stdout, on_broken=lifecycle.quit)
    threading.Thread(target=_read, args=(stdin, requests, writer, lifecycle), daemon=True).start()
    end_on_signals(lifecycle)
    repeat(FLUSH_EVERY, writer.send_due, lifecycle)
    try:
        _watch_parent(lifecycle)
        _greet(writer)
        _work(requests, writer, lifecycle)
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


def _read(descriptor: int | None, requests: _Requests, writer: EventWriter, lifecycle: Lifecycle) -> None:
    for line in lines(descriptor, MAX_LINE) if descriptor is not None else ():
        try:
            if line is None:
                raise too_long()
            if not line.strip():
                continue
            request = parse_request(line)
            if request.name == "quit":
                lifecycle.quit()
            elif request.name == "stop":
                requests.stop()
            else:
                requests.put(request)
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

    repeat(PARENT_EVERY, check_parent, lifecycle)


def _greet(writer: EventWriter) -> None:
    import torch

    from contrastive_seg.compute import choose_compute

    writer.send(
        "hello",
        protocol=PROTOCOL,
        engine=__version__,
        pid=os.getpid(),
        device=choose_compute("auto").describe(),
        torch=str(torch.__version__),
    )


def _work(requests: _Requests, writer: EventWriter, lifecycle: Lifecycle) -> None:
    from contrastive_seg.inference.scores import Stopped
    from contrastive_seg.patients.host import PatientHost
    from contrastive_seg.worker.failures import as_user_error

    host = PatientHost(writer)
    while True:
        request = requests.get()
        if not lifecycle.begin():
            end_process(0)
        try:
            host.carry_out(request, requests.stopped.is_set)
        except Stopped:
            stopped = ContrastiveSegError("stopped", "Stopped before there was a result.")
            send_error(writer, stopped, request.id)
        except Exception as error:
            writer.drop_progress()
            send_error(writer, as_user_error(error), request.id)
        lifecycle.end()
        writer.send("status", reply_to=request.id, state="idle", message="Ready.")


if __name__ == "__main__":
    warnings.simplefilter("default")
    main()
