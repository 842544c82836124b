"""The folder of a run: what was asked (job), what was learnt when (history), how (provenance).

=====================  =============================================================
``job.json``           cases, settings and segments: enough to open the run again
``history.jsonl``      the learning curve, one point a line, over all rounds
``provenance.json``    hashes, versions, settings, timing: enough to repeat the run
``checkpoint.*``       written by the session
``prediction-0.npy``   results, ``probability-0.npy``, ``uncertainty-0.npy`` likewise
``preview-0007.npy``   masks announced while training
=====================  =============================================================

No file holds a patient's name: volumes are numbered, and provenance has hashes instead of paths.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from contrastive_seg import strict_json
from contrastive_seg.atomic import probe_folder, remove_parts, write_bytes, write_error, write_json
from contrastive_seg.errors import ContrastiveSegError

JOB_FORMAT = 1
_PART_AGE = 600.0
_RESULTS = (
    *("others/checkpoint.safetensors", "others/origin.json"),
    *("job.json", "history.jsonl", "provenance.json", "labels-round*-case*.safetensors.gz"),
    *("prediction.nii.gz", "uncertainty.nii.gz", "predictions/*.nii.gz", "uncertainty/*.nii.gz"),
    *("prediction-*.npy", "probability-*.npy", "uncertainty-*.npy", "preview-*.npy"),
)


@dataclass(frozen=True)
class Segment:
    """A label value and the structure it stands for."""

    value: int
    name: str


@dataclass(frozen=True)
class JobCase:
    """Where the arrays of one case are.

    Attributes:
        image: A .npy array (z, y, x) or an image file; relative to the run folder or absolute.
        labels: Likewise, or None; -1 is IGNORE.
        ijk_to_ras: 4x4 matrix for .npy images; None where the image file carries its own geometry.
        name: What to call it in messages; not stored, as it may be a patient's.
        corrected: As in :class:`~contrastive_seg.finetuning.session.Case`.
    """

    image: str
    labels: str | None = None
    ijk_to_ras: tuple[tuple[float, ...], ...] | None = None
    name: str | None = None
    corrected: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Job:
    """What was asked for.

    Attributes:
        cases: The volumes with their sparse labels.
        settings: Arguments of :class:`~contrastive_seg.finetuning.settings.FinetuneSettings`.
        segments: Names of the label values.
        unlabelled: Images without truth to learn from.
    """

    cases: tuple[JobCase, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    unlabelled: tuple[JobCase, ...] = ()


@dataclass(frozen=True)
class HistoryPoint:
    """A point of the learning curve.

    Attributes:
        step: Optimiser steps since the run began (earlier rounds included).
        loss: Training loss averaged since the last point.
        dice: Estimated Dice by label value on held-out annotated slices; empty when none can be
            held out.
    """

    step: int
    loss: float
    dice: dict[int, float] = field(default_factory=dict)


class RunFolder:
    """Reads and writes the files of a run.

    Args:
        path: The folder; created by :meth:`create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> RunFolder:
        """Makes the folder where it is missing and checks that it can be written to.

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``, naming the folder.
        """
        probe_folder(self.path)
        remove_parts(self.path, older_than=_PART_AGE)
        return self

    def resolve(self, name: str) -> Path:
        """The path of a file named in a command or job: absolute, or relative to the folder."""
        return self.path / Path(name)

    def relative(self, name: str) -> str:
        """The same file relative to the folder, so that a folder moved with its data still works.

        On another drive (Windows) there is no such path; then the absolute one is kept.
        """
        try:
            return Path(os.path.relpath(self.resolve(name), self.path)).as_posix()
        except ValueError:
            return str(self.resolve(name))

    def write_job(self, job: Job) -> Path:
        """Writes ``job.json`` (without names of cases).

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
        """
        cases = [
            {
                "image": self.relative(case.image),
                "labels": None if case.labels is None else self.relative(case.labels),
                "ijk_to_ras": case.ijk_to_ras,
                **({"corrected": case.corrected} if case.corrected else {}),
            }
            for case in job.cases
        ]
        path = self.path / "job.json"
        segments = [asdict(segment) for segment in job.segments]
        stored = {"format": JOB_FORMAT, "cases": cases, "settings": job.settings, "segments": segments}
        if job.unlabelled:
            stored["unlabelled"] = [
                {"image": self.relative(one.image), "ijk_to_ras": one.ijk_to_ras} for one in job.unlabelled
            ]
        write_json(path, stored)
        return path

    def read_job(self) -> Job:
        """Reads ``job.json``.

        Raises:
            ContrastiveSegError: ``bad-job`` when it is missing or is not one.
        """
        path = self.path / "job.json"
        advice = "Choose the folder of an earlier run, or start a new run."
        try:
            stored = strict_json.read(path)
        except FileNotFoundError as error:
            raise ContrastiveSegError(
                "bad-job", f"'{self.path}' holds no earlier run (job.json is missing).", advice
            ) from error
        except (OSError, ValueError) as error:
            raise ContrastiveSegError("bad-job", f"'{path}' cannot be read ({error}).", advice) from error
        try:
            return _job_from(stored)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ContrastiveSegError("bad-job", f"'{path}' is not a job of this version.", advice) from error

    def forget_learnt(self) -> None:
        """Removes the checkpoint, so that the run begins anew.

        Raises:
            ContrastiveSegError: ``no-write-permission``.
        """
        for name in ("checkpoint.safetensors", "checkpoint.json"):
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise write_error(self.path / name, error) from error

    def results(self) -> list[Path]:
        """Files that an earlier run has left: what it learnt from and found, without its checkpoint."""
        return [path for pattern in _RESULTS for path in sorted(self.path.glob(pattern)) if path.is_file()]

    def forget(self) -> None:
        """Removes an earlier run, so that another one never meets its files; other files stay.

        The checkpoint goes first: whenever this is interrupted, what is left is not taken for a run.

        Raises:
            ContrastiveSegError: ``no-write-permission``.
        """
        self.forget_learnt()
        for path in self.results():
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise write_error(path, error) from error
        for name in ("others", "predictions", "uncertainty"):
            with contextlib.suppress(OSError):  # something else is in it, or there is none
                (self.path / name).rmdir()

    def read_provenance(self) -> dict[str, Any]:
        """The stored provenance; empty where there is none that can be read."""
        try:
            stored = strict_json.read(self.path / "provenance.json")
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def read_history(self) -> list[HistoryPoint]:
        """The learning curve; the line that a killed process left unfinished is passed over."""
        points: list[HistoryPoint] = []
        try:
            path = self.path / "history.jsonl"
            lines = strict_json.read_limited(path, strict_json.LARGEST).splitlines()
        except (OSError, ValueError):
            return points
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, OverflowError):
                stored = strict_json.parse(line)
                dice = {int(value): float(dice) for value, dice in stored["dice"].items()}
                points.append(HistoryPoint(int(stored["step"]), float(stored["loss"]), dice))
        return points


class History:
    """The learning curve of a run, kept in memory and in ``history.jsonl``.

    Args:
        folder: The run's folder.
        proceed: Whether to go on with the stored curve instead of beginning anew.
    """

    def __init__(self, folder: RunFolder, *, proceed: bool) -> None:
        self._path = folder.path / "history.jsonl"
        self.points = folder.read_history() if proceed else []
        self._rewrite()

    def add(self, point: HistoryPoint) -> None:
        """Adds a point. Later ones are dropped: after a kill, training goes on from a checkpoint
        that is a little older than the last point written.

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
        """
        if self.points and self.points[-1].step >= point.step:
            self.points = [earlier for earlier in self.points if earlier.step < point.step]
            self._rewrite()
        self.points.append(point)
        try:
            with self._path.open("ab") as file:
                file.write(_line(point))
        except OSError as error:
            raise write_error(self._path, error) from error

    def _rewrite(self) -> None:
        write_bytes(self._path, b"".join(_line(point) for point in self.points))


def _line(point: HistoryPoint) -> bytes:
    return (json.dumps(asdict(point)) + "\n").encode("ascii")


def _job_from(stored: dict[str, Any]) -> Job:
    if stored["format"] != JOB_FORMAT:
        raise ValueError("another format")
    return Job(
        cases=tuple(_case_from(case) for case in stored["cases"]),
        settings=dict(stored["settings"]),
        segments=tuple(Segment(int(s["value"]), str(s["name"])) for s in stored["segments"]),
        unlabelled=tuple(_case_from(one) for one in stored.get("unlabelled", ())),
    )


def _case_from(stored: dict[str, Any]) -> JobCase:
    labels, matrix = stored.get("labels"), stored["ijk_to_ras"]
    rows = None if matrix is None else tuple(tuple(float(number) for number in row) for row in matrix)
    corrected = tuple((int(axis), int(index)) for axis, index in stored.get("corrected", ()))
    return JobCase(str(stored["image"]), None if labels is None else str(labels), rows, corrected=corrected)


def job_cases(images: Sequence[Path], labels: Sequence[Path | None]) -> tuple[JobCase, ...]:
    """Cases of a job from files on disk (the command line's way in)."""
    return tuple(
        JobCase(str(image.resolve()), None if label is None else str(label.resolve()))
        for image, label in zip(images, labels, strict=True)
    )
