"""One open run: the session with what was said about it and what it has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any

from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.kept_labels import keep_labels
from contrastive_seg.finetuning.record import round_of
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.provenance import array_sha256, case_records, read_rounds, write_provenance
from contrastive_seg.runs import History, Job, RunFolder
from contrastive_seg.worker.outputs import Previews
from contrastive_seg.worker.protocol import Open


class Run:
    """A session with what was said about it and what it has learnt.

    Args:
        folder: The run's folder.
        settings: What the user chose.
        resume: Whether to go on from the folder's checkpoint.
    """

    def __init__(self, folder: RunFolder, settings: FinetuneSettings, resume: bool) -> None:
        self.folder = folder
        self.settings = settings
        self.job = Job(())
        self.cases: list[Case] = []
        self.unlabelled: list[Volume] = []
        session = _resumed(folder, settings) if resume else None
        self.resumed = session is not None
        self.session = session or FinetuningSession(folder.path, settings)
        self.history = History(folder, proceed=self.resumed)
        self.rounds = read_rounds(folder.read_provenance()) if self.resumed else []
        self.previews = Previews(folder.path)

    def continues(self, folder: RunFolder, settings: FinetuneSettings) -> bool:
        """Whether the warm session serves: same folder, and nothing changed but the budget."""
        if self.folder.path != folder.path:
            return False
        return all(
            getattr(self.settings, one.name) == getattr(settings, one.name)
            for one in fields(settings)
            if one.name != "budget"
        )

    def record_round(
        self,
        predictions: Sequence[Prediction],
        results: list[dict[str, Any]],
        started: datetime,
        seconds: float,
        budget: float,
        stopped: bool,
    ) -> None:
        """Keeps what it takes to repeat the round just trained, and writes ``provenance.json``."""
        records = case_records(self.cases)
        self.rounds.append(round_of(self.session, records, started, seconds, budget, stopped))
        keep_labels(self.folder.path, self.rounds[-1].number, [case.labels for case in self.cases])
        for found, prediction in zip(results, predictions, strict=True):
            found["prediction_sha256"] = array_sha256(prediction.labels)
        assert self.session.state is not None
        write_provenance(
            self.folder.path,
            cases=self.cases,
            settings=self.settings,
            device=str(self.session.compute.device),
            history=self.history.points,
            rounds=self.rounds,
            segments=self.job.segments,
            results=results,
            weights=self.session.weights,
            records=records,
            architecture=self.session.state.architecture.to_dict(),
            unlabelled=[array_sha256(volume.array) for volume in self.unlabelled],
        )


def _resumed(folder: RunFolder, settings: FinetuneSettings) -> FinetuningSession | None:
    """The session of the checkpoint; None where the worker was killed before the first one."""
    try:
        return FinetuningSession.resume(folder.path, settings)
    except ContrastiveSegError as error:
        if error.code != "no-checkpoint" or not (folder.path / "job.json").is_file():
            raise
        return None


def job_of(command: Open, folder: RunFolder) -> tuple[Job, FinetuneSettings]:
    """The job to do: what the command says, and what the folder says about the rest."""
    if command.cases:
        job = Job(command.cases, command.settings, command.segments, command.unlabelled)
    else:
        stored = folder.read_job()
        job = Job(
            stored.cases,
            {**stored.settings, **command.settings},
            command.segments or stored.segments,
            command.unlabelled or stored.unlabelled,
        )
    settings = FinetuneSettings(**job.settings)
    return replace(job, settings=asdict(settings)), settings
