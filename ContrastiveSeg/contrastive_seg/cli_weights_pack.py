"""``contrastive-seg weights pack`` and ``archive``: weights as an extension of 3D Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg.commands.console import Output
from contrastive_seg.errors import ContrastiveSegError

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def pack(
    names: Annotated[list[str], typer.Argument(help="Names, NAME@VERSION, files or folders.")],
    extension: Annotated[
        str,
        typer.Option("--as-extension", help="Name of the extension, such as ContrastiveSegWeightsHeart."),
    ],
    output: Annotated[Path, typer.Option(help="New folder that gets the extension's source.")],
    contributors: Annotated[str, typer.Option(help="Who made the weights.")] = "ContrastiveSeg contributors",
    repository: Annotated[str, typer.Option(help="Web address of the extension's repository.")] = "",
    licence_file: Annotated[
        Path | None, typer.Option(help="Full text of the weights' licences, appended to LICENSE.")
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", help="A further folder of weights to look in; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Write an extension of 3D Slicer that holds weights, with all that its catalogue asks for."""
    from contrastive_seg.extension.tree import LARGE, PREFIX, About, write_extension
    from contrastive_seg.weights.store import Store

    about = About(extension, contributors, repository, _text_of(licence_file))
    packed = write_extension(names, about, output, Store(folder or ()))
    out = Output(json)
    if not extension.startswith(PREFIX):
        out.note(f"Get more weights... in the panel offers only extensions whose name begins with {PREFIX}.")
    if packed.size > LARGE:
        out.note(
            f"These weights have {packed.size / 1e6:.0f} MB. 3D Slicer's extension server is for small "
            "extensions; offer large files for download instead, or hand on the archive."
        )
    values = {
        "extension": extension,
        "path": str(packed.root),
        "weights": [{"name": card.name, "version": card.version} for card in packed.cards],
        "bytes": packed.size,
    }
    listed = ", ".join(card.name for card in packed.cards)
    out.result(values, [], [f"The extension {extension} with the weights {listed} is in '{packed.root}'."])


def archive(
    source: Annotated[Path, typer.Argument(help="Folder with an extension's CMakeLists.txt.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the archive.")],
    slicer_version: Annotated[str, typer.Option(help="Version of 3D Slicer, such as 5.12.")],
    slicer_revision: Annotated[str, typer.Option(help="See Help > About 3D Slicer, such as 34045.")],
    system: Annotated[str, typer.Option("--os", help="linux, macosx or win.")],
    architecture: Annotated[str, typer.Option("--arch", help="amd64 or arm64.")] = "amd64",
    json: Json = False,
) -> None:
    """Make the file that 'Install from file' in 3D Slicer's Extensions Manager takes."""
    from contrastive_seg.extension.archive import Application, build_archive

    application = Application(slicer_version, slicer_revision, system, architecture)
    path = build_archive(source, output, application)
    values = {"path": str(path), "bytes": path.stat().st_size}
    Output(json).result(values, [], [f"The archive is '{path}'."])


def _text_of(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContrastiveSegError(
            "unreadable-file",
            f"The licence '{path}' cannot be read as text.",
            "Name a text file in UTF-8.",
        ) from error
