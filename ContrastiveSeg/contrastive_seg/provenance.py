"""What it takes to repeat a run, without saying whose images they were."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrastive_seg import __version__
from contrastive_seg.atomic import write_json
from contrastive_seg.data.sparse_labels import PLANES
from contrastive_seg.runs import HistoryPoint, Segment

if TYPE_CHECKING:
    from contrastive_seg.finetuning.session import Case
    from contrastive_seg.finetuning.settings import FinetuneSettings

PROVENANCE_FORMAT = 1
_PACKAGES = ("torch", "monai", "numpy", "scipy", "SimpleITK", "safetensors")


@dataclass(frozen=True)
class Round:
    """One call of ``train``.

    Attributes:
        started: UTC time in ISO 8601.
        seconds: How long it took, saving included.
        budget: Seconds it was given.
        stopped: Whether the user stopped it.
    """

    started: str
    seconds: float
    budget: float
    stopped: bool = False


def write_provenance(
    folder: Path,
    *,
    cases: Sequence[Case],
    settings: FinetuneSettings,
    device: str,
    history: Sequence[HistoryPoint],
    rounds: Sequence[Round],
    segments: Sequence[Segment] = (),
    results: Sequence[dict[str, Any]] = (),
    weights: Mapping[str, Any] | None = None,
) -> Path:
    """Writes ``provenance.json`` into a run folder. It holds no names of volumes and no paths.

    Args:
        folder: The run folder.
        cases: The cases trained on, in order.
        settings: The settings in effect; of ``weights`` only the last part of a path is kept.
        device: Device the training ran on, e.g. ``"cpu"`` or ``"cuda:0"``.
        history: The learning curve over all rounds.
        rounds: All rounds so far, the oldest first.
        segments: Names of the label values.
        results: Per case what was found, e.g. ``{"dice_estimate": {...}, "volume_ml": {...}}``.
        weights: The card of the pretrained weights that the run began with, its SHA256 included.

    Returns:
        Path of the file written.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    path = folder / "provenance.json"
    write_json(
        path,
        {
            "format": PROVENANCE_FORMAT,
            "engine": {"name": "contrastive_seg", "version": __version__},
            "versions": versions(),
            "platform": f"{platform.system()} {platform.machine()}",
            "device": device,
            "seed": settings.seed,
            "settings": _settings(settings),
            "weights": dict(weights) if weights else None,
            "segments": [asdict(segment) for segment in segments],
            "cases": [_case(index, case) for index, case in enumerate(cases)],
            "rounds": [asdict(round_) for round_ in rounds],
            "seconds": round(sum(round_.seconds for round_ in rounds), 3),
            "history": [asdict(point) for point in history],
            "results": list(results),
        },
    )
    return path


def read_rounds(provenance: dict[str, Any]) -> list[Round]:
    """The rounds in a stored provenance; empty where there are none that can be read."""
    known = {one.name for one in fields(Round)}
    try:
        return [Round(**{k: v for k, v in stored.items() if k in known}) for stored in provenance["rounds"]]
    except (KeyError, TypeError, AttributeError):
        return []


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that decide about the numbers; None where absent."""
    found: dict[str, str | None] = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package.lower()] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package.lower()] = None
    return found


def array_sha256(array: np.ndarray) -> str:
    """SHA256 of an array's values in C order, little endian; the same for a memory map or a copy.

    Args:
        array: Any numeric array; read slice by slice, so that a memory map is never copied whole.
    """
    digest = hashlib.sha256()
    for part in array if array.ndim > 1 else [array]:
        digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _settings(settings: FinetuneSettings) -> dict[str, Any]:
    stored = asdict(settings)
    if stored.get("weights"):
        stored["weights"] = Path(stored["weights"].replace("\\", "/")).name
    return stored


def _case(index: int, case: Case) -> dict[str, Any]:
    volume, labels = case.volume, case.labels
    return {
        "case": index,
        "shape_zyx": list(volume.shape),
        "dtype": str(volume.array.dtype),
        "spacing_zyx_mm": list(volume.spacing_zyx),
        "image_sha256": array_sha256(volume.array),
        "labels_sha256": array_sha256(labels.array),
        "label_values": list(labels.values),
        "annotated_slices": {name: labels.annotated_slices(axis) for axis, name in enumerate(PLANES)},
    }
