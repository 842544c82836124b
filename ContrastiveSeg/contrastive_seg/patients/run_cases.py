"""What a run learnt from and for how long, as its folder still says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.for_others import ForOthers
from contrastive_seg.finetuning.kept_labels import kept_labels
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
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
) -> None:
    """Leaves in a run's folder what segments other volumes, where it is not there yet.

    Raises:
        ContrastiveSegError: ``no-checkpoint``, ``bad-checkpoint`` or ``out-of-memory``.
        Stopped: When asked to stop.
    """
    session = FinetuningSession.resume(run, as_long_as(run, FinetuneSettings()))
    for_others(run, session).session(on_progress, should_stop)


def as_long_as(run: Path, settings: FinetuneSettings) -> FinetuneSettings:
    """Settings with the budget and the steps of a run, where its folder says what these were."""
    try:
        asked = RunFolder(run).read_job().settings
        return replace(settings, **{key: asked[key] for key in ("budget", "steps") if key in asked})
    except (ContrastiveSegError, TypeError):
        return settings


def _cases(run: Path, number: int) -> list[Case]:
    """The cases of a round; none where one of them cannot be read any more, or its labels were not kept."""
    folder = RunFolder(run)
    cases = []
    try:
        for index, case in enumerate(folder.read_job().cases):
            volume = open_volume(folder, case, index)
            labels = kept_labels(run, number, index, volume.shape)
            if labels is None:
                return []
            cases.append(Case(volume, labels))
    except ContrastiveSegError:
        return []
    return cases
