"""``contrastive-seg evaluate``: Dice, HD95 and surface distance against the truth."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.pairs import SUFFIXES, stem
from contrastive_seg.data.common_grid import on_common_grid
from contrastive_seg.data.read import read_label_map
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.metrics import Score, label_values, score_labels
from contrastive_seg.patients.find import MARK

MEASURES = ("dice", "hd95_mm", "surface_distance_mm")
_OTHERS = (*SUFFIXES, ".json", ".csv", ".html", ".txt")
_MOST = 10
TITLES = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "surface_distance_mm": "Surface distance (mm)"}


def evaluate(prediction: Path, truth: Path, ignore: int | None, output: Output) -> dict[str, Any]:
    """Scores a label map, or every label map of a folder, against the truth of the same name.

    Labels that no truth has are told and not scored; one that only another volume's truth has counts as 0.
    So are volumes of the truth that nothing was predicted for.

    Args:
        prediction: File or folder.
        truth: File or folder; voxels with the value ``ignore`` count on neither side.
        ignore: Value of voxels whose truth is not known.
        output: Where to print.

    Returns:
        What ``--json`` prints; a distance that cannot be measured is null there.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``grid-mismatch``, ``missing-truth``,
            ``ambiguous-files``.
    """
    found: list[tuple[str, dict[int, Score], set[int]]] = []
    pairs, missing = _matched(prediction, truth)
    for name, first, second in pairs:
        found.append((name, *_scores(first, second, ignore, output)))
        if not found[-1][1] and not found[-1][2]:
            output.note(f"Neither '{first}' nor '{second}' holds a structure.")
    known = {value for _, scores, _ in found for value in scores}
    rows: list[dict[str, Any]] = []
    for name, scores, more in found:
        scores |= dict.fromkeys(more & known, Score(0.0, math.nan, math.nan))
        for value, score in sorted(scores.items()):
            rows.append({"volume": name, "label": value, **{m: getattr(score, m) for m in MEASURES}})
    others = sorted({value for _, _, more in found for value in more} - known)
    means = _means(rows)
    table = Table(title="Agreement with the truth")
    for column in ("Volume", "Label"):
        table.add_column(column)
    for measure in MEASURES:
        table.add_column(TITLES[measure], justify="right")
    for row in [*rows, *means]:
        distances = (_mm(row[measure]) for measure in MEASURES[1:])
        if row is not rows[0] and row in means[:1]:
            table.add_section()
        table.add_row(escape(row["volume"]), str(row["label"]), f"{row['dice']:.4f}", *distances)
    values = {
        "volumes": [_plain(row) for row in rows],
        "mean": [_plain(row) for row in means],
        "not_in_truth": others,
        **({} if missing is None else {"not_predicted": missing}),
    }
    sentences = [*([_left_out(others)] if others else []), *([_not_predicted(missing)] if missing else [])]
    output.result(values, [table] if rows else [], sentences)
    return values


def _matched(prediction: Path, truth: Path) -> tuple[list[tuple[str, Path, Path]], list[str] | None]:
    """Name, prediction and truth of each volume; of folders also the names that only the truth has."""
    if not prediction.is_dir() or not truth.is_dir():
        return [(prediction.name, prediction, truth)], None
    predictions, truths = _label_maps(prediction), _label_maps(truth)
    if missing := sorted(set(predictions) - set(truths)):
        raise ContrastiveSegError(
            "missing-truth",
            f"There is no truth in '{truth}' for '{predictions[missing[0]].relative_to(prediction)}'.",
            f"Give both label maps the same name; '{MARK}' at the end of a name does not count.",
        )
    if not predictions:
        raise ContrastiveSegError(
            "unreadable-file", f"'{prediction}' holds no label map.", "Give a folder of label maps."
        )
    pairs = [(name, path, truths[name]) for name, path in predictions.items()]
    return pairs, sorted(set(truths) - set(predictions))


def _label_maps(folder: Path) -> dict[str, Path]:
    """Label maps in a folder and in those below, by path without suffix, and without what predict appends.

    Raises:
        ContrastiveSegError: ``ambiguous-files`` when two have the same name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts) or not _is_label_map(path):
            continue
        name = place.with_name(stem(path).removesuffix(MARK)).as_posix()
        if name in found:
            raise ContrastiveSegError(
                "ambiguous-files",
                f"'{found[name].name}' and '{path.name}' in '{path.parent}' have the same name.",
                "Keep one of them.",
            )
        found[name] = path
    return found


def _is_label_map(path: Path) -> bool:
    """Whether it is an image file, or a folder with DICOM files."""
    if not path.is_dir():
        return path.name.lower().endswith(SUFFIXES)
    files = [one for one in path.iterdir() if not one.name.startswith(".")]
    return bool(files) and not any(one.is_dir() or one.name.lower().endswith(_OTHERS) for one in files)


def _scores(
    prediction: Path, truth: Path, ignore: int | None, output: Output
) -> tuple[dict[int, Score], set[int]]:
    """Scores of the labels of the truth, and labels that it does not have."""
    second = read_label_map(truth, ignore=ignore, on_note=output.note)
    first = read_label_map(prediction, on_note=output.note)
    first, second = on_common_grid(first, second, ignore)
    known = None
    if ignore is not None:
        known = np.asarray(second.array != IGNORE)
    values = label_values(second.array, known)
    more = label_values(first.array, known) - values
    return score_labels(first.array, second.array, second.spacing_zyx, sorted(values), known), more


def _left_out(labels: list[int]) -> str:
    listed = ", ".join(map(str, labels[:_MOST])) + (", ..." if len(labels) > _MOST else "")
    return f"The truth has no label {listed}: left out."


def _not_predicted(names: list[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:_MOST]) + (", ..." if len(names) > _MOST else "")
    return f"Of {len(names)} volumes of the truth there is no prediction, so they do not count: {listed}."


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
