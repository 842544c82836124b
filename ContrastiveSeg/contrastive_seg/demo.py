"""``contrastive-seg demo``: the main job on a volume of which everything is known.

The labels of a few slices are kept, the rest is hidden; the run learns from these slices through
the same door as ``contrastive-seg finetune``, and the result is compared with the hidden truth.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from contrastive_seg.atomic import make_folder, write_json
from contrastive_seg.commands.console import Output, duration
from contrastive_seg.commands.finetune import LabelReading, finetune
from contrastive_seg.commands.outputs import check_free, check_run_folder
from contrastive_seg.commands.pairs import Pair, stem
from contrastive_seg.data.read import read_label_map, read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.demo_comparison import TITLES, missing_tools, run_tool
from contrastive_seg.demo_data import SAMPLE_NAME, SAMPLE_PLANE, STRUCTURES, write_sample
from contrastive_seg.demo_pictures import can_draw, draw_overlays
from contrastive_seg.demo_scene import make_scene
from contrastive_seg.demo_slices import Annotation, annotate
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.settings import BUDGETS, FinetuneSettings
from contrastive_seg.metrics import Score, score_labels

OURS = "contrastive_seg"
_TITLES = {OURS: "ContrastiveSeg", **TITLES}
_ANNOTATED = "annotated.nii.gz"
_IGNORE_IN_FILE = 255
_IGNORE_OTHERWISE = -1


@dataclass(frozen=True)
class _Subject:
    """What the demo is about."""

    name: str
    image: Path
    volume: Volume
    truth: np.ndarray
    names: Mapping[int, str]


class _Silent(Output):
    """Shows progress and notes; the result is told by the demo."""

    def __init__(self, output: Output) -> None:
        super().__init__(output.as_json)

    def result(self, values: dict[str, Any], tables: list[Table], sentences: list[str]) -> None:
        """Nothing."""


def run_demo(
    volume: Path | None,
    labels: Path | None,
    *,
    slices: int = 5,
    plane: str | None = None,
    budget: float = BUDGETS["quick"],
    seed: int = 0,
    device: str = "auto",
    folder: Path = Path("demo-output"),
    output: Output | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """Segments a volume from a few of its slices and tells how well, beside Slicer's own tools.

    Writes ``annotated.nii.gz`` (what was learnt from), the run, ``results.json`` and overlay pictures
    into ``folder``; an earlier demo there is replaced, any other run is not.

    Args:
        volume: Image; None for the MNI152 sample.
        labels: Its full label map, of which only a few slices are shown to the run.
        slices: How many slices with structures are taken as annotated.
        plane: ``axial``, ``coronal`` or ``sagittal``; None for coronal (sample), or the slices of the
            acquisition.
        budget: Seconds for the run.
        seed: Seed of every random choice.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        folder: Where everything is written.
        output: Where to print.
        steps: Exactly so many training steps, see :class:`FinetuneSettings`.

    Returns:
        The content of ``results.json``.

    Raises:
        ContrastiveSegError: Anything a user can put right.
    """
    output = output or Output()
    settings = FinetuneSettings(budget, seed, device, None, None, steps)
    subject = _subject(volume, labels, make_folder(folder), output)
    inputs = {"the image": volume, "the label map": labels}
    check_free({"The demo's file": folder / _ANNOTATED}, inputs, overwrite=True)
    own = (folder / _ANNOTATED).is_file()  # the demo was here before, and made the run in it
    given = [path for path in inputs.values() if path is not None]
    check_run_folder(folder / "run", given, resume=False, overwrite=own)
    painted = annotate(subject.truth, subject.volume, slices, plane or (None if volume else SAMPLE_PLANE))
    names = {value: subject.names.get(value, f"Structure {value}") for value in painted.values}
    _announce(subject, painted, names, budget, output)
    ignore = _IGNORE_IN_FILE if subject.truth.max() < _IGNORE_IN_FILE else _IGNORE_OTHERWISE
    sparse = _write_sparse(painted, subject, ignore, folder)
    summary = finetune(
        [Pair(stem(subject.image), subject.image, sparse)],
        folder / "run",
        settings,
        LabelReading(ignore=ignore),
        names,
        False,
        _Silent(output),
        overwrite=own,
    )
    predictions = {OURS: read_label_map(Path(summary["cases"][0]["files"]["prediction"])).array}
    predictions.update(_slicer_results(subject, sparse, painted, ignore, output))
    spacing = subject.volume.spacing_zyx
    scores = {m: score_labels(p, subject.truth, spacing, names) for m, p in predictions.items()}
    values = {
        "sample": None if volume else SAMPLE_NAME,
        "plane": painted.plane,
        "painted_slices": painted.painted,
        "empty_slices": painted.empty,
        "budget": budget,
        **{key: summary[key] for key in ("seconds", "device", "steps", "stopped")},
        "structures": _rows(names, scores),
        "mean_dice": {m: _rounded(_mean(found)) for m, found in scores.items()},
        "pictures": [],
    }
    sentences = [_closing(values)]
    if can_draw():
        scene = make_scene(
            subject.volume, subject.truth, predictions[OURS], names, painted.axis, painted.slices
        )
        pictures = draw_overlays(scene, names, folder)
        values["pictures"] = [path.name for path in pictures]
    else:
        output.note('Pictures are left out: they need matplotlib (pip install ".[demo]").')
    write_json(folder / "results.json", values)
    sentences.append(f"Masks, pictures and results.json are in '{folder}'.")
    output.result({**values, "folder": str(folder)}, [_table(names, scores)], sentences)
    return values


def _subject(volume: Path | None, labels: Path | None, folder: Path, output: Output) -> _Subject:
    """The given pair, or the sample written into the folder."""
    if (volume is None) != (labels is None):
        missing, given = ("--labels", "--volume") if labels is None else ("--volume", "--labels")
        raise ContrastiveSegError(
            "usage",
            f"{given} is given without {missing}.",
            "Give both (an image and its full label map), or neither for the sample.",
        )
    names: Mapping[int, str] = {}
    name = SAMPLE_NAME
    if volume is None or labels is None:
        volume, labels = write_sample(folder / "sample")
        names = STRUCTURES
    else:
        name = volume.name
    image = read_volume(volume, on_note=output.note)
    truth = read_label_map(labels, like=image, on_note=output.note).array
    return _Subject(name, volume, image, truth, names)


def _announce(
    subject: _Subject, painted: Annotation, names: Mapping[int, str], budget: float, output: Output
) -> None:
    what = f"{len(names)} structures" if len(names) > 1 else next(iter(names.values()))
    listed = ", ".join(str(i) for i in painted.painted)
    output.note(
        f"{subject.name}: learning {what} from {len(painted.painted)} {painted.plane} slices ({listed}) of "
        f"{subject.truth.shape[painted.axis]}, in {duration(budget)}."
    )
    hidden = sorted({int(v) for v in np.unique(subject.truth) if v > 0} - set(names))
    if hidden:
        shown = ", ".join(subject.names.get(v, str(v)) for v in hidden)
        output.note(f"Not on any of these slices, hence not learnt: {shown}.")


def _write_sparse(painted: Annotation, subject: _Subject, ignore: int, folder: Path) -> Path:
    """The annotated slices as a file, as a user would hand them in."""
    stored = np.where(painted.sparse < 0, ignore, painted.sparse)
    return write_like(
        stored.astype(np.int16 if ignore < 0 else np.uint8), subject.volume, folder / _ANNOTATED
    )


def _slicer_results(
    subject: _Subject, sparse: Path, painted: Annotation, ignore: int, output: Output
) -> dict[str, np.ndarray]:
    """Label maps of Slicer's tools; without them a note says why."""
    if reason := missing_tools():
        output.note(reason)
        return {}
    found = {}
    with tempfile.TemporaryDirectory(prefix="contrastive-seg-") as name:
        image = write_like(subject.volume.array, subject.volume, Path(name) / "image.nii.gz")
        for method, title in TITLES.items():
            with output.messages.status(f"{title} of 3D Slicer"):
                result = run_tool(
                    method,
                    image,
                    sparse,
                    Path(name) / f"{method}.nii.gz",
                    axis=painted.axis,
                    ignore=ignore,
                    on_note=output.note,
                )
            if result is not None:
                found[method] = result
    return found


