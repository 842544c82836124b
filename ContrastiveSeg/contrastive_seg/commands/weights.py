"""``contrastive-seg weights``: what weights there are, whether they are sound, and taking in others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg.commands.console import Output
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import WeightCard, check_name
from contrastive_seg.weights.checksums import Checksums
from contrastive_seg.weights.resolver import Entry, Resolver
from contrastive_seg.weights.store import Store

_LONGEST_NAME = 28


def list_weights(resolver: Resolver, output: Output, check: bool = False) -> dict[str, Any]:
    """Lists all weights by their cards, with where they come from and which ones are used.

    Args:
        resolver: Gives the list.
        output: Gets the table.
        check: Read all files and compare their SHA256; without, only what is known is shown.

    Returns:
        What ``--json`` prints.
    """
    store = resolver.store
    if check:
        resolver.check(resolver.entries())
    found = resolver.entries()
    values = {"folder": str(store.user), "weights": [_summary(one) for one in found]}
    table = Table(title="Weights", pad_edge=False)
    # Names are what one types, so they are the last to be broken.
    longest = min(_LONGEST_NAME, max((len(one.name) for one in found), default=0))
    for title in ("Name", "From", "Images", "Network, licence", "Size, SHA256"):
        table.add_column(title, overflow="fold", min_width=longest if title == "Name" else None)
    for one in found:
        images = [one.card.modality, one.card.anatomy] if one.card else ["(no valid card)"]
        network = f"{_network(one.card)}, {one.card.method}" if one.card else ""
        cells = (
            [one.name, f"version {one.version}" if one.version else ""],
            [one.source.label, "" if one.used or one.problem or not one.is_here else "not used"],
            images,
            [network, one.licence],
            [_size(one.size), one.checksum],
        )
        lines = ["\n".join(escape(line) for line in cell if line) for cell in cells]
        table.add_row(*lines, style=None if one.used else "dim")
    sentences = [f"{one.name}: {one.problem}" for one in found if one.problem]
    sentences += [
        f"{one.name} {one.version} from {one.source.label} is {one.state}."
        for one in found
        if one.replaced_by is not None
    ]
    if not any(one.path and store.user in one.path.parents for one in found):
        sentences.append(f"Weights of your own belong into '{store.user}'.")
    output.result(values, [table] if found else [], sentences)
    return values


def show_weights(store: Store, name: str, output: Output) -> dict[str, Any]:
    """Shows a card.

    Raises:
        ContrastiveSegError: ``unknown-weights``, ``pickle``, ``no-card`` or ``bad-card``.
    """
    found = store.find(name)
    if found.card is None:
        assert found.problem is not None
        raise found.problem
    values = {"path": str(found.path), **found.card.to_dict()}
    table = Table(title=escape(found.card.name), show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in values.items():
        for label, text in _lines(key.replace("_", " "), value):
            table.add_row(escape(label), escape(text))
    output.result(values, [table], [])
    return values


def verify_weights(store: Store, names: list[str], output: Output) -> bool:
    """Reads weights with all checks: card, layout, SHA256, agreement, finite values.

    Args:
        store: Where to look.
        names: Names or paths; empty for all.
        output: Gets the table.

    Returns:
        Whether all are sound.

    Raises:
        ContrastiveSegError: What is wrong, where only one was named.
    """
    from contrastive_seg.weights.files import load_weights

    places: list[str | Path] = list(names) if names else [one.path for one in store.list()]
    checksums = Checksums(store.user)
    results: list[dict[str, Any]] = []
    table = Table(title="Weights")
    for title in ("Weights", "Sound"):
        table.add_column(title, overflow="fold")
    for place in places:
        try:
            found = store.find(place)
            if found.card is not None:
                checksums.check(found.path, found.card.sha256)
            card, _ = load_weights(found.path, store)
        except ContrastiveSegError as error:
            if len(names) == 1:
                checksums.save()
                raise
            told = {"code": error.code, "message": error.sentence, "what_to_do": error.what_to_do}
            results.append({"weights": str(place), "ok": False, "error": told})
            table.add_row(escape(str(place)), escape(f"no: {error.sentence}"))
        else:
            sound = {"name": card.name, "sha256": card.sha256, "parameters": card.parameters}
            results.append({"weights": str(place), "ok": True, **sound})
            table.add_row(escape(card.name), "yes")
    checksums.save()
    fine = all(result["ok"] for result in results)
    sentences = [] if results else [f"There are no weights yet in '{store.user}'."]
    output.result({"ok": fine, "weights": results}, [table] if results else [], sentences)
    return fine


def import_weights(
    source: Path,
    target: Path,
    output: Output,
    *,
    origin: str | None = None,
    about: dict[str, str] | None = None,
    name: str | None = None,
    overwrite: bool = False,
    half: bool = False,
) -> dict[str, Any]:
    """Takes in exported weights, or converts a checkpoint of an original repository.

    Args:
        source: The file.
        target: Folder that gets them.
        output: Gets what was written.
        origin: The repository whose checkpoint it is; None for weights in our format.
        about: Fields of the card of a converted checkpoint.
        name: New name.
        overwrite: Whether other weights of that name may be replaced.
        half: Store a converted checkpoint in float16.

    Raises:
        ContrastiveSegError: ``bad-setting`` for a name that weights cannot have; see also
            :mod:`contrastive_seg.weights.archive` and :mod:`contrastive_seg.weights.importers`.
    """
    if name is not None:
        check_name(name)
    from contrastive_seg.weights.archive import free_place
    from contrastive_seg.weights.archive import import_weights as take_in

    if origin is None:
        copied = take_in(source, target, overwrite=overwrite, name=name)
        return _written(copied.card, copied.path, output)
    from contrastive_seg.weights.files import save_weights
    from contrastive_seg.weights.importers import import_checkpoint

    card, tensors = import_checkpoint(origin, source, name=name, **(about or {}))
    path = free_place(target, card, overwrite)
    card = save_weights(path, tensors, card, half)
    output.note(
        "The images of that repository may have been scaled in another way; the card says what is known."
    )
    return _written(card, path, output)


def export_weights(
    store: Store, name: str, target: Path, half: bool, output: Output, overwrite: bool = False
) -> dict[str, Any]:
    """Writes weights with their card to a folder or a zip file.

    Raises:
        ContrastiveSegError: See :func:`contrastive_seg.weights.archive.export_weights`.
    """
    from contrastive_seg.weights.archive import export_weights as write

    copied = write(name, target, store, half, overwrite=overwrite)
    return _written(copied.card, copied.path, output)


def _written(card: WeightCard, path: Path, output: Output) -> dict[str, Any]:
    values = {"path": str(path), **card.to_dict()}
    output.result(values, [], [f"The weights '{card.name}' ({_network(card)}) are in '{path}'."])
    return values


def _summary(one: Entry) -> dict[str, Any]:
    about = {
        "source": one.source.kind,
        "extension": one.source.extension,
        "state": one.state,
        "used": one.used,
        "bytes": one.size,
        "checksum": one.checksum,
    }
    path = {"path": str(one.path)} if one.path is not None else {}
    if one.card is not None:
        return {**path, **one.card.to_dict(), **about}
    error = one.problem
    assert error is not None
    told = {"code": error.code, "message": error.sentence, "what_to_do": error.what_to_do}
    return {"name": one.name, **path, "error": told, **about}


def _network(card: WeightCard) -> str:
    return card.network if card.width is None else f"{card.network} {card.width}"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f} MB"


def _lines(label: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        inner = [(f"{label}: {key.replace('_', ' ')}", v) for key, v in value.items()]
        return [(name, _text(v)) for name, v in inner] or [(label, "-")]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [line for n, one in enumerate(value, 1) for line in _lines(f"{label} {n}", one)]
    return [(label, _text(value))]


def _text(value: Any) -> str:
    if value is None or value in ("", []):
        return "-"
    return " to ".join(str(v) for v in value) if isinstance(value, list) else str(value)
