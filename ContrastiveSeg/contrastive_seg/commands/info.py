"""``contrastive-seg info``: what is installed, what is in an image, what a run has learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
        for number, (label, text) in enumerate(_lines(key, value)):
            table.add_row(label if number == 0 or label else "", text)
    output.result(values, [table], [])
    return values


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
    label = key.replace("_", " ")
    if isinstance(value, dict):
        return [(label if n == 0 else "", f"{k}: {v}") for n, (k, v) in enumerate(value.items())] or [
            (label, "-")
        ]
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return [(label if n == 0 else "", str(one)) for n, one in enumerate(value)]
    return [(label, str(value))]
