"""``contrastive-seg export``: the network of a run for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from contrastive_seg.commands.console import Output, duration
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.export.formats import check_format, check_place


def export(
    run: Path, kind: str, output: Path, image: Path | None, name: str | None, printed: Output
) -> dict[str, Any]:
    """Exports, and prints what the comparison with the original gave.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: See :func:`contrastive_seg.export.run.export_run`.
        typer.Exit: Stopped before it was complete.
    """
    check_format(kind)  # before PyTorch is loaded
    check_place(output)
    from contrastive_seg.export.run import export_run
    from contrastive_seg.finetuning.events import Event, Note, Progress
    from contrastive_seg.inference.scores import Stopped

    with (
        stop_on_interrupt(lambda: printed.note("Stopping; nothing is written.")) as interrupted,
        printed.progress() as show,
    ):

        def tell(event: Event) -> None:
            if isinstance(event, Progress):
                show(event.stage, event.fraction, event.seconds_left)
            elif isinstance(event, Note):
                printed.note(event.sentence, event.code)

        try:
            done = export_run(
                run,
                kind,
                output,
                image=image,
                name=name,
                on_event=tell,
                should_stop=lambda: interrupted() or printed.should_stop(),
            )
        except Stopped:
            printed.result({"stopped": True}, [], ["Stopped; nothing was written."])
            raise typer.Exit(1) from None
    found: dict[str, Any] = {
        "stopped": False,
        "format": done.kind,
        "output": str(done.folder),
        "model": done.model,
        "max_abs_difference": done.compared.max_difference,
        "same_labels": done.compared.same_labels,
        "slices": done.compared.slices,
        "seconds": round(done.seconds, 2),
    }
    table = Table(title="Exported model", show_header=False)
    table.add_row("format", done.kind)
    table.add_row("compared with the original on", f"{done.compared.slices} slices")
    table.add_row("largest difference of a score", f"{done.compared.max_difference:.2g}")
    table.add_row("same labels", f"{100 * done.compared.same_labels:.2f} %")
    sentence = f"Done after {duration(done.seconds)}. The model is '{done.folder / done.model}'."
    printed.result(found, [table], [sentence])
    return found
