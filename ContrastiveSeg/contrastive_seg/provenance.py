"""What it takes to repeat a run, without saying whose images they were."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrastive_seg import __version__
from contrastive_seg.atomic import write_json
from contrastive_seg.data.sparse_labels import PLANES
from contrastive_seg.errors import ContrastiveSegError
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
        number: Counted from 1.
        settings: In effect, as in the provenance itself.
        device: It ran on, at its end.
        threads: Of the processor.
        images: SHA256 of each case's image.
        labels: SHA256 of each case's sparse labels, which are kept beside the provenance.
        corrected: Of each case the slices that were predicted and then corrected, as array axis and index.
        schedule: Of :meth:`~contrastive_seg.finetuning.schedule.Schedule.to_dict`; None where an older
            version began the round.
        from_checkpoint: Whether it went on from a checkpoint instead of a warm session.
        from_preview: Whether the first case's mask is the last preview, as after Stop.
        network_sha256: Of the network that predicted.
    """

    started: str
    seconds: float
    budget: float
    stopped: bool = False
    number: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    threads: int = 0
    images: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    corrected: list[list[list[int]]] = field(default_factory=list)
    schedule: dict[str, Any] | None = None
    from_checkpoint: bool = False
    from_preview: bool = False
    network_sha256: str = ""


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
    records: Sequence[dict[str, Any]] | None = None,
    architecture: Mapping[str, Any] | None = None,
    unlabelled: Sequence[str] = (),
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
        records: Of :func:`case_records`, where they are known already.
        architecture: Of the network.
        unlabelled: SHA256 of the images without truth that were learnt from.

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
            "hardware": hardware(device),
            "seed": settings.seed,
            "settings": settings_of(settings),
            "architecture": dict(architecture) if architecture else None,
            "weights": dict(weights) if weights else None,
            "segments": [asdict(segment) for segment in segments],
            "cases": list(records) if records is not None else case_records(cases),
            "unlabelled": list(unlabelled),
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


def stored_matrices(provenance: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The IJK-to-RAS matrices of a stored provenance by the SHA256 of their images."""
    found = {}
    cases = provenance.get("cases")
    for one in cases if isinstance(cases, list) else []:
        try:
            matrix = np.asarray(one["ijk_to_ras"], dtype=float)
            if matrix.shape == (4, 4):
                found[str(one["image_sha256"])] = matrix
        except (KeyError, TypeError, ValueError):
            continue
    return found


def other_images(missing: int, count: int, where: Sequence[str], what_to_do: str) -> ContrastiveSegError:
    """The error for images that are others than those a run learnt from.

    Args:
        missing: How many of them,
        count: of how many.
        where: What was found instead, for the user.
        what_to_do: A sentence.
    """
    listed = ", ".join(dict.fromkeys(where)) or "none of the files is there any more"
    return ContrastiveSegError(
        "input-changed",
        f"{missing} of {count} image(s) are not those that the run learnt from: {listed}.",
        what_to_do,
    )


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that decide about the numbers; None where absent."""
    found: dict[str, str | None] = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package.lower()] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package.lower()] = None
    return found


def hardware(device: str) -> dict[str, Any]:
    """What else decides about the last bits: kind of processor or GPU, and threads.

    Args:
        device: As PyTorch names it.
    """
    import torch

    name = platform.machine()
    if device.startswith("cuda") and torch.cuda.is_available():
        name = torch.cuda.get_device_name(device)
    capability = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "unknown")()
    return {"processor": name, "cpu_capability": str(capability), "threads": torch.get_num_threads()}


def array_sha256(array: np.ndarray) -> str:
    """SHA256 of an array's values in C order, little endian; the same for a memory map or a copy.

    Args:
        array: Any numeric array; read slice by slice, so that a memory map is never copied whole.
    """
    digest = hashlib.sha256()
    for part in array if array.ndim > 1 else [array]:
        digest.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def settings_of(settings: FinetuneSettings) -> dict[str, Any]:
    """Settings as they are stored: of a path of weights only the last part."""
    stored = asdict(settings)
    if stored.get("weights"):
        stored["weights"] = Path(stored["weights"].replace("\\", "/")).name
    return stored


def case_records(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """What is stored of each case: hashes, geometry, which slices are annotated; no name."""
    return [_case(index, case) for index, case in enumerate(cases)]


def _case(index: int, case: Case) -> dict[str, Any]:
    volume, labels = case.volume, case.labels
    return {
        "case": index,
        "shape_zyx": list(volume.shape),
        "dtype": str(volume.array.dtype),
        "spacing_zyx_mm": list(volume.spacing_zyx),
        "ijk_to_ras": [[float(number) for number in row] for row in volume.ijk_to_ras],
        "image_sha256": array_sha256(volume.array),
        "labels_sha256": array_sha256(labels.array),
        "label_values": list(labels.values),
        "corrected_slices": [list(one) for one in sorted(case.corrected)],
        "annotated_slices": {name: labels.annotated_slices(axis) for axis, name in enumerate(PLANES)},
    }
