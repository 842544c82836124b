"""``contrastive-seg finetune``: sparse labels in, segmented volumes out."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg.commands.console import Output, duration
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.commands.outputs import check_run_folder
from contrastive_seg.commands.pairs import Pair
from contrastive_seg.data.read import read_labels, read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import load_state
from contrastive_seg.finetuning.events import Event, Note, Progress
from contrastive_seg.finetuning.for_others import ForOthers
from contrastive_seg.finetuning.kept_labels import keep_labels
from contrastive_seg.finetuning.record import round_of
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.pretraining.data.volumes import find_volumes
from contrastive_seg.provenance import array_sha256, case_records, read_rounds, write_provenance
from contrastive_seg.runs import History, HistoryPoint, Job, JobCase, RunFolder, Segment, job_cases
from contrastive_seg.weights.store import Store
from contrastive_seg.worker.outputs import volumes_ml


@dataclass(frozen=True)
class LabelReading:
    """How label maps are to be understood (see :func:`~contrastive_seg.data.read.read_labels`)."""

    ignore: int | None = None
    plane: str | None = None
    annotated: tuple[str, ...] = ()
    replace_nonfinite: bool = False


def finetune(
    pairs: Sequence[Pair],
    run: Path,
    settings: FinetuneSettings,
    reading: LabelReading,
    names: dict[int, str],
    resume: bool,
    output: Output,
    unlabelled: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Learns from the pairs that have labels and segments all of them.

    Writes ``prediction.nii.gz`` and ``uncertainty.nii.gz`` (0 sure to 1 undecided) into the run for
    one image, ``predictions/NAME.nii.gz`` and ``uncertainty/NAME.nii.gz`` for several (one without labels
    that cannot be read is left out and named); besides them
    the checkpoint, ``history.jsonl``, ``job.json`` and ``provenance.json``. An earlier run in the folder
    goes on with ``resume``, is removed with ``overwrite`` as soon as all inputs were read, or else refused.

    Returns:
        What ``--json`` prints.

    Raises:
        ContrastiveSegError: Anything a user can put right.
    """
    inputs = [path for pair in pairs for path in (pair.image, pair.labels) if path is not None]
    check_run_folder(run, inputs, resume=resume, overwrite=overwrite)
    if resume:
        load_state(run)  # before a folder is made and all inputs are read
    folder = RunFolder(run).create()
    labelled = [pair for pair in pairs if pair.labels is not None]
    others = [pair for pair in pairs if pair.labels is None]
    cases = [_read_case(pair, reading, names, output) for pair in labelled]
    session = FinetuningSession.resume(run, settings) if resume else FinetuningSession(run, settings)
    if resume:
        _check_start(session, settings)
    session.set_cases(cases)
    others_read = _read_unlabelled(unlabelled, reading, output) if unlabelled is not None else []
    if others_read:
        session.set_unlabelled([volume for _, volume in others_read])
    values = sorted({value for case in cases for value in case.labels.values} - {0})
    if unseen := sorted(set(names) - {0, *values}):
        output.note(f"--name names {', '.join(map(str, unseen))}, which no label map shows.")
    segments = tuple(Segment(value, names.get(value, f"Structure {value}")) for value in values)
    labels = [pair.labels for pair in labelled]
    without = tuple(JobCase(str(path.resolve())) for path, _ in others_read)
    if not resume:
        folder.forget()  # before the job: files of two runs are never together in the folder
    folder.write_job(Job(job_cases([p.image for p in labelled], labels), asdict(settings), segments, without))
    rounds = read_rounds(folder.read_provenance()) if resume else []
    learner = _Learner(session, cases, History(folder, proceed=resume), output)
    results: list[dict[str, Any]] = []
    hashes: list[str] = []

    def keep(pair: Pair, volume: Volume, prediction: Prediction) -> None:
        place = "" if len(pairs) == 1 else pair.name
        results.append(_write(run, place, pair, volume, prediction, tuple(values)))
        hashes.append(array_sha256(prediction.labels))

    started, clock = datetime.now(timezone.utc), time.monotonic()
    with stop_on_interrupt(
        lambda: output.note("Stopping; what has been learnt is kept. Press Ctrl+C again to end at once.")
    ) as should_stop:
        predictions = learner.train(should_stop)
        stopped = should_stop()
        for pair, case, prediction in zip(labelled, cases, predictions, strict=True):
            keep(pair, case.volume, prediction)
        seconds = time.monotonic() - clock
        # Before the others: whatever is wrong with them, what was learnt is noted.
        records = case_records(cases)
        rounds.append(round_of(session, records, started, seconds, settings.budget, stopped))
        keep_labels(run, rounds[-1].number, [case.labels for case in cases])
        assert session.state is not None
        found = [{key: value for key, value in r.items() if key not in ("image", "files")} for r in results]
        write_provenance(
            run,
            cases=cases,
            settings=settings,
            device=str(session.compute.device),
            history=learner.history.points,
            rounds=rounds,
            segments=segments,
            results=[
                {"case": number, **one, "prediction_sha256": hashes[number]}
                for number, one in enumerate(found)
            ],
            weights=session.weights,
            records=records,
            architecture=session.state.architecture.to_dict(),
            unlabelled=[array_sha256(volume.array) for _, volume in others_read],
        )
        failures: list[dict[str, str]] = []
        with contextlib.suppress(Stopped):
            for pair in others:
                try:
                    volume = _read_image(pair, reading, output)
                except ContrastiveSegError as error:
                    failures.append({"image": pair.name, "reason": str(error)})
                    output.note(f"'{pair.name}' is left out: {error}")
                    continue
                keep(pair, volume, learner.predict(volume, should_stop))
    summary = {
        "run": str(run),
        "device": str(session.compute.device),
        "steps": session.step,
        "seconds": round(seconds, 2),
        "stopped": stopped,
        "segments": [asdict(segment) for segment in segments],
        "cases": results,
        "failures": failures,
    }
    output.result(summary, [_table(results, segments)], [_closing(summary, run)])
    return summary


