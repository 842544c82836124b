"""The catalogue: weights that are not on this computer yet, and where they can be had.

A manifest is one JSON file. It holds the whole card of each entry, so that everything can be shown
before anything is downloaded, and the weights need nothing but their one file. Plain Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrastive_seg import strict_json
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights import addresses
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.fetch import Cancelled, Failure, Patience, read_all
from contrastive_seg.weights.schema import CARD_SCHEMA, problems
from contrastive_seg.weights.sources import resource_folders
from contrastive_seg.weights.store import Store

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_VARIABLE = "CONTRASTIVE_SEG_MANIFEST"
LARGEST_FILE = 4 << 30
"""Bytes of the largest weights that are downloaded."""

_LARGEST_MANIFEST = 8 << 20

MANIFEST_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Catalogue of weights",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "format": {"const": FORMAT},
        "entries": {
            "type": "array",
            "maxItems": 10_000,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "id": CARD_SCHEMA["properties"]["name"],
                    "version": CARD_SCHEMA["properties"]["version"],
                    "urls": {
                        "type": "array",
                        "items": {"type": "string", "minLength": 1},
                        "minItems": 1,
                        "maxItems": 20,
                    },
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "size": {"type": "integer", "exclusiveMinimum": 0},
                    "licence": CARD_SCHEMA["properties"]["licence"],
                    "card": CARD_SCHEMA,
                },
                "required": ["id", "version", "urls", "sha256", "size", "licence", "card"],
            },
        },
    },
    "required": ["format", "entries"],
}


@dataclass(frozen=True)
class Entry:
    """Weights that can be downloaded.

    Attributes:
        id: Name of the weights, and of their file.
        version: Of the weights.
        urls: Addresses of the same safetensors file, the first to try first.
        sha256: Of that file.
        size: Its bytes.
        licence: Under which the weights may be used.
        card: What they are.
    """

    id: str
    version: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    licence: str
    card: WeightCard


def default_manifest() -> str:
    """Which manifest is meant when none is named: the one of :data:`MANIFEST_VARIABLE`, else the one
    that comes with the extension, or with an installed package."""
    named = os.environ.get(MANIFEST_VARIABLE, "").strip()
    places = [folder / MANIFEST for folder in resource_folders()]
    return named or str(next((one for one in places if one.is_file()), places[0]))


def is_remote(manifest: str | Path | None = None) -> bool:
    """Whether reading a manifest needs a network, and so may take long."""
    text = str(manifest if manifest is not None else default_manifest())
    return addresses.is_address(text) and not text.lower().startswith("file:")


def entries(
    manifest: str | Path | None = None,
    *,
    patience: Patience | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Entry]:
    """The entries of a manifest, in its order.

    Args:
        manifest: A file, a folder with ``manifest.json``, or an https address; None for
            :func:`default_manifest`. Only an address needs a network (:func:`is_remote`).
        patience: How long to wait for a server.
        stop: Asked while waiting for one.

    Raises:
        ContrastiveSegError: ``no-manifest``, ``bad-manifest``, ``bad-address`` or
            ``download-stopped``.
    """
    if manifest is None:
        manifest = default_manifest()
        # A package that was installed without the extension has none of its own.
        if MANIFEST_VARIABLE not in os.environ and not Path(manifest).is_file():
            return []
    patience = patience or Patience()
    text = str(manifest)
    if not addresses.is_address(text):
        path = Path(text).expanduser()
        return _from_file(path / MANIFEST if path.is_dir() else path, patience)
    addresses.check(text, "The manifest", insecure=patience.insecure)
    if text.lower().startswith("file:"):
        return entries(addresses.file_of(text), patience=patience)
    try:
        data = read_all(text, _LARGEST_MANIFEST, stop, patience)
    except Cancelled as error:
        raise ContrastiveSegError("download-stopped", "The download was stopped.") from error
    except Failure as error:
        raise ContrastiveSegError(
            "no-manifest",
            f"The manifest '{text}' cannot be downloaded: {error.reason}.",
            "Check the address and the internet connection (and the proxy), or use a manifest in a folder.",
        ) from error
    return parse(data, text, text, patience.insecure)


def not_downloaded(found: Sequence[Entry], store: Store | None = None) -> list[Entry]:
    """Those entries that are not on this computer in this version.

    Args:
        found: Of :func:`entries`.
        store: Where weights are looked for.
    """
    there = {one.card.sha256 for one in (store or Store()).list() if one.card is not None}
    return [one for one in found if one.sha256 not in there]


def find(found: Sequence[Entry], name: str) -> Entry:
    """The entry that is called ``name`` or ``name@version``; of several versions the last one.

    Raises:
        ContrastiveSegError: ``unknown-weights``.
    """
    wanted, _, version = name.partition("@")
    fitting = [one for one in found if one.id == wanted and (not version or one.version == version)]
    if fitting:
        return fitting[-1]
    names = ", ".join(dict.fromkeys(one.id for one in found))
    raise ContrastiveSegError(
        "unknown-weights",
        f"The catalogue has no weights called '{name}'.",
        f"It has: {names}." if names else "It is empty; name another catalogue with --manifest.",
    )


def parse(data: bytes, source: str, base: str | Path, insecure: bool = False) -> list[Entry]:
    """The entries in the bytes of a manifest.

    Args:
        data: JSON.
        source: What to call it in sentences.
        base: Its address, or its folder, to which addresses in it may be relative.
        insecure: Whether http is allowed for other computers too.

    Raises:
        ContrastiveSegError: ``bad-manifest``, naming the fields.
    """
    try:
        values = strict_json.parse(data)
    except ValueError as error:
        raise _bad(source, [f"it is no JSON text ({error})"]) from error
    if found := problems(values, MANIFEST_SCHEMA):
        raise _bad(source, found)
    listed = [_entry(one, f"entries[{i}]", source, base, insecure) for i, one in enumerate(values["entries"])]
    twice = {(one.id, one.version) for one in listed}
    if len(twice) != len(listed):
        raise _bad(source, ["two entries have the same id and version"])
    return listed


def _entry(values: dict[str, Any], where: str, source: str, base: str | Path, insecure: bool) -> Entry:
    card = WeightCard.from_dict(values["card"], f"The card of '{where}' in the manifest '{source}'")
    said = {"id": card.name, "version": card.version, "sha256": card.sha256, "licence": card.licence}
    found = [f"'{where}.{key}' and its card disagree" for key, value in said.items() if values[key] != value]
    if values["size"] > LARGEST_FILE:
        found.append(f"'{where}.size' is above {LARGEST_FILE >> 30} GB")
    urls = []
    # What comes from elsewhere names no files, nor what runs on this computer.
    local = isinstance(base, Path)
    here = local or addresses.is_here(addresses.host_of(str(base)))
    for number, text in enumerate(values["urls"]):
        try:
            urls.append(addresses.resolved(text, base))
        except ValueError as error:
            found.append(f"'{where}.urls[{number}]' cannot be used: {error}")
            continue
        if problem := addresses.problem_of(urls[-1], insecure=insecure, files=local, here=here):
            found.append(f"'{where}.urls[{number}]' cannot be used: {problem}")
    if found:
        raise _bad(source, found)
    return Entry(card.name, card.version, tuple(urls), card.sha256, values["size"], card.licence, card)


def _from_file(path: Path, patience: Patience) -> list[Entry]:
    try:
        data = strict_json.read_limited(path, _LARGEST_MANIFEST)
    except OSError as error:
        raise ContrastiveSegError(
            "no-manifest",
            f"The manifest '{path}' cannot be read ({error.strerror or type(error).__name__}).",
            "Name the file, a folder that holds manifest.json, or an address that begins with https://.",
        ) from error
    except ValueError as error:
        raise _bad(str(path), [str(error)]) from error
    return parse(data, str(path), path.parent, patience.insecure)


def _bad(source: str, found: list[str]) -> ContrastiveSegError:
    shown = "; ".join(found[:8]) + (f"; and {len(found) - 8} more" if len(found) > 8 else "")
    return ContrastiveSegError(
        "bad-manifest",
        f"The manifest '{source}' is not right: {shown}.",
        "Get it again from its source, or tell those who made it.",
    )
