"""What a run has learnt, as it was when the segmentation of other patients began."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrastive_seg import __version__
from contrastive_seg.atomic import make_folder, replacing
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import TENSORS
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.for_others import WORSE, ForOthers
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.patients.differences import Look
from contrastive_seg.patients.run_cases import as_long_as, for_others
from contrastive_seg.provenance import versions
from contrastive_seg.runs import JobCase, RunFolder, Segment
from contrastive_seg.worker.arrays import open_volume

_KEPT = (TENSORS, "job.json", "provenance.json")


@dataclass
class Learnt:
    """A trained session and what is known about it.

    Attributes:
        session: What the run has learnt.
        others: What segments, see :class:`~contrastive_seg.finetuning.for_others.ForOthers`.
        segments: Names of the label values, as far as the run knows them.
        looks: Of the volumes that were learnt on; empty where they are not there any more.
        about: Provenance for a report: device, versions, checksum; no names of volumes.
    """

    session: FinetuningSession
    others: ForOthers
    segments: tuple[Segment, ...]
    looks: list[Look]
    about: dict[str, Any]

    @property
    def values(self) -> tuple[int, ...]:
        """Label values above 0."""
        assert self.session.state is not None
        return tuple(value for value in self.session.state.architecture.values if value)

    @property
    def axis(self) -> int:
        """The plane that was annotated most, in the common orientation."""
        assert self.session.state is not None
        return self.session.state.architecture.axes[0]

    @property
    def notes(self) -> list[str]:
        """What every result should say."""
        return [WORSE] if self.others.warning else []

    @classmethod
    def load(
        cls,
        run: Path,
        settings: FinetuneSettings,
        keep: Path | None = None,
        on_note: Callable[[str], None] = lambda sentence: None,
        reviewed: Sequence[Case] | None = None,
    ) -> Learnt:
        """Loads a run.

        Args:
            run: Its folder.
            settings: Device and threads.
            keep: A folder into which the network is copied first, and from which it is loaded when
                asked again: what is learnt meanwhile must not change between two patients.
            on_note: Told where the volumes that were learnt on cannot be compared with.
            reviewed: As in :class:`~contrastive_seg.finetuning.for_others.ForOthers`.

        Raises:
            ContrastiveSegError: ``bad-job``, ``no-checkpoint`` or ``bad-checkpoint``.
        """
        if not run.is_dir():
            raise ContrastiveSegError(
                "bad-job", f"There is no run '{run}'.", "Give the folder that finetune wrote (its --output)."
            )
        source = run if keep is None else _copied(run, keep)
        session = FinetuningSession.resume(source, as_long_as(run, settings))
        try:
            job = RunFolder(source).read_job()
        except ContrastiveSegError:  # a checkpoint alone is enough to segment with
            job = None
        stored = RunFolder(source).read_provenance()
        looks = _looks(RunFolder(run), job.cases if job else (), stored)
        if not looks:
            on_note("The images that were learnt on are not there; differences from them are not looked for.")
        looks += [Look.of(one.volume) for one in reviewed or ()]
        state = session.state
        assert state is not None
        about = {
            "engine": __version__,
            "versions": versions(),
            "device": str(session.compute.device),
            "checkpoint_sha256": hashlib.sha256((source / TENSORS).read_bytes()).hexdigest(),
            "steps": session.step,
            "learnt_on": len(job.cases) if job else None,
            "reviewed_patients": len(reviewed or ()),
            "network": state.architecture.network,
            "pixel_mm": round(state.architecture.pixel, 4),
            "dice_estimate": {str(k): round(v, 4) for k, v in state.dice.items()},
            "settings": stored.get("settings", {}),
        }
        others = for_others(run, session, reviewed)
        return cls(session, others, job.segments if job else (), looks, about)

    def ready(
        self, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> FinetuningSession:
        """What to segment other volumes with, learnt now where that has not been done; see ``others``."""
        session = self.others.session(on_progress, should_stop)
        if session is not self.session:
            self.about["steps_for_others"] = session.step - self.session.step
        return session


def _copied(run: Path, keep: Path) -> Path:
    make_folder(keep)
    if not (keep / TENSORS).is_file():
        for name in reversed(_KEPT):  # the network last: with it the copy is complete
            if (run / name).is_file():
                with replacing(keep / name, durable=False) as part:
                    shutil.copyfile(run / name, part)
    return keep


def _looks(folder: RunFolder, cases: tuple[JobCase, ...], stored: dict[str, Any]) -> list[Look]:
    found = []
    for number, case in enumerate(cases):
        try:
            found.append(Look.of(open_volume(folder, case, number)))
        except ContrastiveSegError:
            continue
    return found or _stored_looks(stored)


def _stored_looks(stored: dict[str, Any]) -> list[Look]:
    found = []
    for case in stored.get("cases", []):
        try:
            found.append(Look.stored(case))
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return found