def _check_start(session: FinetuningSession, settings: FinetuneSettings) -> None:
    """A run goes on with the network and the weights that it began with; others would not be looked at.

    Raises:
        ContrastiveSegError: ``other-settings``.
    """
    assert session.state is not None
    network, weights = session.state.architecture.network, session.state.weights
    named = None
    if settings.weights is not None:
        with contextlib.suppress(ContrastiveSegError):  # they need not be there any more
            named = Store().find(settings.weights).card
    if settings.weights is None and settings.network not in ("unet", network):
        began, option = f"with the network '{network}'", f"--network {settings.network}"
    elif settings.weights is not None and not weights:
        began, option = "without pretrained weights", f"--weights {settings.weights}"
    elif named is not None and named.sha256 != weights.get("sha256"):
        began = f"with the weights '{weights.get('name')}' (version {weights.get('version')})"
        option = f"--weights {settings.weights} (version {named.version})"
    else:
        return
    raise ContrastiveSegError(
        "other-settings",
        f"The run in '{session.folder}' began {began}, so {option} is of no use any more.",
        "Resume with what it began with, or begin another run.",
    )


class _Learner:
    """Runs the session and shows what it reports."""

    def __init__(
        self, session: FinetuningSession, cases: Sequence[Case], history: History, output: Output
    ) -> None:
        self.session = session
        self.history = history
        self._others = ForOthers(session.folder, session, lambda: cases)
        self._output = output

    def train(self, should_stop: Callable[[], bool]) -> list[Prediction]:
        with self._output.progress() as show:
            return self.session.train(self._sink(show), should_stop)

    def predict(self, volume: Volume, should_stop: Callable[[], bool]) -> Prediction:
        with self._output.progress() as show:
            sink = self._sink(show)
            return self._others.session(sink, should_stop).predict(volume, None, sink, should_stop)

    def _sink(self, show: Callable[[str, float, float | None], None]) -> Callable[[Event], None]:
        def sink(event: Event) -> None:
            if isinstance(event, Progress):
                show(event.stage, event.fraction, event.seconds_left)
            elif isinstance(event, Note):
                self._output.note(event.sentence)
            elif isinstance(event, HistoryPoint) and math.isfinite(event.loss):
                self.history.add(event)

        return sink


def _read_image(pair: Pair, reading: LabelReading, output: Output) -> Volume:
    return read_volume(pair.image, replace_nonfinite=reading.replace_nonfinite, on_note=output.note)


def _read_unlabelled(source: Path, reading: LabelReading, output: Output) -> list[tuple[Path, Volume]]:
    """The files and volumes of a folder or table; one that cannot be read is left out and named."""
    found = []
    for one in find_volumes(source, output.note):
        try:
            volume = read_volume(one.path, replace_nonfinite=reading.replace_nonfinite, on_note=output.note)
        except ContrastiveSegError as error:
            output.note(f"'{one.name}' is left out: {error}")
            continue
        found.append((one.path, volume))
    if not found:
        raise ContrastiveSegError(
            "no-volumes",
            f"No volume in '{source}' can be used.",
            "Check the files, or leave --unlabelled out.",
        )
    return found


def _read_case(pair: Pair, reading: LabelReading, names: Mapping[int, str], output: Output) -> Case:
    volume = _read_image(pair, reading, output)
    assert pair.labels is not None
    labels = read_labels(
        pair.labels,
        volume,
        reading.ignore,
        reading.plane,
        reading.annotated,
        structures=names,
        on_note=output.note,
    )
    return Case(volume, labels)


def _write(
    run: Path, place: str, pair: Pair, volume: Volume, prediction: Prediction, values: tuple[int, ...]
) -> dict[str, Any]:
    """Writes the files of one image; ``place`` is empty for a run with one image."""
    mask = run / "predictions" / f"{place}.nii.gz" if place else run / "prediction.nii.gz"
    doubt = run / "uncertainty" / f"{place}.nii.gz" if place else run / "uncertainty.nii.gz"
    write_like(prediction.labels, volume, mask)
    write_like(prediction.uncertainty, volume, doubt, divide_by=100.0)
    estimate = {str(k): round(v, 4) for k, v in prediction.dice_estimate.items() if math.isfinite(v)}
    return {
        "image": pair.name,
        "files": {"prediction": str(mask), "uncertainty": str(doubt)},
        "dice_estimate": estimate,
        "volume_ml": volumes_ml(prediction.labels, volume.ijk_to_ras, values),
    }


def _table(results: Sequence[dict[str, Any]], segments: Sequence[Segment]) -> Table:
    estimated = any(result["dice_estimate"] for result in results)
    table = Table(title="Segmented structures")
    for column in ("Image", "Structure", "Volume (ml)", *(["Estimated Dice"] if estimated else [])):
        table.add_column(column, justify="left" if column in ("Image", "Structure") else "right")
    for result in results:
        for segment in segments:
            key = str(segment.value)
            row = [escape(result["image"]), escape(segment.name), f"{result['volume_ml'].get(key, 0.0):.2f}"]
            if estimated:
                dice = result["dice_estimate"].get(key)
                row.append("-" if dice is None else f"{dice:.3f}")
            table.add_row(*row)
    return table


def _closing(summary: dict[str, Any], run: Path) -> str:
    end = "Stopped" if summary["stopped"] else "Done"
    return f"{end} after {duration(summary['seconds'])} on {summary['device']}. The masks are in '{run}'."
