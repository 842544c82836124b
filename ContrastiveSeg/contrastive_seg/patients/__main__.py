"""Starts the process that segments other patients: ``python -m contrastive_seg.patients``.

It speaks as the worker does (Docs/worker-protocol.md): a JSON command a line on stdin, a JSON event a
line on stdout; and it ends as the worker does. Its commands are in Docs/other-patients.md.
"""

from __future__ import annotations

import warnings

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.patients.commands import Request, parse_request
from contrastive_seg.worker.channel import EventWriter
from contrastive_seg.worker.inbox import Inbox, send_error
from contrastive_seg.worker.lifecycle import Lifecycle, end_process
from contrastive_seg.worker.serving import serve


def main() -> None:
    """Runs until quit, the end of stdin, or the end of the application; never returns."""
    inbox: Inbox[Request] = Inbox()
    serve(
        lambda line, writer, lifecycle: _take(line, inbox, lifecycle),
        lambda writer, lifecycle: _work(inbox, writer, lifecycle),
        inbox.stop,
    )


def _take(line: bytes, inbox: Inbox[Request], lifecycle: Lifecycle) -> None:
    request = parse_request(line)
    if request.name == "quit":
        lifecycle.quit()
    elif request.name == "stop":
        inbox.stop()
    else:
        inbox.put(request)


def _work(inbox: Inbox[Request], writer: EventWriter, lifecycle: Lifecycle) -> None:
    from contrastive_seg.inference.scores import Stopped
    from contrastive_seg.patients.host import PatientHost
    from contrastive_seg.worker.failures import as_user_error

    host = PatientHost(writer)
    while True:
        task = inbox.get()
        if not lifecycle.begin():
            end_process(0)
        request = task.command
        try:
            if task.stop.is_set():
                raise Stopped
            host.carry_out(request, task.stop.is_set)
        except Stopped:
            stopped = ContrastiveSegError("stopped", "Stopped before there was a result.")
            send_error(writer, stopped, request.id)
        except Exception as error:
            writer.drop_progress()
            send_error(writer, as_user_error(error), request.id)
        inbox.done(task)
        lifecycle.end()
        writer.send("status", reply_to=request.id, state="idle", message="Ready.")


if __name__ == "__main__":
    warnings.simplefilter("default")
    main()
