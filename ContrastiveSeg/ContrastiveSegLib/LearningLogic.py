"""One learning from Start to the finished mask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.Background import Background
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.OtherThread import OtherThread
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.RoundFiles import RoundFiles
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from ContrastiveSegLib.State import State
from ContrastiveSegLib.StateMachine import StateMachine
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import Exported, VolumeExport
from ContrastiveSegLib.WorkerProcess import WorkerProcess

_SUGGESTIONS = 3


class LearningLogic:
    """Exports the nodes, drives the worker and puts its masks into the scene; needs no widgets.

    Signals: ``progressed`` (fraction, seconds left or None), ``estimated`` (Dice by label value),
    ``said`` (a sentence for the status line), ``predicted`` (the prediction's node), ``mapped`` (the
    nodes of probability and uncertainty), ``measured`` (step, loss or None, Dice by label value),
    ``suggested`` (the slices to annotate next, best first), ``greeted`` (the devices that the worker has
    found). ``machine.changed`` tells the state.

    Files are written and read in a thread: with a large CT that takes seconds.

    Args:
        worker: Another worker than the application's own, for tests.
    """

    def __init__(self, worker: WorkerProcess | None = None) -> None:
        self.machine = StateMachine()
        self.progressed, self.estimated = Signal("progressed"), Signal("estimated")
        self.said, self.predicted, self.mapped = Signal("said"), Signal("predicted"), Signal("mapped")
        self.measured, self.suggested = Signal("measured"), Signal("suggested")
        self.greeted = Signal("greeted")
        self.devices: list[dict[str, Any]] = []
        self.worker = worker or WorkerProcess()
        self.settings: dict[str, Any] = {}
        self.device = self._wanted = ""
        self._round: LearningRound | None = None
        self._roundFiles, self._files = RoundFiles(), Background()
        handlers = {
            "hello": self._onHello,
            "status": self._onStatus,
            "progress": self._onProgress,
            "metric": self._onMetric,
            "preview": self._onPreview,
            "note": lambda event: self.said.emit(str(event.get("message", ""))),
            "result": self._onResult,
            "error": self._onError,
        }
        for name, handler in handlers.items():
            self.worker.signals[name].connect(handler)
        self.worker.died.connect(self._onDied)

    @property
    def current(self) -> LearningRound | None:
        """What is being learnt, or was learnt last; the state and what is said are about it."""
        return self._round

    @property
    def segmentNames(self) -> dict[int, str]:
        """What is being learnt, by label value."""
        return self._round.names() if self._round else {}

    def start(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        budget: str | float,
        *,
        axis: int | None = None,
        weights: str = "",
        anew: bool = False,
        further: Sequence[Any] = (),
        **settings: Any,
    ) -> None:
        """Begins a learning, or the next round of it, and returns at once.

        Where the run has learnt something already, it goes on from there: also after the worker or
        the application was ended from outside.

        Args:
            volumeNode: The image.
            segmentationNode: Where the user has painted.
            budget: ``quick``, ``balanced``, ``best`` or seconds.
            axis: Limits the annotated slices to one array axis.
            weights: Name of pretrained weights to start from; empty for none.
            anew: Forget what was learnt from these nodes before.
            further: Other volumes, of which nothing is painted, for semi-supervised learning.
            **settings: Further settings of the engine, such as ``device``.

        Raises:
            UserError: Something is missing, or the folder cannot be made.
        """
        if self.machine.state.isBusy:
            raise UserError(_("A learning is going on."), _("Press Stop first."))
        folder = RunFolder.of(volumeNode, segmentationNode).create()
        values = folder.segmentValues(list(segmentationNode.GetSegmentation().GetSegmentIDs()))
        segments = VolumeExport.segments(segmentationNode, values)
        wanted = {"budget": budget, **({"weights": weights} if weights else {}), **settings, **self.settings}
        nodes = (volumeNode, segmentationNode)
        now = LearningRound(*nodes, folder, segments, budget, wanted, anew, tuple(further))
        self._roundFiles.look(now, values, axis, lambda error: self._notWritten(now, error))
        SequenceFrame.claim(*nodes)
        self._round = now
        if anew:
            folder.forgetLearnt()
        interrupted = folder.wasInterrupted() and not anew
        self._wanted = str(settings.get("device") or "")
        folder.setLearning(True)
        folder.keepLook(segmentationNode)
        self.machine.go(State.Ready)
        self.machine.go(State.Starting)
        try:
            self.worker.start()
        except UserError as error:
            self._fail(str(error), resumable=False)
        if not self.machine.state.isBusy:  # some systems say at once that it cannot be started
            self._roundFiles.forget()
            return
        self.said.emit(
            _("Going on from where it was interrupted.") if interrupted else _("Preparing the learning.")
        )
        self._write(now)

    def _write(self, now: LearningRound) -> None:
        """Writes the arrays, and then lets the worker open them."""

        def written(exported: Exported) -> None:
            # stopped, dead or closed meanwhile: nobody waits for the files
            if self._round is now and self.machine.state is State.Starting:
                self._open(now, exported)
            elif self._round is now and self.machine.state is State.Stopping:
                self._onIdle(now)

        self._roundFiles.write(now, written, lambda error: self._notWritten(now, error))

    def _notWritten(self, now: LearningRound, error: UserError) -> None:
        if self._round is now and self.machine.state.isBusy:
            self._fail(str(error), resumable=False)

    def _open(self, now: LearningRound, exported: Exported) -> None:
        now.slices = frozenset(exported.slices)
        now.openId = self.worker.send(
            "open",
            run=str(now.folder.path),
            settings=now.settings,
            **exported.fields(),
            **({"anew": True} if now.anew else {"resume": now.folder.hasLearnt}),
        )

    def warmUp(self) -> None:
        """Starts the worker before it is needed, as it takes seconds to load PyTorch.

        Nothing is said where that fails: Start tries again, and says what is wrong.
        """
        if self.machine.state.isBusy or self.worker.isRunning:  # or is ending: not waited for here
            return
        try:
            self.worker.start()
        except UserError as error:
            logging.info("ContrastiveSeg: %s", error)

    def stop(self) -> None:
        """Asks the worker to end with the best it has; it does so within about a second."""
        if self.machine.state in (State.Starting, State.Learning):
            self.machine.go(State.Stopping)
            self.said.emit(_("Stopping; the best mask so far is kept."))
            if self._round is not None and not self._round.trainId:
                # nothing is trained yet: the answer to open must not start it
                self._round.trainId = -1
            self.worker.send("stop")

    def close(self, wait: bool = True) -> None:
        """Ends the worker; for the end of the module or of the application."""
        self._round = None
        self._roundFiles.forget()
        self._files.forget()
        self.worker.quit(wait=wait)
        if wait:
            OtherThread.end()
        self.machine.go(State.Empty)

    def abandon(self) -> None:
        """Forgets the nodes, as when the scene is closed; what was learnt stays on disk."""
        self.close(wait=False)

    def _onHello(self, event: dict[str, Any]) -> None:
        device = event.get("device")
        if event.get("protocol") != 1 and not self.machine.state.isBusy:
            self.worker.quit()  # nobody waits for it yet; Start asks a new one
        elif event.get("protocol") != 1:
            words = _("The engine speaks another version of the protocol ({version}). Restart 3D Slicer.")
            self._fail(words.format(version=event.get("protocol")), resumable=False)
        found = event.get("devices")
        if isinstance(found, list):
            self.devices = [one for one in found if isinstance(one, dict)]
            self.greeted.emit(self.devices)
        if isinstance(device, dict):
            self.device = str(device.get("name") or device.get("kind") or "")

    def _onStatus(self, event: dict[str, Any]) -> None:
        now = self._round
        if now is None:
            return
        state = event.get("state")
        if state == "training" and event.get("reply_to") == now.trainId:
            self.machine.go(State.Learning)
            chosen = [str(one.get("name")) for one in self.devices if one.get("id") == self._wanted]
            self.said.emit(now.words(chosen[0] if chosen else self.device))
        elif state == "idle":
            ours = event.get("reply_to") in (now.trainId, now.openId)
            if ours or (self.machine.state is State.Stopping and now.trainId <= 0):
                self._onIdle(now)

    def _onIdle(self, now: LearningRound) -> None:
        if now.isReading:
            now.afterReading.append(lambda: self._onIdle(now))
            return
        if not self.machine.state.isBusy:
            return
        now.folder.endLearning()
        stopped = self.machine.state is State.Stopping
        self._round = now
        if now.hasResult:
            self.machine.go(State.Done)
            words = _("Stopped; this is the best mask so far.") if stopped else _("Finished.")
            self.said.emit(words + " " + _("Review it, paint more slices where it is wrong, or accept it."))
            now.suggestId = self.worker.send("suggest", case=0, count=_SUGGESTIONS)
        else:
            self.machine.go(State.Ready)
            self.said.emit(_("Stopped before there was a mask."))

    def _onProgress(self, event: dict[str, Any]) -> None:
        now = self._round
        if now is None or event.get("reply_to") not in (None, now.openId, now.trainId):
            return  # of an earlier round
        if self.machine.state in (State.Starting, State.Learning):
            left = event.get("seconds_left")
            self.progressed.emit(float(event.get("fraction") or 0.0), None if left is None else float(left))

    def _onMetric(self, event: dict[str, Any]) -> None:
        now, loss, dice = self._round, event.get("loss"), event.get("dice")
        if now is not None and event.get("reply_to") == now.trainId:  # or it is of an earlier round
            loss = None if loss is None else float(loss)
            self.measured.emit(int(event.get("step") or 0), loss, ReviewRecord.numbers(dice))
            self._estimate(dice)

    def _estimate(self, dice: Any) -> None:
        numbers = ReviewRecord.numbers(dice)
        if self._round is not None and numbers:
            self.estimated.emit(numbers)

    def _onPreview(self, event: dict[str, Any]) -> None:
        now = self._round
        if now is None or not self.machine.state.isBusy or event.get("reply_to") != now.trainId:
            return
        path = now.path(event.get("prediction"))
        if path is None or now.isReading:  # the next one comes soon
            return
        values = [one.value for one in now.segments]

        def show(labels: Any) -> None:
            if self._show(now, labels):
                ReviewRecord.forget(now.segmentation)  # the numbers are those of the former result

        def failed(error: Exception) -> None:  # an older preview may be gone by now
            logging.info("ContrastiveSeg: %s", PredictionLogic.unreadable(path, error))

        self._read(now, lambda: PredictionFiles.labels(path, values), show, failed)

    def _read(
        self,
        now: LearningRound,
        work: Callable[[], Any],
        show: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Reads files in the thread; what the worker says meanwhile waits for it."""
        now.isReading = True

        def ended(function: Callable[[Any], None]) -> Callable[[Any], None]:
            def after(value: Any) -> None:
                now.isReading = False
                if self._round is now and self.machine.state.isBusy:
                    try:
                        function(value)
                    except UserError as error:
                        self._fail(str(error), resumable=False)
                waiting, now.afterReading = now.afterReading, []
                for one in waiting:
                    one()

            return after

        self._files.run(work, ended(show), ended(failed))

    def _onResult(self, event: dict[str, Any]) -> None:
        now = self._round
        if now is None:
            return
        if event.get("for") == "open" and event.get("reply_to") == now.openId:
            if now.trainId == 0:
                now.trainId = self.worker.send("train", budget=now.budget)
            else:  # stopped meanwhile
                self._onIdle(now)
        elif event.get("for") == "train" and event.get("reply_to") == now.trainId:
            self._take(event, now)
        elif event.get("for") == "suggest" and event.get("reply_to") == now.suggestId:
            found = SliceSuggestion.ofEvent(event, self.segmentNames)
            SliceSuggestion.store(now.segmentation, found)
            self.suggested.emit(found)

    def _take(self, event: dict[str, Any], now: LearningRound) -> None:
        """Puts a finished result into the scene."""
        if now.isReading:
            now.afterReading.insert(0, lambda: self._take(event, now))
            return
        paths = {kind: now.path(event.get(kind)) for kind in ("prediction", "probability", "uncertainty")}
        prediction = paths.pop("prediction")
        maps = {kind: path for kind, path in paths.items() if path is not None}
        if prediction is None:
            return
        values = [one.value for one in now.segments]

        def work() -> tuple[Any, dict[str, Any]]:
            labels = PredictionFiles.labels(prediction, values)
            return labels, {kind: PredictionFiles.map(path) for kind, path in maps.items()}

        def show(read: tuple[Any, dict[str, Any]]) -> None:
            if not self._show(now, read[0]):
                return
            ReviewRecord.of(event).store(now.segmentation)
            self.mapped.emit(PredictionLogic.updateMaps(now.volume, now.segmentation, read[1]))
            now.hasResult = True
            self._estimate(event.get("dice_estimate"))

        def failed(error: Exception) -> None:
            self._fail(str(PredictionLogic.unreadable(prediction, error)), resumable=False)

        self._read(now, work, show, failed)

    def _show(self, now: LearningRound, labels: Any) -> bool:
        """Puts a mask into the scene; returns whether its nodes are still as they were.

        Raises:
            UserError: It does not fit the volume.
        """
        whyNot = now.whyNoResult()
        if whyNot:
            self.worker.send("stop")
            self._fail(whyNot, resumable=False)
            return False
        self.predicted.emit(PredictionLogic.update(now.volume, now.segmentation, labels, now.segments))
        return True

    def _onError(self, event: dict[str, Any]) -> None:
        now = self._round
        if now is None or not self.machine.state.isBusy:
            return
        if event.get("reply_to") not in (None, now.openId, now.trainId):
            return  # of an earlier round
        if event.get("code") == "bad-checkpoint":
            now.folder.forgetLearnt()  # so that Start begins anew
        words = f"{event.get('message', '')} {event.get('what_to_do', '')}".strip()
        self._fail(words, resumable=False)

    def _onDied(self, sentence: str) -> None:
        if not self.machine.state.isBusy:
            logging.info("ContrastiveSeg: %s", sentence)
            return  # a new one is started when it is needed
        logging.warning("ContrastiveSeg: %s\n%s", sentence, self.worker.recentLog)
        if self.worker.hasRun:
            self._fail(sentence + " " + _("Press Resume to go on from where it was."), resumable=True)
        else:
            self._fail(sentence + " " + _("Install 3D Slicer again if that does not pass."), resumable=False)

    def _fail(self, sentence: str, resumable: bool) -> None:
        now = self._round
        if now is not None and not resumable:
            now.folder.endLearning()
        self.machine.go(State.Failed, resumable)
        self.said.emit(sentence)
