"""Carries out the commands: holds the session, the volumes and the run's folder between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export.run import export_run
from contrastive_seg.finetuning.events import Event, Note, Progress
from contrastive_seg.finetuning.session import Case
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.runs import JobCase, RunFolder
from contrastive_seg.worker.arrays import open_labels, open_volume
from contrastive_seg.worker.channel import EventWriter
from contrastive_seg.worker.outputs import doubtful_fields, volumes_ml, write_prediction
from contrastive_seg.worker.protocol import Export, Id, Open, Predict, Suggest, Train
from contrastive_seg.worker.relay import Relay
from contrastive_seg.worker.run import Run, job_of


class Host:
    """Holds one run. After an error it holds what it held before and takes the next command.

    Args:
        writer: Where the events go.
        is_quitting: Whether the process is to end, so that results are no longer wanted.
    """

    def __init__(self, writer: EventWriter, is_quitting: Callable[[], bool]) -> None:
        self._writer = writer
        self._is_quitting = is_quitting
        self._run: Run | None = None
        self._usable = False

    def open(self, command: Open) -> None:
        """Opens a run, or its next round with the network kept warm."""
        self._status("opening", "Reading the images.", command.id)
        self._usable = False  # a train sent along must not work on the labels of an earlier round
        folder = RunFolder(Path(command.run).absolute()).create()
        job, settings = job_of(command, folder)
        cases = []
        for number, job_case in enumerate(job.cases):
            volume = open_volume(folder, job_case, number)
            labels = open_labels(folder, job_case, volume)
            cases.append(Case(volume, labels, frozenset(job_case.corrected)))
        unlabelled = self._unlabelled(folder, job.unlabelled if settings.semi_supervised else (), command.id)
        run = self._run
        warm = run is not None and run.continues(folder, settings) and not command.anew
        if run is None or not warm:
            # with another device or seed the run still goes on, from what it has saved
            resume = command.resume or (run is not None and run.folder.path == folder.path)
            resume = resume and not command.anew
            if command.anew:
                folder.forget_learnt()
            self._run = run = None  # its network and volumes go before those of the next one come
            run = self._run = Run(folder, settings, resume=resume)
            if command.resume and not run.resumed:
                self._writer.send(
                    "note",
                    reply_to=command.id,
                    code="no-checkpoint",
                    message="The run had not saved anything yet, so it begins anew.",
                )
        run.job, run.settings, run.cases, run.unlabelled = job, settings, cases, unlabelled
        run.session.set_cases(cases)
        run.session.set_unlabelled(unlabelled)
        folder.write_job(job)
        self._usable = True
        self._writer.send(
            "result",
            reply_to=command.id,
            **{"for": "open", "case": None},
            cases=len(cases),
            warm=warm,
            resumed=run.resumed,
            step=run.session.step,
        )
        self._status("ready", "Ready.", command.id)

    def _unlabelled(self, folder: RunFolder, found: Sequence[JobCase], id_: Id) -> list[Volume]:
        """Further volumes; one that cannot be used is left out and named."""
        volumes = []
        for number, one in enumerate(found):
            try:
                volumes.append(open_volume(folder, one, number))
            except ContrastiveSegError as error:
                name = one.name or Path(one.image).name
                message = f"'{name}' is left out: {error}"
                self._writer.send("note", reply_to=id_, code=error.code, message=message)
        return volumes

    def train(self, command: Train, should_stop: Callable[[], bool]) -> None:
        """Trains, then writes and announces the result of every case."""
        run = self._open_run()
        self._status("training", "Training.", command.id)
        budget = command.budget or run.settings.budget
        started, clock = datetime.now(timezone.utc), time.monotonic()
        predictions = run.session.train(
            on_event=Relay(self._writer, run, command.id), should_stop=should_stop, budget=budget
        )
        if self._is_quitting():
            return
        stopped = should_stop()
        results = [
            self._result(
                {"for": "train", "case": number, "stopped": stopped},
                (command.id, str(number)),
                run.cases[number].volume,
                prediction,
            )
            for number, prediction in enumerate(predictions)
        ]
        seconds = round(time.monotonic() - clock, 3)
        run.record_round(predictions, results, started, seconds, budget, stopped)

    def predict(self, command: Predict, should_stop: Callable[[], bool]) -> None:
        """Segments a case of the run or another image."""
        run = self._open_run()
        self._status("predicting", "Segmenting the volume.", command.id)
        labels = None
        if command.case is not None:
            if command.case >= len(run.cases):
                raise _no_case(command.case, run)
            volume, labels = run.cases[command.case].volume, run.cases[command.case].labels
        else:
            assert command.image is not None  # the protocol sees to it
            volume = open_volume(run.folder, command.image, 0)
            if command.image.labels is not None:
                labels = open_labels(run.folder, command.image, volume)
        prediction = run.session.predict(
            volume, labels, on_event=Relay(self._writer, run, command.id), should_stop=should_stop
        )
        if self._is_quitting():
            return
        name = command.output or ("image" if command.case is None else str(command.case))
        about = {"for": "predict", "case": command.case, "stopped": should_stop()}
        self._result(about, (command.id, name), volume, prediction)

    def suggest(self, command: Suggest, should_stop: Callable[[], bool]) -> None:
        """Says which slices of a case to annotate next."""
        run = self._open_run()
        if command.case >= len(run.cases):
            raise _no_case(command.case, run)
        self._status("suggesting", "Looking for the next slices to annotate.", command.id)
        found = run.session.suggest(command.case, command.count, should_stop)
        self._writer.send(
            "result",
            reply_to=command.id,
            **{"for": "suggest", "case": command.case},
            suggestions=[one.as_dict() for one in found],
        )

    def export(self, command: Export, should_stop: Callable[[], bool]) -> None:
        """Writes the network of the last checkpoint for other programs."""
        folder = self._open_run().folder.path if command.run is None else Path(command.run).absolute()
        self._status("exporting", "Writing the model and comparing it with the original.", command.id)

        def tell(event: Event) -> None:
            if isinstance(event, Progress):
                self._writer.progress(
                    reply_to=command.id,
                    stage=event.stage,
                    fraction=round(event.fraction, 4),
                    seconds_left=event.seconds_left,
                )
            elif isinstance(event, Note):
                self._writer.send("note", reply_to=command.id, code=event.code, message=event.sentence)

        done = export_run(
            folder, command.format, folder / command.output, on_event=tell, should_stop=should_stop
        )
        self._writer.drop_progress()
        self._writer.send(
            "result",
            reply_to=command.id,
            **{"for": "export", "case": None, "format": done.kind},
            output=str(done.folder),
            model=done.model,
            max_abs_difference=done.compared.max_difference,
            same_labels=done.compared.same_labels,
            slices=done.compared.slices,
        )

    def _result(
        self, about: dict[str, Any], to: tuple[Id, str], volume: Volume, prediction: Prediction
    ) -> dict[str, Any]:
        """Writes and announces a result; ``to`` is the command's id and the files' last part."""
        run = self._open_run()
        id_, name = to
        names = write_prediction(run.folder.path, name, prediction)
        values = tuple(segment.value for segment in run.job.segments)
        found: dict[str, Any] = {
            "dice_estimate": {str(k): v for k, v in prediction.dice_estimate.items() if math.isfinite(v)},
            "volume_ml": volumes_ml(prediction.labels, volume.ijk_to_ras, values),
        }
        found["volume_error_ml"], places = doubtful_fields(prediction, volume.ijk_to_ras)
        self._writer.drop_progress()
        self._writer.send("result", reply_to=id_, **about, **names, **found, doubtful=places)
        return {"case": about["case"], **found}

    def _open_run(self) -> Run:
        if self._run is None or not self._usable:
            raise ContrastiveSegError(
                "bad-command",
                "No run is open, so there is nothing to train or to segment with.",
                "Send open first, and wait until it has succeeded.",
            )
        return self._run

    def _status(self, state: str, message: str, id_: Id) -> None:
        self._writer.send("status", reply_to=id_, state=state, message=message)


def _no_case(case: int, run: Run) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-command",
        f"There is no case {case}; the run has {len(run.cases)}, counted from 0.",
        "Name one of them, or give an image.",
    )
