"""What a run learnt from and for how long, as its folder still says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.for_others import MISSING, ForOthers
from contrastive_seg.finetuning.kept_labels import kept_labels
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.provenance import array_sha256, other_images, read_rounds, stored_matrices
from contrastive_seg.runs import RunFolder
from contrastive_seg.worker.arrays import open_volume


def for_others(run: Path, session: FinetuningSession) -> ForOthers:
    """What segments other volumes than those of a run.

    Args:
        run: The run folder.
        session: What was learnt there.
    """
    assert session.state is not None
    number = session.state.round
    return ForOthers(run, session, lambda: _cases(run, number))


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


def _cases(run: Path, number: int) -> list[Case]:
    """The cases of a round, checked by their hashes: the voxels, and the labels that were kept.

    Raises:
        ContrastiveSegError: ``no-cases`` where an image or what was painted on it is not there any more,
            ``input-changed`` where an image is another one.
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
    matrices = stored_matrices(provenance)
    cases, changed = [], []
    for index, case in enumerate(stored):
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
        if array_sha256(volume.array) != known.images[index]:
            changed.append(f"'{place}' (has changed since)")
            continue
        # the header may have changed since: the labels belong to where the voxels were then
        volume = replace(volume, ijk_to_ras=matrices.get(known.images[index], volume.ijk_to_ras))
        labels = kept_labels(run, number, index, volume.shape)
        if labels is None or array_sha256(labels.array) != known.labels[index]:
            raise _gone("What was annotated then is not in the folder of the run any more.")
        cases.append(Case(volume, labels))
    if changed:
        advice = "Bring the original images back, or learn again."
        raise other_images(len(changed), len(stored), changed, advice)
    return cases


def _gone(sentence: str, advice: str = "Put it back, or learn again.") -> ContrastiveSegError:
    return ContrastiveSegError(MISSING, sentence, f"Without it other patients are segmented worse. {advice}")
