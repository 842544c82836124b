"""Runs to export, for tests of the engine, the worker and the command line."""

from datetime import datetime, timezone
from pathlib import Path

from command_line import write_pair
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.data.read import read_volume
from contrastive_seg.finetuning.record import round_of
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.provenance import case_records, write_provenance
from contrastive_seg.runs import Job, RunFolder, Segment, job_cases

SHAPE = (24, 48, 56)
SLICES = [2, 7, 11, 15, 21]


def trained_run(folder: Path, network: str, steps: int) -> Path:
    """A run of the phantom on an oblique grid, with everything that a real one has but the labels."""
    files = write_pair(folder, SHAPE)
    run = folder / "run"
    settings = FinetuneSettings(device="cpu", threads=1, steps=steps, network=network)
    session = FinetuningSession(run, settings)
    volume = read_volume(files["image"])
    case = Case(volume, keep_slices(two_organs(SHAPE)[1], SLICES))
    session.set_cases([case])
    session.train()
    records = case_records([case])
    one = round_of(session, records, datetime.now(timezone.utc), 1.0, settings.budget, False)
    segments = (Segment(1, "Liver"), Segment(7, "Kidney, left"))
    RunFolder(run).write_job(Job(job_cases([files["image"]], [files["labels"]]), {}, segments))
    write_provenance(
        run, cases=[case], settings=settings, device="cpu", history=[], rounds=[one], segments=segments
    )
    return run
