"""``contrastive-seg evaluate``: Dice, HD95 and surface distance against the truth."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.pairs import named_files
from contrastive_seg.data.grids import check_same_grid
from contrastive_seg.data.read import read_label_map
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.metrics import Score, score_labels

MEASURES = ("dice", "hd95_mm", "surface_distance_mm")
TITLES = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "surface_distance_mm": "Surface distance (mm)"}


def evaluate(prediction: Path, truth: Path, ignore: int | None, output: Output) -> dict[str, Any]:
    """Scores a label map, or every label map of a folder, against the truth of the same name.

    Args:
        prediction: File or folder.
        truth: File or folder; voxels with the value ``ignore`` count on neither side.
        ignore: Value of voxels whose truth is not known.
        output: Where to print.

    Returns:
        What ``--json`` prints; a distance that cannot be measured is null there.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``grid-mismatch``, ``missing-truth``.
    """
    rows: list[dict[str, Any]] = []
    for name, first, second in _matched(prediction, truth):
        for value, score in _scores(first, second, ignore, output).items():
            rows.append({"volume": name, "label": value, **{m: getattr(score, m) for m in MEASURES}})
    means = _means(rows)
    table = Table(title="Agreement with the truth")
    for column in ("Volume", "Label"):
        table.add_column(column)
    for measure in MEASURES:
        table.add_column(TITLES[measure], justify="right")
    for row in [*rows, *means]:
        if row is not rows[0] and row in means[:1]:
            table.add_section()
        table.add_row(
            row["volume"], str(row["label"]), f"{row['dice']:.4f}", *(_mm(row[m]) for m in MEASURES[1:])
        )
    values = {"volumes": [_plain(row) for row in rows], "mean": [_plain(row) for row in means]}
    output.result(values, [table], [])
    return values


def _matched(prediction: Path, truth: Path) -> list[tuple[str, Path, Path]]:
    if not prediction.is_dir() or not truth.is_dir():
        return [(prediction.name, prediction, truth)]
    predictions, truths = named_files(prediction), named_files(truth)
    if missing := sorted(set(predictions) - set(truths)):
        raise ContrastiveSegError(
            "missing-truth",
            f"There is no truth in '{truth}' for '{predictions[missing[0]].name}'.",
            "Give both label maps the same name.",
        )
    if not predictions:
        raise ContrastiveSegError(
            "unreadable-file", f"'{prediction}' holds no label map.", "Give a folder of label maps."
        )
    return [(name, path, truths[name]) for name, path in predictions.items()]


def _scores(prediction: Path, truth: Path, ignore: int | None, output: Output) -> dict[int, Score]:
    second = read_label_map(truth, ignore=ignore, on_note=output.note)
    first = read_label_map(prediction, on_note=output.note)
    check_same_grid(second, first)
    known = None
    if ignore is not None:
        known = np.asarray(second.array != IGNORE)
    return score_labels(first.array, second.array, second.spacing_zyx, known=known)


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over the volumes by label, and over all; volumes without a distance are left out there."""
    labels = sorted({row["label"] for row in rows})
    groups = [(label, [r for r in rows if r["label"] == label]) for label in labels]
    if len(labels) > 1:
        groups.append(("all", rows))
    return [
        {"volume": "mean", "label": label, **{m: _mean([row[m] for row in group]) for m in MEASURES}}
        for label, group in groups
    ]


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.fmean(finite) if finite else math.nan


def _mm(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: (round(value, 6) if math.isfinite(value) else None) if isinstance(value, float) else value
        for key, value in row.items()
    }
