"""The commands ``contrastive-seg weights available``, ``download`` and ``delete``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg.commands.console import Output
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.store import Store

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Manifest = Annotated[
    str | None,
    typer.Option(
        help="Another catalogue: a manifest file, a folder with manifest.json, or its https address."
    ),
]
Insecure = Annotated[
    bool, typer.Option("--insecure-http", help="Allow addresses that are not encrypted (http).")
]
Stall = Annotated[
    float, typer.Option(min=1, max=3600, help="Seconds without data after which a connection is given up.")
]


def available(
    manifest: Manifest = None, insecure: Insecure = False, stall: Stall = 30, json: Json = False
) -> None:
    """Weights that can be downloaded, by the catalogue."""
    from contrastive_seg.commands.catalogue import list_available
    from contrastive_seg.weights.fetch import Patience

    list_available(manifest, Store(), Output(json), Patience(stall=stall, insecure=insecure))


def download(
    name: Annotated[str, typer.Argument(help="Name in the catalogue, or NAME@VERSION.")],
    manifest: Manifest = None,
    offline: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Take the file from this folder, without a network; repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; not given: the folder of your own weights.")
    ] = None,
    yes: Yes = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace other weights that have this name.")
    ] = False,
    insecure: Insecure = False,
    stall: Stall = 30,
    json: Annotated[bool, typer.Option("--json", help="Print progress and result as lines of JSON.")] = False,
) -> None:
    """Download weights of the catalogue, after asking. Ctrl+C stops; the same command goes on."""
    from contrastive_seg.commands.catalogue import download_weights
    from contrastive_seg.weights.fetch import Patience

    patience = Patience(stall=stall, insecure=insecure)
    download_weights(name, manifest, offline or [], output, yes, overwrite, Output(json), patience)


def delete(
    names: Annotated[list[str] | None, typer.Argument(help="Names of your own weights.")] = None,
    downloaded: Annotated[
        bool, typer.Option("--downloaded", help="All that were downloaded, and what was left unfinished.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Delete weights of your own folder, after asking."""
    from contrastive_seg.commands.catalogue import delete_weights

    if not names and not downloaded:
        raise ContrastiveSegError(
            "usage", "Nothing to delete is named.", "Name weights, or use --downloaded."
        )
    delete_weights(names or [], downloaded, yes, Store(), Output(json))


def add_to(app: typer.Typer) -> None:
    """Adds the commands to ``contrastive-seg weights``."""
    app.command()(available)
    app.command()(download)
    app.command()(delete)
