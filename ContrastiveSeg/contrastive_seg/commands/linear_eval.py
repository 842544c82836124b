"""``contrastive-seg linear-eval``: how much the frozen features of weights know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.table import Table

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.commands.pairs import Pair, pairs_in
from contrastive_seg.compute import choose_compute
from contrastive_seg.data.read import read_label_map, read_volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.settings import check_seed
from contrastive_seg.pretraining.linear_eval import Labelled, linear_eval
from contrastive_seg.weights.files import load_weights


def evaluate_features(
    weights: str,
    data: Path,
    test: Path | None,
    output: Output,
    *,
    ignore: int | None,
    replace_nonfinite: bool,
    steps: int,
    seed: int,
    device: str,
    threads: int | None,
) -> dict[str, Any]:
    """Trains a 1x1 convolution on the frozen features, and on random ones, and scores both.

    Args:
        weights: Name, file or folder.
        data: Folder with images/ and labels/.
        test: Likewise; None: every second labelled volume of ``data`` is for testing.
        output: Where to print.
        ignore: Label value of voxels about which nothing is said.
        replace_nonfinite: As in :func:`~contrastive_seg.data.read.read_volume`.
        steps: Optimiser steps.
        seed: Of every random choice.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: CPU threads, None for all cores.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: Anything a user can put right.
        typer.Exit: Stopped before it was complete.
    """
    check_seed(seed)
    card, tensors = load_weights(weights)
    compute = choose_compute(device, threads)
    pairs = _labelled(data)
    tested = pairs[1::2] if test is None else _labelled(test)
    pairs = pairs[::2] if test is None else pairs
    if not tested:
        raise ContrastiveSegError(
            "no-annotation", f"'{data}' holds one labelled volume only.", "Name others with --test FOLDER."
        )
    ours, theirs = (
        [_read(pair, ignore, replace_nonfinite, output.note) for pair in some] for some in (pairs, tested)
    )
    scores: dict[str, dict[int, float]] = {}
    with (
        stop_on_interrupt(lambda: output.note("Stopping.")) as should_stop,
        output.progress() as show,
    ):
        for number, name in enumerate((card.name, "random")):
            scores[name] = linear_eval(
                card if name != "random" else None,
                tensors,
                ours,
                theirs,
                compute,
                steps=steps,
                seed=seed,
                like=card,
                on_fraction=lambda f, n=number: show(f"{n + 1} of 2", (n + f) / 2, None),  # type: ignore[misc]
                should_stop=should_stop,
            )
            if should_stop():  # one of two, or one that has learnt for less long, compares with nothing
                output.result({"stopped": True}, [], ["Stopped; nothing was measured."])
                raise typer.Exit(1)
    table = Table(title="Dice of a linear map on frozen features")
    for title in ("Label", f"'{card.name}'", "Random features"):
        table.add_column(title, justify="right")
    labels = sorted({value for one in scores.values() for value in one})
    for value in labels:
        table.add_row(
            str(value), *(f"{scores[name].get(value, float('nan')):.4f}" for name in (card.name, "random"))
        )
    means = {name: float(np.mean(list(one.values()))) for name, one in scores.items() if one}
    result = {
        "weights": card.name,
        "trained_on": len(ours),
        "tested_on": len(theirs),
        "steps": steps,
        "dice": {
            name: {str(value): round(dice, 4) for value, dice in one.items()} for name, one in scores.items()
        },
        "mean": {name: round(mean, 4) for name, mean in means.items()},
    }
    output.result(result, [table], [f"{len(ours)} volumes to train on, {len(theirs)} tested."])
    return result


def _labelled(folder: Path) -> list[Pair]:
    found = [pair for pair in pairs_in(folder) if pair.labels is not None]
    if not found:
        raise ContrastiveSegError(
            "no-annotation", f"No image in '{folder}' has a label map.", "Put label maps into labels/."
        )
    return found


def _read(
    pair: Pair, ignore: int | None, replace_nonfinite: bool, on_note: Callable[[str], None]
) -> Labelled:
    volume = read_volume(pair.image, replace_nonfinite=replace_nonfinite, on_note=on_note)
    assert pair.labels is not None
    labels = read_label_map(pair.labels, like=volume, ignore=ignore, on_note=on_note)
    return Labelled(volume, np.asarray(labels.array, np.int16))
