"""The catalogue as a child process of an application: ``python -m contrastive_seg.weights.child``.

    child list [--manifest M]
    child download NAME [--manifest M] [--from FOLDER] [--output FOLDER] [--overwrite]

Prints one JSON object a line: ``progress``, and at the end ``result`` or ``error``. A line on stdin, or
its end, stops it, so that it never outlives the application. It needs neither PyTorch nor any package
that is not in every Python: an application may offer weights before anything is installed. Consent is
the application's affair.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights import addresses, catalogue
from contrastive_seg.weights.catalogue import Entry
from contrastive_seg.weights.download import download
from contrastive_seg.weights.fetch import Patience
from contrastive_seg.weights.store import Store

_BETWEEN = 0.2


def described(entry: Entry, here: bool) -> dict[str, Any]:
    """An entry for scripts and applications.

    Args:
        entry: Of the catalogue.
        here: Whether this version is on this computer.
    """
    return {
        "id": entry.id,
        "version": entry.version,
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "hosts": hosts(entry),
        "here": here,
        "card": entry.card.to_dict(),
    }


def hosts(entry: Entry) -> list[str]:
    """The computers that an entry's addresses name."""
    return list(dict.fromkeys(filter(None, map(addresses.host_of, entry.urls))))


def listed(
    manifest: str | None, store: Store, patience: Patience, stop: Callable[[], bool]
) -> dict[str, Any]:
    """The catalogue for scripts and applications.

    Raises:
        ContrastiveSegError: See :func:`~contrastive_seg.weights.catalogue.entries`.
    """
    found = catalogue.entries(manifest, patience=patience, stop=stop)
    missing = {one.sha256 for one in catalogue.not_downloaded(found, store)}
    values = [described(one, one.sha256 not in missing) for one in found]
    return {"manifest": str(manifest or catalogue.default_manifest()), "entries": values}


class Told:
    """Passes progress on, but not more than a few times a second.

    Args:
        send: Gets the event.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._last = float("-inf")

    def __call__(self, received: int, size: int, left: float | None) -> None:
        now = time.monotonic()
        if now - self._last < _BETWEEN and received < size:
            return
        self._last = now
        self._send(
            {
                "type": "progress",
                "stage": "downloading",
                "fraction": round(received / size, 4),
                "seconds_left": None if left is None else round(left, 1),
                "received": received,
                "size": size,
            }
        )


def main(arguments: list[str] | None = None) -> None:
    """Does what the arguments say and ends the process; exit status 2 after an error."""
    stopped = threading.Event()
    threading.Thread(target=_wait_for_stdin, args=(stopped,), name="stdin", daemon=True).start()
    try:
        _send({"type": "result", **_work(_parsed(arguments), stopped.is_set)})
        status = 0
    except ContrastiveSegError as error:
        _send({"type": "error", "error": _told(error)})
        status = 2
    sys.stdout.flush()
    os._exit(status)  # the thread may be blocked in a read of stdin


def _work(chosen: argparse.Namespace, stop: Callable[[], bool]) -> dict[str, Any]:
    patience = Patience()
    if chosen.command == "list":
        return {"for": "list", **listed(chosen.manifest, Store(), patience, stop)}
    entry = catalogue.find(catalogue.entries(chosen.manifest, patience=patience, stop=stop), chosen.name)
    again = chosen.overwrite
    path = download(
        entry, chosen.output, Told(_send), stop, patience=patience, offline=chosen.offline, overwrite=again
    )
    return {"for": "download", "path": str(path), "name": entry.id, "version": entry.version}


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("contrastive_seg.weights.child")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "download"):
        command = commands.add_parser(name)
        command.add_argument("--manifest")
        if name == "download":
            command.add_argument("name")
            command.add_argument("--from", dest="offline", action="append", type=Path, default=[])
            command.add_argument("--output", type=Path)
            command.add_argument("--overwrite", action="store_true")
    return parser.parse_args(arguments)


def _send(event: dict[str, Any]) -> None:
    try:
        print(json.dumps(event), flush=True)
    except OSError:  # the application has gone
        os._exit(1)


def _told(error: ContrastiveSegError) -> dict[str, str]:
    return {"code": error.code, "message": error.sentence, "what_to_do": error.what_to_do}


def _wait_for_stdin(stopped: threading.Event) -> None:
    with contextlib.suppress(OSError):
        os.read(0, 1)
    stopped.set()


if __name__ == "__main__":
    main()
