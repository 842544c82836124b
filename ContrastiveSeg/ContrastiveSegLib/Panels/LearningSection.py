"""The part of the panel that starts a learning and tells how it goes."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.State import State
from ContrastiveSegLib.StateMachine import StateMachine
from ContrastiveSegLib.Words import Words

_STEPS = 1000
_WARNING = "background: #fdecea; color: #611a15; border-radius: 3px; padding: 4px;"


class LearningSection:
    """One button, a progress bar, and sentences.

    Args:
        ui: The panel's widgets by name.
        machine: What is going on.
    """

    def __init__(self, ui: Any, machine: StateMachine) -> None:
        self._ui, self._machine = ui, machine
        ui.progressBar.setRange(0, _STEPS)
        self.showEstimate({}, {})

    def update(self, whyNotStart: str, interrupted: bool) -> None:
        """Shows the state.

        Args:
            whyNotStart: Why learning cannot begin; empty where it can.
            interrupted: Whether an earlier learning of this volume was ended from outside.
        """
        state, ui = self._machine.state, self._ui
        if state in (State.Starting, State.Learning):
            self._button(_("Stop"), True, _("Ends the learning and keeps the best mask so far."))
        elif state is State.Stopping:
            self._button(_("Stopping"), False, _("Wait a moment: the best mask so far is being made."))
        elif interrupted or (state is State.Failed and self._machine.resumable):
            tip = _("Goes on from where it was interrupted.")
            self._button(_("Resume"), not whyNotStart, tip, whyNotStart)
        else:
            tip = _("Learns from the annotated slices and segments the whole volume.")
            self._button(_("Start"), not whyNotStart, tip, whyNotStart)
        ui.budgetSelector.enabled = not state.isBusy
        ui.progressBar.visible = state.isBusy
        if not state.isBusy:
            self.showProgress(0.0, None)
        ui.statusLabel.styleSheet = _WARNING if state is State.Failed else ""
        # what is not bound to the state is the label's own, so that an empty line takes no room
        ui.statusLabel.visible = bool(ui.statusLabel.text)

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

    def showEstimate(self, dice: dict[int, float], names: dict[int, str]) -> None:
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
