"""``contrastive-seg predict`` with a folder: a finished run on many patients, one after the other."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from contrastive_seg.atomic import probe_folder, write_json
from contrastive_seg.commands.console import Output, duration
from contrastive_seg.commands.interrupt import stop_on_interrupt
from contrastive_seg.commands.predict import tell_before
from contrastive_seg.data.read import read_volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.patients.find import FolderCase, find_cases
from contrastive_seg.patients.learnt import Learnt
from contrastive_seg.patients.measure import CaseResult, look_first
from contrastive_seg.patients.segmenter import MaskFolder, Segmenter
from contrastive_seg.patients.structures import Structure
from contrastive_seg.report import Failure, Report
from contrastive_seg.worker.failures import as_user_error

RESULTS = "results.json"


@dataclass(frozen=True)
class FolderWish:
    """What is wanted of a folder of patients.

    Attributes:
        source: Where the images are: a folder with sub-folders, or a table.
        masks: Where the masks go, and in which format.
        resume: Keep masks that are there already, and do the rest.
        report: An HTML file to write at the end; None for none.
        replace_nonfinite: As in :func:`~contrastive_seg.data.read.read_volume`.
    """

    source: Path
    masks: MaskFolder
    resume: bool = False
    report: Path | None = None
    replace_nonfinite: bool = False


def predict_folder(run: Path, wish: FolderWish, settings: FinetuneSettings, output: Output) -> dict[str, Any]:
    """Segments every volume of a folder; what cannot be segmented is listed, the rest goes on.

    Returns:
        What ``--json`` prints; ``failures`` says what failed, and why.

    Raises:
        ContrastiveSegError: ``files-exist`` where masks are there already and nobody said what shall
            happen to them; whatever concerns all volumes; ``no-result`` where every single one failed.
    """
    learnt = Learnt.load(run, settings, on_note=output.note)
    cases = find_cases(wish.source, [wish.masks.folder], output.note)
    _check_free(cases, wish)
    if wish.masks.replace or not all(wish.masks.path(case.place).exists() for case in cases):
        tell_before(learnt.others, output)
    if wish.report is not None:
        probe_folder(wish.report.parent)
    probe_folder(wish.masks.folder)
    with tempfile.TemporaryDirectory(prefix="contrastive-seg-") as work:
        return _predict(run, wish, learnt, cases, Path(work), output)


def _predict(
    run: Path, wish: FolderWish, learnt: Learnt, cases: Sequence[FolderCase], work: Path, output: Output
) -> dict[str, Any]:
    structures = Structure.of(learnt.segments, learnt.values)
    clock = time.monotonic()
    batch = _Batch(Segmenter(learnt, structures, work, wish.masks), wish, output)
    with stop_on_interrupt(
        lambda: output.note("Stopping; the masks so far are kept. Press Ctrl+C again to end at once.")
    ) as should_stop:
        stopped = not batch.go(cases, should_stop)
    names = {one.value: one.name for one in structures}
    first = look_first(batch.results, names)
    found: dict[str, Any] = {
        "run": str(run),
        "folder": str(wish.source),
        "output": str(wish.masks.folder),
        "stopped": stopped,
        "seconds": round(time.monotonic() - clock, 2),
        "segments": [{"value": one.value, "name": one.name} for one in structures],
        "cases": [_told(one, first) for one in batch.results],
        "failures": [{"image": one.name, "reason": one.reason} for one in batch.failures],
        "notes": learnt.notes,
        "report": None if wish.report is None else str(wish.report),
    }
    stored = {key: found[key] for key in ("segments", "cases", "failures", "notes")}
    stored["cases"] = [*found["cases"], *batch.not_reached(cases)]
    write_json(wish.masks.folder / RESULTS, stored)
    if wish.report is not None:
        Report(batch.results, structures, work, batch.failures, learnt.about, learnt.notes).write(wish.report)
    if not batch.results and batch.failures:
        raise ContrastiveSegError(
            "no-result",
            f"None of the {len(cases)} volumes could be segmented; the first, '{batch.failures[0].name}': "
            f"{batch.failures[0].reason}",
            f"All reasons are in '{wish.masks.folder / RESULTS}'.",
        )
    output.result(found, _tables(batch, structures, first), _closing(found))
    return found


class _Batch:
    """Goes through the cases and keeps what came out."""

    def __init__(self, segmenter: Segmenter, wish: FolderWish, output: Output) -> None:
        self._segmenter, self._wish, self._output = segmenter, wish, output
        self._earlier = _earlier(wish.masks.folder)
        self.results: list[CaseResult] = []
        self.failures: list[Failure] = []

    def go(self, cases: Sequence[FolderCase], should_stop: Callable[[], bool]) -> bool:
        """Whether all were gone through, not stopped."""
        for number, case in enumerate(cases):
            if should_stop():
                return False
            try:
                result = self._one(f"{number + 1:04d}", number, len(cases), case, should_stop)
            except Stopped:
                return False
            except Exception as error:
                reason = as_user_error(error)
                if reason.code in ("disk-full", "no-write-permission"):
                    raise reason from error  # the others would fail as well
                self.failures.append(Failure(case.name, str(reason)))
                self._output.note(f"'{case.name}' is left out: {reason}")
                continue
            if result.kept:
                result = self._remembered(result)
            self.results.append(result)
            self._say(number, len(cases), result)
        return True

    def not_reached(self, cases: Sequence[FolderCase]) -> list[dict[str, Any]]:
        """What an earlier run said about masks that are there, but that this one was stopped before."""
        done = {one.name for one in self.results} | {one.name for one in self.failures}
        left = [one for one in cases if one.name not in done and self._wish.masks.path(one.place).exists()]
        return [self._earlier[one.name] for one in left if one.name in self._earlier]

    def _remembered(self, result: CaseResult) -> CaseResult:
        """A mask that is kept with the uncertainty and the notes from when it was made."""
        earlier = self._earlier.get(result.name, {})
        doubt, notes = earlier.get("uncertainty"), earlier.get("notes")
        said = [str(one) for one in notes] if isinstance(notes, list) else []
        return replace(
            result,
            uncertainty=float(doubt) if isinstance(doubt, int | float) else None,
            notes=[*result.notes, *(one for one in said if one not in result.notes)],
        )

    def _one(
        self, key: str, number: int, count: int, case: FolderCase, should_stop: Callable[[], bool]
    ) -> CaseResult:
        notes: list[str] = []
        volume = read_volume(case.path, replace_nonfinite=self._wish.replace_nonfinite, on_note=notes.append)
        with self._output.progress() as show:
            return self._segmenter.segment(
                key,
                replace(volume, name=case.name),
                case.place,
                notes,
                lambda p: show(f"{number + 1} of {count}", p.fraction, p.seconds_left),
                should_stop,
            )

    def _say(self, number: int, count: int, result: CaseResult) -> None:
        what = "was there already" if result.kept else f"done after {duration(result.seconds)}"
        more = f" {' '.join(result.differences)}" if result.differences else ""
        self._output.note(f"{number + 1} of {count}: '{result.name}' {what}.{more}")


def _earlier(folder: Path) -> dict[str, dict[str, Any]]:
    """What an earlier run said about its cases, by image."""
    try:
        cases = json.loads((folder / RESULTS).read_text("utf-8"))["cases"]
        return {str(one["image"]): one for one in cases if isinstance(one, dict)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _check_free(cases: Sequence[FolderCase], wish: FolderWish) -> None:
    if wish.report is not None and wish.report.suffix.lower() not in (".html", ".htm"):
        raise ContrastiveSegError(  # --resume and --overwrite replace a report, but nothing else of that name
            "bad-output",
            f"The report '{wish.report}' is an HTML file.",
            "Give it a name that ends with .html.",
        )
    there = [path for path in (wish.masks.path(case.place) for case in cases) if path.exists()]
    if wish.report is not None and wish.report.exists() and not (wish.resume or wish.masks.replace):
        there.append(wish.report)
    if there and not wish.resume and not wish.masks.replace:
        raise ContrastiveSegError(
            "files-exist",
            f"{len(there)} of the files to write exist already, such as '{there[0]}'.",
            "Add --resume to keep them and do the rest, or --overwrite to make them again.",
        )


def _told(one: CaseResult, first: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "image": one.name,
        "file": one.file,
        "kept": one.kept,
        "volume_ml": one.volume_ml,
        "uncertainty": one.uncertainty,
        "differences": one.differences,
        "notes": one.notes,
        "look_first": first.get(one.case, []),
    }


def _tables(batch: _Batch, structures: Sequence[Structure], first: dict[str, list[str]]) -> list[Table]:
    table = Table(title="Segmented volumes")
    table.add_column("Image")
    for one in structures:
        table.add_column(escape(f"{one.name} (ml)"), justify="right")
    table.add_column("Uncertainty", justify="right")
    table.add_column("Look first")
    for result in batch.results:
        sizes = [f"{result.volume_ml.get(str(one.value), 0.0):.2f}" for one in structures]
        doubt = "-" if result.uncertainty is None else f"{result.uncertainty:.1f} %"
        table.add_row(escape(result.name), *sizes, doubt, escape(" ".join(first.get(result.case, []))))
    tables = [table] if batch.results else []
    if batch.failures:
        failed = Table("Image", "Why", title="Not segmented")
        for failure in batch.failures:
            failed.add_row(escape(failure.name), escape(failure.reason))
        tables.append(failed)
    return tables


def _closing(found: dict[str, Any]) -> list[str]:
    end = "Stopped" if found["stopped"] else "Done"
    sentence = f"{end} after {duration(found['seconds'])}. The masks are in '{found['output']}'."
    if found["failures"]:
        sentence += f" {len(found['failures'])} of the volumes could not be segmented."
    if found["report"]:
        sentence += f" The report is '{found['report']}'."
    return [sentence]
