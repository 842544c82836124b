"""The command ``contrastive-seg reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrastive_seg.commands.console import Output


def reproduce(
    run: Annotated[Path, typer.Argument(help="Folder that finetune or the panel wrote.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with the images, where they have been moved.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another seed, to see how much depends on chance.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Another device than the run's.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Empty folder that keeps the repetition; not given: nothing is kept.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Repeat a run step by step, and say whether the result is the same; exit status 1 if it is not."""
    from contrastive_seg.commands.reproduce import reproduce as work

    if not work(run, data, seed, device, output, Output(json))["equal"]:
        raise typer.Exit(1)
