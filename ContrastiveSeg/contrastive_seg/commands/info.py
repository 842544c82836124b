"""``contrastive-seg info``: what is installed, what is in an image, what a run has learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg import __version__
from contrastive_seg.commands.console import Output, duration
from contrastive_seg.compute import choose_compute
from contrastive_seg.data.read import read_volume
from contrastive_seg.provenance import versions
from contrastive_seg.runs import RunFolder


def info(path: Path | None, device: str, output: Output) -> dict[str, Any]:
    """Describes the installation, or the image or run at ``path``.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: ``unknown-device``, ``unreadable-file``.
    """
    if path is None:
        title, values = "Installation", _installation(device)
    elif (path / "job.json").is_file():
        title, values = "Run", _run(path)
    else:
        title, values = "Image", _image(path, output)
    table = Table(title=title, show_header=False)
    for key, value in values.items():
        if title == "Run" and key == "results":
            continue
        for number, (label, text) in enumerate(_lines(key, value)):
            table.add_row(escape(label if number == 0 or label else ""), escape(text))
    results = _results(values["results"], values["segments"]) if title == "Run" else []
    output.result(values, [table, *results], [])
    return values


def _results(results: Any, names: dict[str, str]) -> list[Table]:
    """What the run has found, in the order of its cases; nothing where it has found nothing yet."""
    found = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    table = Table(title="Segmented structures")
    for column in ("Case", "Structure", "Volume (ml)", "Estimated Dice"):
        table.add_column(column, justify="left" if column in ("Case", "Structure") else "right")
    for number, one in enumerate(found):
        for key, name in names.items():
            volume, dice = (_number(one, what, key) for what in ("volume_ml", "dice_estimate"))
            table.add_row(
                str(number),
                escape(name),
                "-" if volume is None else f"{volume:.2f}",
                "-" if dice is None else f"{dice:.3f}",
            )
    return [table] if table.rows else []


def _number(result: dict[str, Any], what: str, key: str) -> float | None:
    values = result.get(what)
    value = values.get(key) if isinstance(values, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _installation(device: str) -> dict[str, Any]:
    import torch

    return {
        "contrastive_seg": __version__,
        "versions": versions(),
        "device": choose_compute(device).describe(),
        "threads": torch.get_num_threads(),
    }


def _run(path: Path) -> dict[str, Any]:
    folder = RunFolder(path)
    job, provenance, history = folder.read_job(), folder.read_provenance(), folder.read_history()
    return {
        "run": str(path),
        "cases": len(job.cases),
        "segments": {str(segment.value): segment.name for segment in job.segments},
        "rounds": len(provenance.get("rounds", [])),
        "training": duration(float(provenance.get("seconds", 0.0))),
        "steps": history[-1].step if history else 0,
        "device": provenance.get("device", "unknown"),
        "settings": job.settings,
        "results": provenance.get("results", []),
    }


def _image(path: Path, output: Output) -> dict[str, Any]:
    volume = read_volume(path, replace_nonfinite=True, on_note=output.note)
    return {
        "image": str(path),
        "size_ijk": list(reversed(volume.shape)),
        "spacing_ijk_mm": [round(s, 4) for s in reversed(volume.spacing_zyx)],
        "type": str(volume.array.dtype),
        "range": [float(volume.array.min()), float(volume.array.max())],
        "ijk_to_ras": [[round(float(v), 5) for v in row] for row in volume.ijk_to_ras],
    }


def _lines(key: str, value: Any) -> list[tuple[str, str]]:
    """A value for a person, line by line; what was not given is left out."""
    label = key.replace("_", " ")
    if isinstance(value, dict):
        texts = [f"{k.replace('_', ' ')}: {v}" for k, v in value.items() if v not in (None, "")]
    elif isinstance(value, list) and value and isinstance(value[0], list):
        texts = [", ".join(map(str, one)) for one in value]
    elif isinstance(value, list):
        texts = [", ".join(map(str, value))]
    else:
        texts = [str(value)]
    return [(label if number == 0 else "", text or "-") for number, text in enumerate(texts or ["-"])]
