"""The images and label maps of a run, found again and checked by their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.pairs import SUFFIXES
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.provenance import array_sha256, other_images, read_rounds, stored_matrices
from contrastive_seg.runs import Job, JobCase, RunFolder
from contrastive_seg.worker.arrays import open_labels, open_volume


def find_inputs(
    folder: RunFolder, job: Job, provenance: Mapping[str, Any], data: Path | None, output: Output
) -> tuple[dict[str, Volume], dict[str, SparseLabels]]:
    """What the run learnt from.

    Args:
        folder: Of the run.
        job: Says where the images were.
        provenance: Says which they were.
        data: A folder to look in as well, for files of the same names first.
        output: Told what has changed.

    Returns:
        Volumes by the SHA256 of their arrays, and label maps likewise where they are stored as arrays.

    Raises:
        ContrastiveSegError: ``input-changed``, naming the files that are others than they were.
    """
    wanted = {sha for one in read_rounds(dict(provenance)) for sha in one.images}
    unlabelled = provenance.get("unlabelled")
    wanted |= {str(sha) for sha in unlabelled} if isinstance(unlabelled, list) else set()
    matrices = stored_matrices(provenance)
    volumes: dict[str, Volume] = {}
    labels: dict[str, SparseLabels] = {}
    others: list[str] = []
    for case in [*job.cases, *job.unlabelled]:
        for place in _places(folder, case, data):
            volume = _volume(folder, case, place)
            if volume is None:
                others.append(f"'{place}' (cannot be read)")
                continue
            sha = array_sha256(volume.array)
            if sha in wanted and sha not in volumes:
                volumes[sha] = _placed(volume, matrices.get(sha), place, output)
                _add_labels(folder, case, volume, labels)
                break
            if sha in volumes:
                break
            others.append(f"'{place}' (has changed since)")
        if wanted <= set(volumes):
            break
    if data is not None and not wanted <= set(volumes):
        _search(folder, data, wanted, volumes, matrices, output)
    missing = len(wanted - set(volumes))
    if missing:
        advice = "Bring the original images back, or name their folder with --data."
        raise other_images(missing, len(wanted), others, advice)
    return volumes, labels


def _places(folder: RunFolder, case: JobCase, data: Path | None) -> list[Path]:
    name = Path(case.image).name
    places = [folder.resolve(case.image)]
    if data is not None:
        places = [data / "images" / name, data / name, *places]
    return [place for place in places if place.exists()]


def _volume(folder: RunFolder, case: JobCase, place: Path) -> Volume | None:
    try:
        if place.suffix.lower() == ".npy":
            return open_volume(folder, JobCase(str(place.absolute()), None, case.ijk_to_ras), 0)
        # What was not finite was replaced then, or there was nothing of the kind.
        return read_volume(place, replace_nonfinite=True)
    except ContrastiveSegError:
        return None


def _placed(volume: Volume, matrix: np.ndarray | None, place: Path, output: Output) -> Volume:
    """The volume where it was in space then: that decides about planes and pixel sizes."""
    if matrix is None or np.allclose(matrix, volume.ijk_to_ras, rtol=0, atol=1e-9):
        return volume
    output.note(f"The geometry in '{place}' has changed since; that of the run is used.")
    return Volume(volume.array, matrix, volume.name)


def _add_labels(folder: RunFolder, case: JobCase, volume: Volume, labels: dict[str, SparseLabels]) -> None:
    """Label arrays beside the run, as the worker has them; label maps need not be read again."""
    if case.labels is None or not case.labels.lower().endswith(".npy"):
        return
    try:
        found = open_labels(folder, case, volume)
    except ContrastiveSegError:
        return
    labels[array_sha256(found.array)] = found


def _search(
    folder: RunFolder,
    data: Path,
    wanted: set[str],
    volumes: dict[str, Volume],
    matrices: Mapping[str, np.ndarray],
    output: Output,
) -> None:
    """Looks through a folder for images under whatever names."""
    inner = [data / "images", data]
    for place in (one for part in inner if part.is_dir() for one in sorted(part.iterdir())):
        if wanted <= set(volumes):
            return
        if not place.name.lower().endswith((*SUFFIXES, ".npy")) and not place.is_dir():
            continue
        case = JobCase(str(place), None, tuple(map(tuple, np.eye(4).tolist())))
        volume = _volume(folder, case, place)
        if volume is not None and (sha := array_sha256(volume.array)) in wanted and sha not in volumes:
            volumes[sha] = _placed(volume, matrices.get(sha), place, output)