def _rows(names: Mapping[int, str], scores: Mapping[str, Mapping[int, Score]]) -> list[dict[str, Any]]:
    return [
        {
            "label": value,
            "name": name,
            **{
                measure: {
                    method: _rounded(getattr(found[value], measure)) for method, found in scores.items()
                }
                for measure in ("dice", "hd95_mm", "surface_distance_mm")
            },
        }
        for value, name in names.items()
    ]


def _table(names: Mapping[int, str], scores: Mapping[str, Mapping[int, Score]]) -> Table:
    """Dice by structure and method; the best of a row is bold."""
    table = Table(title="Dice over the whole volume")
    table.add_column("Structure")
    for method in scores:
        table.add_column(_TITLES[method], justify="right")
    for value, name in names.items():
        table.add_row(name, *_cells([found[value].dice for found in scores.values()]))
    table.add_section()
    table.add_row("Mean", *_cells([_mean(found) for found in scores.values()]))
    return table


def _cells(values: list[float]) -> list[str]:
    best = max(values)
    return [f"[bold]{v:.3f}[/bold]" if v == best and len(values) > 1 else f"{v:.3f}" for v in values]


def _mean(found: Mapping[int, Score]) -> float:
    return statistics.fmean(score.dice for score in found.values())


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _closing(values: dict[str, Any]) -> str:
    end = "Stopped" if values["stopped"] else "Learnt and segmented"
    return f"{end} in {duration(values['seconds'])} on {values['device']}."
