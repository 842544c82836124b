"""The commands ``contrastive-seg weights ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg import cli_catalogue
from contrastive_seg.cli_weights_pack import archive, pack
from contrastive_seg.commands.console import Output
from contrastive_seg.commands.events import output_for
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.store import Store

weights_app = typer.Typer(
    name="weights",
    help="Pretrained weights: list, check, download, import, export and delete them.",
    no_args_is_help=True,
)
weights_app.command()(pack)
weights_app.command()(archive)

cli_catalogue.add_to(weights_app)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Name = Annotated[str, typer.Argument(help="Name, NAME@VERSION, file or folder.")]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="A further folder of weights to look in; repeatable."),
]


@weights_app.command("list")
def list_(
    folder: Folders = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the files and compare their SHA256 with the cards.")
    ] = False,
    json: Json = False,
) -> None:
    """All weights: your own, those of other extensions, and those that come with ContrastiveSeg."""
    from contrastive_seg.commands.weights import list_weights
    from contrastive_seg.weights.resolver import Resolver

    list_weights(Resolver(Store(folder or ())), Output(json), check)


@weights_app.command()
def show(name: Name, folder: Folders = None, json: Json = False) -> None:
    """The card of weights: how they were made, from what, and under which licence."""
    from contrastive_seg.commands.weights import show_weights

    show_weights(Store(folder or ()), name, Output(json))


@weights_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, files or folders; nothing: all weights.")
    ] = None,
    folder: Folders = None,
    json: Json = False,
) -> None:
    """Check that weights are complete and unchanged, and fit their cards."""
    from contrastive_seg.commands.weights import verify_weights

    if not verify_weights(Store(folder or ()), names or [], Output(json)):
        raise typer.Exit(2)


@weights_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Exported weights, or with --from a checkpoint.")],
    origin: Annotated[
        str | None,
        typer.Option("--from", help="Convert a checkpoint of pcl, macl, echo or med-moco."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; not given: the folder of your own weights.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the weights.")] = None,
    method: Annotated[str | None, typer.Option(help="With --from: method of pretraining.")] = None,
    modality: Annotated[str | None, typer.Option(help="With --from: such as MR, CT or US.")] = None,
    anatomy: Annotated[str | None, typer.Option(help="With --from: what the images showed.")] = None,
    licence: Annotated[str | None, typer.Option(help="With --from: licence of the checkpoint.")] = None,
    half: Annotated[bool, typer.Option("--half", help="With --from: store in float16.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace weights that have this name.")
    ] = False,
    json: Json = False,
    events: Annotated[
        bool, typer.Option("--events", help="For programs: the result as a line of JSON.")
    ] = False,
) -> None:
    """Take in weights that were exported, or convert a checkpoint of an original repository.

    Only with --from is a PyTorch checkpoint opened, and only the tensors in it are read.
    """
    from contrastive_seg.commands.weights import import_weights

    given = {"method": method, "modality": modality, "anatomy": anatomy, "licence": licence}
    about = {key: value for key, value in given.items() if value is not None}
    if origin is None and (about or half):
        option = next(iter(about), "half")
        raise ContrastiveSegError(
            "usage",
            f"--{option} is for checkpoints of the original repositories.",
            "Name the repository with --from, or leave it out.",
        )
    import_weights(
        source,
        output or Store().user,
        output_for("import", json, events),
        origin=origin,
        about=about,
        name=name,
        overwrite=overwrite,
        half=half,
    )


@weights_app.command("export")
def export(
    name: Name,
    output: Annotated[Path, typer.Option(help="A folder, a .zip or a .safetensors file.")],
    half: Annotated[bool, typer.Option("--half", help="Store in float16, half the size.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    folder: Folders = None,
    json: Json = False,
) -> None:
    """Copy weights with their card, to hand them on."""
    from contrastive_seg.commands.weights import export_weights

    export_weights(Store(folder or ()), name, output, half, Output(json), overwrite)
