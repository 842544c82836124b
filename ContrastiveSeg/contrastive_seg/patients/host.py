"""Carries out what the panel asks: segment one patient after the other, and report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contrastive_seg.atomic import write_npy
from contrastive_seg.data.checks import check_volume
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.session import Case
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.patients.commands import Request
from contrastive_seg.patients.find import find_cases
from contrastive_seg.patients.learnt import Learnt
from contrastive_seg.patients.measure import look_first
from contrastive_seg.patients.pictures import sampled
from contrastive_seg.patients.segmenter import MaskFolder, Segmenter, results_in
from contrastive_seg.patients.structures import Structure, check_format
from contrastive_seg.report import Failure, Report
from contrastive_seg.runs import JobCase, RunFolder
from contrastive_seg.worker.arrays import open_labels, open_volume
from contrastive_seg.worker.channel import EventWriter


class PatientHost:
    """Holds the network between the patients. After an error it takes the next command.

    Args:
        writer: Where the events go.
    """

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self._segmenter: Segmenter | None = None
        self._work = Path()

    def carry_out(self, request: Request, should_stop: Callable[[], bool]) -> None:
        """Does what is asked and sends its result.

        Raises:
            ContrastiveSegError: What a user can put right.
            Stopped: When asked to stop.
        """
        if request.name == "segment":
            found = self._segment(request, should_stop)
        else:
            doing = {"begin": self._begin, "find": self._find, "load": self._load, "report": self._report}
            found = doing[request.name](request)
        self._writer.drop_progress()
        self._writer.send("result", reply_to=request.id, **{"for": request.name}, **found)

    def _begin(self, request: Request) -> dict[str, Any]:
        """Loads what was learnt: ``run``, ``work``; ``structures``, ``masks``, ``reviewed``, ``device``."""
        self._segmenter = None
        self._work = Path(request.text("work"))
        settings = FinetuneSettings(
            device=request.text("device", "auto"), threads=request.fields.get("threads") or None
        )
        learnt = Learnt.load(
            Path(request.text("run")),
            settings,
            self._work / "learnt",
            lambda text: self._note(request, text),
            self._reviewed(request),
        )
        learnt.others.prepare()  # what is wrong with it would be wrong for every patient
        given = [_structure(request, one) for one in request.listed("structures")]
        known = {one.value for one in given}
        others = [value for value in learnt.values if value not in known]
        structures = [*(one for one in given if one.value in learnt.values)]
        structures += Structure.of(learnt.segments, others)
        masks = request.fields.get("masks")
        folder = None
        if masks is not None:
            if not isinstance(masks, dict) or not isinstance(masks.get("folder"), str):
                raise request.wrong("masks", "an object with folder, format and replace")
            format_ = check_format(str(masks.get("format", "nii.gz")))
            folder = MaskFolder(Path(masks["folder"]), format_, masks.get("replace") is True)
        self._segmenter = Segmenter(learnt, structures, self._work, folder)
        return {
            "structures": [{"value": s.value, "name": s.name, "colour": list(s.colour)} for s in structures],
            "device": learnt.about["device"],
            "compared": bool(learnt.looks),
        }

    def _reviewed(self, request: Request) -> list[Case]:
        """Other patients whose masks are right: ``image``, ``labels``, ``ijk_to_ras``, ``name`` of each."""
        folder, found = RunFolder(self._work), []
        for number, one in enumerate(request.reviewed()):
            volume = open_volume(folder, one, number)
            found.append(Case(volume, open_labels(folder, one, volume)))
        return found

    def _find(self, request: Request) -> dict[str, Any]:
        """The volumes of ``folder``, without what lies ``apart``."""
        apart = [Path(one) for one in request.fields.get("apart") or [] if isinstance(one, str)]
        folder = Path(request.text("folder"))
        found = find_cases(folder, apart, lambda text: self._note(request, text))
        return {"cases": [{"image": str(c.path), "name": c.name, "place": c.place} for c in found]}

    def _segment(self, request: Request, should_stop: Callable[[], bool]) -> dict[str, Any]:
        """One ``image`` (with ``ijk_to_ras`` for .npy), called ``name``, as ``case`` at ``place``."""
        segmenter = self._begun()
        self._writer.send("status", reply_to=request.id, state="reading", message="Reading the image.")
        volume, notes = self._read(request.image())
        self._writer.send("status", reply_to=request.id, state="predicting", message="Segmenting.")

        def tell(progress: Progress) -> None:
            left = None if progress.seconds_left is None else round(progress.seconds_left, 1)
            fraction = round(min(max(progress.fraction, 0.0), 1.0), 4)
            self._writer.progress(
                reply_to=request.id, stage=progress.stage, fraction=fraction, seconds_left=left
            )

        result = segmenter.segment(request.case(), volume, request.place(), notes, tell, should_stop)
        names = {one.value: one.name for one in segmenter.structures}
        return {**result.to_dict(), "look_first": look_first(results_in(self._work), names)}

    def _load(self, request: Request) -> dict[str, Any]:
        """Reads an ``image`` of any format and leaves it as ``output``, a .npy file."""
        volume, _notes = self._read(request.image())
        array = volume.array
        if array.dtype.kind not in "iuf" or array.dtype.itemsize > 4:
            array = array.astype(np.float32)
        write_npy(Path(request.text("output")), array.astype(array.dtype.newbyteorder("="), copy=False))
        low, high = np.percentile(sampled(array), (0.5, 99.5))
        matrix = [[float(one) for one in row] for row in np.asarray(volume.ijk_to_ras, dtype=float)]
        return {"ijk_to_ras": matrix, "window": [float(low), float(high)]}

    def _report(self, request: Request) -> dict[str, Any]:
        """Writes a report to ``file`` about all results; ``failures`` are what the panel knows of."""
        segmenter = self._begun()
        failures = [
            Failure(str(one.get("name", "")), str(one.get("reason", "")))
            for one in request.listed("failures")
        ]
        results = results_in(self._work)
        if not results and not failures:
            raise ContrastiveSegError("bad-job", "There is no result to report.", "Segment a volume first.")
        learnt, path = segmenter.learnt, Path(request.text("file"))
        Report(results, segmenter.structures, self._work, failures, learnt.about, learnt.notes).write(path)
        return {"file": str(path), "cases": len(results)}

    def _read(self, case: JobCase) -> tuple[Volume, list[str]]:
        """The image under the name it was given; what its reader had to say."""
        notes: list[str] = []
        if case.image.lower().endswith(".npy"):
            volume = open_volume(RunFolder(self._work), case, 0)
        else:
            volume = read_volume(Path(case.image), on_note=notes.append)
            check_volume(volume)
        return replace(volume, name=case.name or volume.name), notes

    def _begun(self) -> Segmenter:
        if self._segmenter is None:
            raise ContrastiveSegError(
                "bad-command", "Nothing is loaded to segment with.", "Send begin first."
            )
        return self._segmenter

    def _note(self, request: Request, text: str) -> None:
        self._writer.send("note", reply_to=request.id, code="note", message=text)


def _structure(request: Request, given: dict[str, Any]) -> Structure:
    value, name, colour = given.get("value"), given.get("name"), given.get("colour")
    fits = isinstance(value, int) and 0 < value <= 32767 and isinstance(name, str)
    if not fits or not isinstance(colour, list) or len(colour) != 3:
        raise request.wrong("structures", "a list of objects with value, name and colour")
    red, green, blue = (float(part) for part in colour)
    return Structure(int(value), name, (red, green, blue), str(given.get("terminology") or ""))  # type: ignore[arg-type]
