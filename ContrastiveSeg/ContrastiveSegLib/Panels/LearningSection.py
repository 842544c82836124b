"""The part of the panel that starts a learning and tells how it goes."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.LearningLogic import LearningLogic
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.State import State
from ContrastiveSegLib.Words import Words

_STEPS = 1000
_WARNING = "background: #fdecea; color: #611a15; border-radius: 3px; padding: 4px;"


class LearningSection:
    """One button, a progress bar, and sentences.

    What is said and estimated belongs to the nodes that are learnt. Where others are chosen, perhaps of
    another patient, nothing of it may stand there as if it were theirs.

    Args:
        ui: The panel's widgets by name.
        learning: What is going on.
    """

    def __init__(self, ui: Any, learning: LearningLogic) -> None:
        self._ui, self._learning, self._machine = ui, learning, learning.machine
        self._nodes: tuple[Any, Any] = (None, None)
        self._said, self._dice = "", dict[int, float]()
        self._budgetTip = ui.budgetSelector.toolTip
        ui.progressBar.setRange(0, _STEPS)
        self._showEstimate({}, {})

    @property
    def _isOurs(self) -> bool:
        """Whether the state is that of the chosen nodes."""
        now = self._learning.current
        return now is not None and now.isOf(*self._nodes)

    def choose(self, volumeNode: Any, segmentationNode: Any) -> None:
        """Other nodes are chosen: shows what was said about these, or what goes on elsewhere."""
        self._nodes = (volumeNode, segmentationNode)
        isTold = self._isOurs or self._machine.state.isBusy
        self.say(self._withName(self._said) if isTold else "")

    def onSaid(self, sentence: str) -> None:
        """The learning says something."""
        self._said = sentence
        self.say(self._withName(sentence))

    def onEstimated(self, dice: dict[int, float]) -> None:
        """The Dice is estimated, by label value."""
        self._dice = dice
        self.showEstimate()

    def begin(self) -> None:
        """A learning begins: what was estimated before does not hold for it."""
        self._dice = {}

    def forget(self) -> None:
        """Lets go of the scene's nodes, and of what was said about them."""
        self._nodes, self._said, self._dice = (None, None), "", {}
        self.say("")
        self._showEstimate({}, {})

    def _withName(self, sentence: str) -> str:
        now = self._learning.current
        if now is None or self._isOurs or not sentence:
            return sentence
        return _("Of '{name}': {sentence}").format(name=now.volume.GetName(), sentence=sentence)

    def update(self, whyNotStart: str, interrupted: bool) -> None:
        """Shows the state.

        Args:
            whyNotStart: Why learning cannot begin; empty where it can.
            interrupted: Whether an earlier learning of these nodes was ended from outside.
        """
        state, ui = self._machine.state, self._ui
        if state in (State.Starting, State.Learning):
            tip = _("Ends the learning and keeps the best mask so far.")
            self._button(_("Stop"), True, self._withName(tip))
        elif state is State.Stopping:
            self._button(_("Stopping"), False, _("Wait a moment: the best mask so far is being made."))
        elif interrupted or (self._isOurs and state is State.Failed and self._machine.resumable):
            tip = _("Goes on from where it was interrupted.")
            self._button(_("Resume"), not whyNotStart, tip, whyNotStart)
        else:
            tip = _("Learns from the annotated slices and segments the whole volume.")
            self._button(_("Start"), not whyNotStart, tip, whyNotStart)
        ui.budgetSelector.enabled = not state.isBusy
        whyBusy = _("Wait until the learning has finished, or press Stop.")
        ui.budgetSelector.toolTip = whyBusy if state.isBusy else self._budgetTip
        ui.progressBar.visible = state.isBusy
        if not state.isBusy:
            self.showProgress(0.0, None)
        ui.statusLabel.styleSheet = _WARNING if state is State.Failed and self._isOurs else ""
        # what is not bound to the state is the label's own, so that an empty line takes no room
        ui.statusLabel.visible = bool(ui.statusLabel.text)
        self.showEstimate()

    def _button(self, text: str, enabled: bool, tip: str, reason: str = "") -> None:
        button = self._ui.startButton
        button.text, button.enabled, button.toolTip = text, enabled, PlainText.shown(reason or tip)

    def say(self, sentence: str) -> None:
        """Puts a sentence into the status line."""
        self._ui.statusLabel.text = sentence
        self._ui.statusLabel.visible = bool(sentence)

    def showProgress(self, fraction: float, secondsLeft: float | None) -> None:
        """Moves the bar; the time left stands in it."""
        left = Words.timeLeft(secondsLeft)
        self._ui.progressBar.setValue(round(_STEPS * min(max(fraction, 0.0), 1.0)))
        self._ui.progressBar.setFormat(f"%p % – {left}" if left else "%p %")

    def showEstimate(self) -> None:
        """Shows the estimate of the chosen nodes: of the learning, or what their prediction has of it."""
        volume, segmentation = self._nodes
        if self._isOurs:
            isDone = self._machine.state is State.Done
            self._showEstimate(self._dice, self._learning.segmentNames if self._dice or isDone else {})
        elif volume is not None and PredictionLogic.isFor(volume, segmentation):
            segments = PredictionLogic.predicted(segmentation).GetSegmentation()
            found = [segments.GetSegment(one) for one in segments.GetSegmentIDs()]
            names = {one.GetLabelValue(): one.GetName() for one in found}
            dice = ReviewRecord.stored(segmentation).dice
            self._showEstimate(dice, names if dice else {})
        else:
            self._showEstimate({}, {})

    def _showEstimate(self, dice: dict[int, float], names: dict[int, str]) -> None:
        """Shows the estimated Dice, worst structure first; nothing hides the line.

        Args:
            dice: By label value; empty where there is none.
            names: What the structures are called, by label value; empty before anything is learnt.
        """
        label = self._ui.estimateLabel
        label.visible = bool(dice or names)
        if not dice:
            label.text = _("No estimate of the Dice: it needs 10 or more annotated slices.") if names else ""
            return
        worst = sorted(dice, key=lambda value: dice[value])
        listed = Words.listed([f"{names.get(value, value)} {dice[value]:.2f}" for value in worst], most=6)
        label.text = _("Estimated Dice: {listed}").format(listed=listed)
