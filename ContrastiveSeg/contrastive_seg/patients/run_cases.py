"""What a run learnt from and for how long, as its folder still says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.for_others import MISSING, ForOthers
from contrastive_seg.finetuning.kept_labels import kept_labels
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.provenance import Round, array_sha256, other_images, read_rounds, stored_matrices
from contrastive_seg.runs import RunFolder
from contrastive_seg.worker.arrays import open_volume

_LARGEST = 1 << 31
"""Voxels of a volume that was learnt from."""


def for_others(run: Path, session: FinetuningSession, reviewed: Sequence[Case] | None = None) -> ForOthers:
    """What segments other volumes than those of a run.

    Args:
        run: The run folder.
        session: What was learnt there.
        reviewed: As in :class:`~contrastive_seg.finetuning.for_others.ForOthers`.
    """
    assert session.state is not None
    number = session.state.round
    return ForOthers(run, session, lambda: _cases(run, number, bool(reviewed)), reviewed)


def learn_for_others(
    run: Path, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> str:
    """Leaves in a run's folder what segments other volumes, where it is not there yet.

    Returns:
        A sentence where that could not be learnt, as what the run learnt from is not there any more.

    Raises:
        ContrastiveSegError: ``no-checkpoint``, ``bad-checkpoint``, ``input-changed`` or ``out-of-memory``.
        Stopped: When asked to stop.
    """
    session = FinetuningSession.resume(run, as_long_as(run, FinetuneSettings()))
    others = for_others(run, session)
    others.session(on_progress, should_stop)
    return others.warning


def as_long_as(run: Path, settings: FinetuneSettings) -> FinetuneSettings:
    """Settings with the budget and the steps of a run, where its folder says what these were."""
    try:
        asked = RunFolder(run).read_job().settings
        return replace(settings, **{key: asked[key] for key in ("budget", "steps") if key in asked})
    except (ContrastiveSegError, TypeError):
        return settings


def _cases(run: Path, number: int, always: bool) -> list[Case]:
    """The cases of a round, checked by their hashes.

    Args:
        run: The run folder.
        number: Of the round.
        always: Whether also those of a run in which all were labelled completely, which needs them no more.

    Raises:
        ContrastiveSegError: ``no-cases`` where an image or what was painted on it is not there any more,
            ``input-changed`` where the voxels of an image are others.
    """
    folder = RunFolder(run)
    provenance = folder.read_provenance()
    known = next((one for one in read_rounds(provenance) if one.number == number), None)
    try:
        stored = folder.read_job().cases
    except ContrastiveSegError as error:
        raise _gone(error.sentence) from error
    if known is None or not len(stored) == len(known.images) == len(known.labels) > 0:
        raise _gone(
            "The learning of this run was interrupted, so that its folder does not say what was learnt from.",
            "Finish the learning, or learn again.",
        )
    labels = _labels(run, known, provenance)
    if not always and all(one.is_complete for one in labels):
        return []
    matrices = stored_matrices(provenance)
    cases, changed = [], []
    for index, (case, sha) in enumerate(zip(stored, known.images, strict=True)):
        place = folder.resolve(case.image).resolve()
        if not place.exists():
            raise _gone(f"The image that was learnt from, '{place}', is not there.")
        try:
            # what was not finite was replaced then, or there was nothing of the kind
            volume = open_volume(folder, case, index, replace_nonfinite=True)
        except ContrastiveSegError as error:
            raise _gone(
                f"The image that was learnt from cannot be used any more: {error.sentence}"
            ) from error
        if array_sha256(volume.array) != sha:
            changed.append(f"'{place}' (has changed since)")
            continue
        # the header may have changed since: the labels belong to where the voxels were then
        cases.append(Case(replace(volume, ijk_to_ras=matrices.get(sha, volume.ijk_to_ras)), labels[index]))
    if changed:
        advice = "Bring the original images back, or learn again."
        raise other_images(len(changed), len(stored), changed, advice)
    return cases


def _labels(run: Path, known: Round, provenance: Mapping[str, Any]) -> list[SparseLabels]:
    """What was annotated in a round.

    Raises:
        ContrastiveSegError: ``no-cases``.
    """
    found = []
    try:
        shapes = [tuple(int(n) for n in one["shape_zyx"]) for one in provenance["cases"]]
        for index, sha in enumerate(known.labels):
            if prod(shapes[index]) > _LARGEST:  # a damaged file must not take all memory
                break
            labels = kept_labels(run, known.number, index, shapes[index])
            if labels is not None and array_sha256(labels.array) == sha:
                found.append(labels)
    except (LookupError, TypeError, ValueError):
        found = []
    if len(found) < len(known.labels):
        raise _gone("What was annotated then is not in the folder of the run any more.")
    return found


def _gone(sentence: str, advice: str = "Put it back, or learn again.") -> ContrastiveSegError:
    return ContrastiveSegError(MISSING, sentence, f"Without it other patients are segmented worse. {advice}")
