"""What it takes to repeat a pretraining, beside its weights; without names of files."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contrastive_seg import __version__
from contrastive_seg.atomic import write_json
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.provenance import hardware, versions
from contrastive_seg.weights.card import WeightCard

SUFFIX = ".provenance.json"
_MOST = 32 << 30
"""Bytes that are read for hashes; of further files only the sizes are kept."""
_BLOCK = 1 << 20


def write_pretraining_provenance(folder: Path, card: WeightCard, job: Pretraining, data: SliceData) -> Path:
    """Writes ``NAME.provenance.json`` beside the weights.

    Args:
        folder: Of the weights.
        card: As it was written with them.
        job: After its last step.
        data: What was learnt from.

    Returns:
        The file.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    path = folder / f"{card.name}{SUFFIX}"
    device = str(job.compute.device)
    write_json(
        path,
        {
            "format": 1,
            "weights": {"name": card.name, "version": card.version, "sha256": card.sha256},
            "engine": {"name": "contrastive_seg", "version": __version__},
            "versions": versions(),
            "platform": f"{platform.system()} {platform.machine()}",
            "device": device,
            "hardware": hardware(device),
            "processes": job.processes.count,
            "command": card.command,
            "settings": asdict(job.settings),
            "slices": {**asdict(data.settings), "context": data.context, "neighbours": data.neighbours},
            "volumes": _volumes(data),
            "skipped": len(data.skipped),
            "losses": [{"step": step, "loss": loss} for step, loss in job.losses],
        },
    )
    return path


def _volumes(data: SliceData) -> list[dict[str, Any]]:
    left = _MOST
    found = []
    for volume in data.volumes:
        source = volume.source
        files = _files(source.path, source.frames)
        size = sum(_size(path) for path in files)
        left -= size
        found.append(
            {
                "files": len(files),
                "bytes": size,
                "sha256": _sha256(files) if left >= 0 else None,
                "first": source.first,
                "last": source.last,
                "slices": volume.slices,
                "used": volume.used,
                "plane": volume.plane,
                "pixel_mm": volume.pixel,
            }
        )
    return found


def _files(path: Path, frames: tuple[Path, ...]) -> list[Path]:
    if frames:
        return list(frames)
    return sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]


def _sha256(files: list[Path]) -> str | None:
    """Of the content of all files, one after the other; None where one cannot be read any more."""
    digest = hashlib.sha256()
    try:
        for path in files:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
