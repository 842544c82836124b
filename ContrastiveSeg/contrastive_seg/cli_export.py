"""The command ``contrastive-seg export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg.commands.events import output_for


def export(
    run: Annotated[Path, typer.Argument(help="Folder that finetune wrote.")],
    format_: Annotated[
        str, typer.Option("--format", help="torchscript, onnx or monai-bundle.")
    ] = "torchscript",
    output: Annotated[Path, typer.Option(help="Folder to make; it gets the model and a README.")] = Path(
        "exported-model"
    ),
    image: Annotated[
        Path | None,
        typer.Option(help="Image to compare the exported model on; not given: the run's own."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model; not given: that of the folder.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    events: Annotated[
        bool, typer.Option("--events", help="For programs: progress and result as lines of JSON.")
    ] = False,
) -> None:
    """Write the network of a run for other programs, and compare it with the original first."""
    from contrastive_seg.commands.export import export as work

    work(run, format_, output, image, name, output_for("export", json, events))
