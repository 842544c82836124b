"""What was learnt, applied to other patients one after the other, in the background."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientChannel import PatientChannel
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PatientTarget import PatientTarget
from ContrastiveSegLib.PatientViewer import PatientViewer
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SequenceLogic import SequenceLogic
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.SlabCopy import SlabCopy
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.WorkerProcess import WorkerProcess
from ContrastiveSegLib.WorkFolder import WorkFolder

_FOR_ALL = ("disk-full", "no-write-permission", "bad-installation", "bad-checkpoint", "no-checkpoint")


class OtherPatientsLogic:
    """Goes through a list of cases; one that fails says why, and the next one begins.

    Signals: ``listed`` (the cases are others), ``changed`` (a case), ``said`` (a sentence),
    ``ran`` (it began or ended), ``loaded`` (a case whose image was read to be shown).

    Args:
        process: Another process than the application's own, for tests.
    """

    def __init__(self, process: WorkerProcess | None = None) -> None:
        self.listed, self.changed = Signal("listed"), Signal("changed")
        self.said, self.ran, self.loaded = Signal("said"), Signal("ran"), Signal("loaded")
        self.channel = PatientChannel(process)
        self.settings: dict[str, Any] = {}
        self.cases: list[PatientCase] = []
        self.isRunning = self._isLearning = False
        self.work: Path | None = None
        self.results: PatientResults | None = None
        self.sequence: SequenceLogic | None = None
        self.viewer: PatientViewer | None = None
        self._toFiles = False
        self._folder: Path | None = None
        self._apart: list[str] = []
        self._deaths = 0
        self.hidden: list[str] = []
        self._made: dict[str, int] = {}
        self._copy: SlabCopy | None = None
        self._prepare: Callable[[], None] = self.channel.need
        self.channel.ready.connect(self._onReady)
        self.channel.answered.connect(self._onAnswered)
        self.channel.refused.connect(self._onRefused)
        self.channel.progressed.connect(self._onProgress)
        self.channel.died.connect(self._onDied)
        self.channel.unable.connect(self._abort)

    def start(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        target: PatientTarget,
        *,
        cases: list[PatientCase] | None = None,
        folder: Path | None = None,
        sequence: SequenceLogic | None = None,
        earlier: RunFolder | None = None,
    ) -> None:
        """Begins to go through cases, and returns at once.

        Args:
            volumeNode: What was learnt on.
            segmentationNode: What was painted.
            target: Where the masks go.
            cases: Volumes of the scene or frames; those not wanted are passed over.
            folder: Instead of them a folder, whose volumes are looked for first.
            sequence: The sequence whose frames the cases are.
            earlier: Another run to segment with than that of both nodes, which may be None then.

        Raises:
            UserError: Something is missing.
        """
        if self.isRunning:
            raise UserError(_("Other patients are being segmented."), _("Press Stop first."))
        whyNot = Readiness.whyNotApply(volumeNode, segmentationNode, earlier)
        if whyNot:
            raise UserError(whyNot)
        if folder is not None and not target.isFiles:
            raise UserError(_("The masks of a folder go into files."), _("Choose a format and a folder."))
        masks = target.message()
        if folder is None and not any(one.wanted for one in cases or []):
            raise UserError(_("Check at least one volume in the list."))
        run = earlier or RunFolder.existing(volumeNode, segmentationNode)
        assert run is not None
        ids = [] if earlier else segmentationNode.GetSegmentation().GetSegmentIDs()
        values = run.values() if earlier else run.segmentValues(list(ids))
        former = self.viewer
        self._forgetWork()
        self.results = PatientResults(segmentationNode, values, self._made, run, earlier is not None)
        self.work = WorkFolder.make()
        self.viewer = PatientViewer(self.channel, self.work, self.results, sequence, former, self.hidden)
        self.viewer.said.connect(self.said.emit)
        self.viewer.loaded.connect(self.loaded.emit)
        self.sequence, self._toFiles, self._folder = sequence, target.isFiles, folder
        self._apart = [str(target.folder)] if target.folder is not None else []
        self.cases = list(cases or [])
        for number, one in enumerate(self.cases):
            one.begin(number)
        self._deaths = 0
        self.isRunning = True
        self.listed.emit()
        self.ran.emit()
        self.said.emit(_("Loading what was learnt."))
        message = {
            **{"run": str(run.path), "work": str(self.work)},
            "structures": self.results.structures(),
            **({"masks": masks} if masks else {}),
            **self.settings,
        }
        reviewed = ReviewedPatients(run, values, self.work)
        self._prepare = lambda: self._writeReviewed(reviewed, message)
        self._prepare()

    def _writeReviewed(self, reviewed: ReviewedPatients, message: dict[str, Any]) -> None:
        def begin(cases: list[dict[str, Any]]) -> None:
            self._prepare = self.channel.need
            self.channel.begin({**message, "reviewed": cases})

        if reviewed.nodes:
            self._copy = SlabCopy(reviewed.write(), begin, lambda error: self._abort(str(error)))
        else:
            begin([])

    def stop(self) -> None:
        """Ends at once; what is done stays, and ``goOn`` does the rest."""
        if not self.isRunning:
            return
        self._endCopy()
        self.channel.end()
        for one in self.cases:
            if one.state.isOpen:
                self._go(one, PatientState.Stopped)
        self._end(_("Stopped. What is done stays; Go On does the rest."))

    @property
    def canGoOn(self) -> bool:
        """Whether some cases were stopped, or failed, before they were done."""
        return not self.isRunning and any(one.state is PatientState.Stopped for one in self.cases)

    def goOn(self) -> None:
        """Does what was stopped."""
        if self.isRunning or self.work is None:
            return
        for one in [case for case in self.cases if case.state is PatientState.Stopped]:
            one.reason = ""
            self._go(one, PatientState.Waiting)
        self._deaths, self.isRunning = 0, True
        self.ran.emit()
        self._prepare()

    def setLearning(self, isLearning: bool) -> None:
        """Waits between two cases while something is learnt: both at once would be slow."""
        if isLearning == self._isLearning:
            return
        self._isLearning = isLearning
        if self.isRunning and isLearning:
            self.said.emit(_("Waits until the learning has finished."))
        elif self.isRunning:
            self._next()

    def show(self, case: PatientCase, segmentationNode: Any = None) -> None:
        """Shows a case in the slice views, with its segmentation; a file is read first, in the background.

        Args:
            case: Segmented or not.
            segmentationNode: What is painted, and would lie over a case that nothing was learnt for yet.

        Raises:
            UserError: It is gone, or has no result.
        """
        if self.viewer is not None and any(one is case for one in self.cases):
            self.viewer.show(case, self.cases)
        elif case.volumeId:
            PatientViewer.lookAt(case, case.neededVolume(), [segmentationNode], self.hidden)

    def saveReport(self, path: Path) -> None:
        """Writes a report about all that is done, in the background; ``said`` tells when it is there.

        Raises:
            UserError: There is nothing to report.
        """
        if self.work is None or not any(one.state is PatientState.Done for one in self.cases):
            raise UserError(_("There is no result to report yet."))
        failures = [
            {"name": one.name, "reason": one.reason} for one in self.cases if one.state is PatientState.Failed
        ]
        self.said.emit(_("Writing the report."))
        self.channel.later(lambda: self.channel.send("report", None, file=str(path), failures=failures))

    def close(self, wait: bool = True) -> None:
        """Ends the process and forgets everything; for the end of the module or of a scene."""
        self._endCopy()
        self.channel.end(wait)
        self.isRunning = False
        self.cases, self.results, self.sequence = [], None, None
        self._made.clear()
        self.hidden.clear()
        self._forgetWork()

    def _onReady(self) -> None:
        if not self.isRunning:
            self.channel.rest()
        elif self._folder is not None and not self.cases:
            self.said.emit(_("Looking for volumes in the folder."))
            self.channel.send("find", None, folder=str(self._folder), apart=self._apart)
        else:
            self._next()

    def _next(self) -> None:
        if not self.isRunning or not self.channel.isReady or self._isLearning:
            return
        if any(one.state.isBusy for one in self.cases):
            return
        case = next((one for one in self.cases if one.state is PatientState.Waiting), None)
        if case is None:
            self._finish()
            return
        self._tellNumber(case)
        if case.path is not None:
            self._ask(case, str(case.path))
            return
        try:
            volume, matrix = case.source(self.sequence)
        except UserError as error:
            self._fail(case, str(error))
            return
        self._go(case, PatientState.Exporting)
        assert self.work is not None
        path = self.work / f"image-{case.key}.npy"
        self._copy = SlabCopy(
            SlabCopy.write(volume, path),
            lambda _nothing: self._ask(case, path.name, matrix),
            lambda error: self._fail(case, str(error)),
        )

    def _tellNumber(self, case: PatientCase) -> None:
        done = sum(one.state in (PatientState.Done, PatientState.Failed) for one in self.cases)
        count = sum(one.state is not PatientState.Chosen for one in self.cases)
        self.said.emit(_("{number} of {count}: {name}").format(number=done + 1, count=count, name=case.name))

    def _ask(self, case: PatientCase, image: str, matrix: list[list[float]] | None = None) -> None:
        self._go(case, PatientState.Segmenting)
        arguments: dict[str, Any] = {"image": image, "case": case.key, "name": case.name}
        if matrix is not None:
            arguments["ijk_to_ras"] = matrix
        if self._toFiles:
            arguments["place"] = case.place
        self.channel.send("segment", case, **arguments)

    def _onProgress(self, case: PatientCase, event: dict[str, Any]) -> None:
        case.fraction = float(event.get("fraction") or 0.0)
        learns = event.get("stage") == "preparing"
        if learns and not case.learns:
            self.said.emit(_("Once, before the first: learning from the whole volume that was painted."))
        elif case.learns and not learns:
            self._tellNumber(case)
        case.learns = learns
        self.changed.emit(case)

    def _onAnswered(self, what: str, case: PatientCase | None, event: dict[str, Any]) -> None:
        if what == "begin":
            assert self.results is not None
            self.results.know(event.get("structures", []))
            self._deaths = 0
        elif what == "find":
            self._onFound(event)
        elif what == "segment" and case is not None:
            self._take(case, event)
        elif what == "report":
            self.said.emit(_("The report is '{path}'.").format(path=event.get("file", "")))
            self.channel.rest()
        elif what == "load" and case is not None and self.viewer is not None:
            self.viewer.take(case, event)

    def _onFound(self, event: dict[str, Any]) -> None:
        self.cases = PatientCase.found(event)
        self.listed.emit()
        self._next()

    def _take(self, case: PatientCase, event: dict[str, Any]) -> None:
        case.result, case.fraction = event, 1.0
        self._removeImage(case)
        try:
            if not self._toFiles:
                self._intoScene(case)
        except UserError as error:
            self._fail(case, str(error))
            return
        first = event.get("look_first", {})
        for one in self.cases:
            reasons = list(first.get(one.key, []))
            if one.first != reasons and one is not case:
                one.first = reasons
                self.changed.emit(one)
        case.first = list(first.get(case.key, []))
        self._go(case, PatientState.Done)
        self._next()

    def _intoScene(self, case: PatientCase) -> None:
        assert self.results is not None and self.work is not None
        labels = PatientResults.read(self.work, case)
        if case.frame is None:
            self.results.show(case, labels, case.neededVolume())
            return
        assert self.sequence is not None
        node = slicer.vtkMRMLSegmentationNode()
        volume = self.sequence.volume(case.frame)
        start = [int(one) for one in case.result["start"]]
        self.results.fill(node, VolumeGrid(volume), labels, (start[0], start[1], start[2]))
        self.sequence.addResult(case.frame, node)

    def _fail(self, case: PatientCase, reason: str) -> None:
        case.reason = reason
        self._removeImage(case)
        self._go(case, PatientState.Failed)
        self._next()

    def _go(self, case: PatientCase, state: PatientState) -> None:
        case.state = state
        self.changed.emit(case)

    def _finish(self) -> None:
        failed = sum(one.state is PatientState.Failed for one in self.cases)
        self._end(_("Finished; {count} failed.").format(count=failed) if failed else _("Finished."))

    def _end(self, sentence: str) -> None:
        self.isRunning = False
        self.channel.rest()
        self.said.emit(sentence)
        self.ran.emit()

    def _abort(self, sentence: str) -> None:
        self._endCopy()
        for one in self.cases:
            if one.state.isOpen:
                self._go(one, PatientState.Stopped)
        self._end(sentence)

    def _onRefused(self, what: str, case: PatientCase | None, event: dict[str, Any]) -> None:
        words = f"{event.get('message', '')} {event.get('what_to_do', '')}".strip()
        if what == "segment" and case is not None:
            if event.get("code") in _FOR_ALL:  # the others would fail as well
                self._abort(words)
            else:
                self._fail(case, words)
        elif what in ("begin", "find") and self.isRunning:
            self._abort(words)
        else:
            self.said.emit(words)

    def _onDied(self, sentence: str, at: list[PatientCase]) -> None:
        if not self.isRunning:
            self.said.emit(sentence)
            return
        self._deaths += 1
        if self._deaths > 1 and not at:
            self._abort(sentence)  # it does not even begin
            return
        for case in at:
            case.reason = sentence
            self._removeImage(case)
            self._go(case, PatientState.Failed)
        self.channel.need()

    def _removeImage(self, case: PatientCase) -> None:
        if self.work is not None:
            (self.work / f"image-{case.key}.npy").unlink(missing_ok=True)

    def _endCopy(self) -> None:
        if self._copy is not None:
            self._copy.cancel()
            self._copy = None
        if self.viewer is not None:
            self.viewer.cancel()

    def _forgetWork(self) -> None:
        if self.work is not None:
            shutil.rmtree(self.work, ignore_errors=True)
        self.work = self.viewer = None
