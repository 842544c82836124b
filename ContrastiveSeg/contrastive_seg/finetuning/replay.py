"""Repeats a run from what its folder keeps: the same rounds, steps, learning rates and random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import EventSink
from contrastive_seg.finetuning.kept_labels import kept_labels
from contrastive_seg.finetuning.record import network_sha256
from contrastive_seg.finetuning.schedule import Schedule
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.provenance import Round, array_sha256, read_rounds

_OLD = "Run it again with this version; a run keeps since then what it takes to repeat it."


@dataclass(frozen=True)
class PlannedRound:
    """A round that can be repeated.

    Attributes:
        round: As it was recorded.
        settings: To train with.
        schedule: Of its steps.
    """

    round: Round
    settings: FinetuneSettings
    schedule: Schedule


@dataclass(frozen=True)
class Repetition:
    """What came out.

    Attributes:
        predictions: Of the last round, one for each case.
        network_sha256: Of the network that predicted.
        steps: Of all rounds.
        weights: What is known of the pretrained weights.
    """

    predictions: list[Prediction]
    network_sha256: str
    steps: int
    weights: Mapping[str, Any] = field(default_factory=dict)


def plan(
    provenance: Mapping[str, Any],
    weights: str | None,
    *,
    seed: int | None = None,
    device: str | None = None,
) -> list[PlannedRound]:
    """The rounds of a run, checked.

    Args:
        provenance: Of the run.
        weights: Name or path of the pretrained weights it began with.
        seed: Another seed than the run's.
        device: Another device than the run's.

    Raises:
        ContrastiveSegError: ``not-repeatable``, and what settings may say.
    """
    rounds = read_rounds(dict(provenance))
    if not rounds:
        raise _not("its provenance.json is missing or holds no round", "Give the folder of a finished run.")
    if [one.number for one in rounds] != list(range(1, len(rounds) + 1)):
        raise _not("a round in it was not recorded, or an older version made it", _OLD)
    planned = []
    for one in rounds:
        if one.schedule is None:
            raise _not(f"the steps of round {one.number} were not recorded", _OLD)
        try:
            _check_types(one)
            schedule = Schedule.from_dict(one.schedule)
            settings = _settings(one, weights, seed, device)
        except (TypeError, ValueError, OverflowError) as error:
            raise _not(f"round {one.number} in its provenance.json is damaged ({error})", _OLD) from error
        planned.append(PlannedRound(one, settings, schedule))
    return planned


def _check_types(one: Round) -> None:
    texts = (
        [*one.images, *one.labels] if isinstance(one.images, list) and isinstance(one.labels, list) else [0]
    )
    if not isinstance(one.settings, dict) or not all(isinstance(text, str) for text in texts):
        raise ValueError("fields of another type")
    if not isinstance(one.device, str) or len(one.images) != len(one.labels) or not one.images:
        raise ValueError("fields that disagree")
    if isinstance(one.threads, bool) or not isinstance(one.threads, int) or not 0 <= one.threads <= 4096:
        raise ValueError("threads that cannot be")
    if not isinstance(one.budget, int | float) or not 0 < one.budget < 1e7:
        raise ValueError("a budget that cannot be")


def _settings(one: Round, weights: str | None, seed: int | None, device: str | None) -> FinetuneSettings:
    known = {one.name for one in fields(FinetuneSettings)}
    stored = {key: value for key, value in one.settings.items() if key in known}
    settings = FinetuneSettings(**stored)
    return replace(
        settings,
        weights=weights if settings.weights is not None else None,
        seed=settings.seed if seed is None else seed,
        device=device or one.device,
        threads=one.threads or None,
    )


def repeat(
    run: Path,
    planned: Sequence[PlannedRound],
    volumes: Mapping[str, Volume],
    last_labels: Mapping[str, SparseLabels],
    folder: Path,
    on_event: EventSink = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    unlabelled: Sequence[str] = (),
) -> Repetition:
    """Trains all rounds again.

    Args:
        run: Folder of the run, which is only read.
        planned: Of :func:`plan`.
        volumes: By SHA256 of their arrays.
        last_labels: Sparse labels by SHA256, for what the run folder does not keep.
        folder: For the repetition's own files.
        on_event: Told the progress of each round.
        should_stop: True ends it.
        unlabelled: SHA256 of the volumes without truth, in their order; they may be cases, too.

    Raises:
        ContrastiveSegError: ``input-changed`` where an image or labels are missing, and what training
            may say.
    """
    session: FinetuningSession | None = None
    predictions: list[Prediction] = []
    others = [volumes[sha] for sha in unlabelled if sha in volumes]
    for number, one in enumerate(planned):
        if session is None:
            session = FinetuningSession(folder, one.settings)
        elif one.round.from_checkpoint or _changed(one.settings, planned[number - 1].settings):
            session = FinetuningSession.resume(folder, one.settings)
        session.set_cases(_cases(run, one, volumes, last_labels))
        if others and one.settings.semi_supervised:
            session.set_unlabelled(others)
        session.replay = one.schedule
        predictions = session.train(on_event, should_stop, one.round.budget)
        if should_stop():
            raise ContrastiveSegError("stopped", "The repetition was stopped.", "Start it again.")
    assert session is not None and session.trainer is not None
    return Repetition(
        predictions, network_sha256(session.trainer.average.network), session.step, session.weights
    )


def _changed(settings: FinetuneSettings, before: FinetuneSettings) -> bool:
    return replace(settings, budget=1) != replace(before, budget=1)


def _cases(
    run: Path, one: PlannedRound, volumes: Mapping[str, Volume], last: Mapping[str, SparseLabels]
) -> list[Case]:
    cases = []
    number = one.round.number
    for case, (image, wanted) in enumerate(zip(one.round.images, one.round.labels, strict=True)):
        if image not in volumes:
            raise ContrastiveSegError(
                "input-changed",
                f"The image of case {case} in round {number} is not the one that was learnt from, "
                "or cannot be found.",
                "Name the folder that holds the original images with --data.",
            )
        volume = volumes[image]
        labels = kept_labels(run, number, case, volume.array.shape)
        if labels is None or array_sha256(labels.array) != wanted:
            labels = last.get(wanted)
        if labels is None:
            raise ContrastiveSegError(
                "input-changed",
                f"The labels of case {case} in round {number} are not kept in the run, and those found are "
                "others than were learnt from.",
                "Bring the original label map back, or name its folder with --data.",
            )
        corrected = one.round.corrected[case] if case < len(one.round.corrected) else []
        cases.append(Case(volume, labels, frozenset((axis, index) for axis, index in corrected)))
    return cases


def _not(why: str, what_to_do: str) -> ContrastiveSegError:
    return ContrastiveSegError("not-repeatable", f"The run cannot be repeated: {why}.", what_to_do)
