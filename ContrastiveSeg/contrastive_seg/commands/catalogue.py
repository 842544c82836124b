"""``contrastive-seg weights available``, ``download`` and ``delete``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights import catalogue, removal
from contrastive_seg.weights.catalogue import Entry
from contrastive_seg.weights.child import Told, hosts, listed
from contrastive_seg.weights.download import download
from contrastive_seg.weights.fetch import Patience
from contrastive_seg.weights.store import Store


def list_available(manifest: str | None, store: Store, output: Output, patience: Patience) -> dict[str, Any]:
    """Lists the entries of a catalogue, and says which are here already.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: See :func:`~contrastive_seg.weights.catalogue.entries`.
    """
    values = listed(manifest, store, patience, lambda: False)
    table = Table(title="Weights to download", pad_edge=False)
    for title in ("Name", "Version", "Method", "Modality", "Anatomy", "Licence", "Size", "Here"):
        table.add_column(title, overflow="fold")
    for one in values["entries"]:
        card, size = one["card"], size_text(one["size"])
        about = (card["method"], card["modality"], card["anatomy"], one["licence"], size)
        table.add_row(*map(escape, (one["id"], one["version"], *about)), "yes" if one["here"] else "no")
    found = values["entries"]
    output.result(values, [table] if found else [], [] if found else ["The catalogue is empty."])
    return values


def download_weights(
    name: str,
    manifest: str | None,
    offline: list[Path],
    folder: Path | None,
    agreed: bool,
    overwrite: bool,
    output: Output,
    patience: Patience,
) -> None:
    """Downloads weights after consent; with ``--json`` prints a line of JSON for each event.

    Raises:
        ContrastiveSegError: ``consent-needed``, or see
            :func:`~contrastive_seg.weights.download.download`.
    """
    if manifest is None:
        named = [one for one in offline if (one / catalogue.MANIFEST).is_file()]
        manifest = str(named[0]) if named else None
    with _stoppable(output) as (stop, _):
        found = catalogue.find(catalogue.entries(manifest, patience=patience, stop=stop), name)
    store = Store(user=folder)
    if not agreed and catalogue.not_downloaded([found], store):
        _ask(found, bool(offline), output)
    with _stoppable(output) as (stop, show):

        def tell(event: dict[str, Any]) -> None:
            if output.as_json:
                print(json.dumps(event), flush=True)
            else:
                show("Downloading", event["fraction"], event["seconds_left"])

        path = download(
            found, store.user, Told(tell), stop, patience=patience, offline=offline, overwrite=overwrite
        )
    sentence = f"The weights '{found.id}' ({found.licence}) are in '{path}'."
    output.result({"type": "result", "path": str(path), **found.card.to_dict()}, [], [sentence])


def delete_weights(
    names: list[str], all_downloaded: bool, agreed: bool, store: Store, output: Output
) -> None:
    """Deletes weights of the user, by name or all that were downloaded.

    Raises:
        ContrastiveSegError: ``unknown-weights``, ``not-yours``, ``consent-needed``,
            ``no-write-permission``.
    """
    chosen = {one.path: one for one in (removal.removable(store, name) for name in names)}
    if all_downloaded:
        chosen |= {one.path: one for one in removal.downloaded(store)}
    if chosen and not agreed:
        listed = ", ".join(f"'{one.name}'" for one in chosen.values())
        _confirm(f"Delete the weights {listed} from '{store.user}'?", output)
    removed = removal.remove(list(chosen.values()), store)
    size = removed.size + (removal.remove_unfinished(store) if all_downloaded else 0)
    listed = ", ".join(removed.names) or "nothing"
    sentence = f"Deleted: {listed} ({size_text(size)})."
    output.result({"deleted": list(removed.names), "bytes": size}, [], [sentence])


def size_text(size: int) -> str:
    """Bytes for a person."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


@contextmanager
def _stoppable(
    output: Output,
) -> Iterator[tuple[Callable[[], bool], Callable[[str, float, float | None], None]]]:
    """Within it Ctrl+C stops in good order; gives who is asked about that, and the progress bar."""
    with (
        stop_on_interrupt(lambda: output.note("Stopping; what was received is kept.")) as asked,
        output.progress() as show,
    ):
        yield asked, show


def _ask(entry: Entry, offline: bool, output: Output) -> None:
    where = "the given folder" if offline else ", ".join(hosts(entry)) or "a folder"
    _confirm(
        f"Download '{entry.id}' {entry.version} ({size_text(entry.size)}, licence: {entry.licence}) "
        f"from {where}?",
        output,
    )


def _confirm(question: str, output: Output) -> None:
    """Asks on the terminal; whoever cannot be asked has not agreed."""
    if output.as_json or not sys.stdin.isatty():
        raise ContrastiveSegError("consent-needed", f"Not done without consent: {question}", "Add --yes.")
    output.messages.print(f"{question} [y/N] ", markup=False, end="")
    if input().strip().lower() not in ("y", "yes"):
        raise ContrastiveSegError("consent-needed", "Nothing was done, because you did not agree.")
