"""The part of the panel that says what to paint next, and goes there."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationHint import AnnotationHint
from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class SuggestionSection(Section):
    """Before a learning it guides through the first slices; after it, to those that help most."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._target: SliceSuggestion | None = None
        self.ui.suggestButton.connect("clicked(bool)", self._onGo)
        panel.learning.suggested.connect(self._onSuggested)

    def update(self) -> None:
        """Shows the next suggestion that nobody has annotated yet."""
        volume, segmentation = self.panel.nodes()
        summary = self.panel.annotation.summary
        whyNot = Readiness.whyNotPaint(volume, segmentation)
        self._target = None
        if summary is None:
            words = whyNot or self.panel.annotation.problem
            self._show(self._orBefore(words) if volume is not None and segmentation is None else words, "")
            return
        given = SliceSuggestion.stored(volume, segmentation)
        known = {one.slice for one in summary.slices}
        left = [one for one in given if one.slice not in known]
        learning = self.panel.learning.machine.state.isBusy
        if given and not left:
            done = _("All suggested slices are annotated: press Start to learn from them.")
            self._show(AnnotationHint.whileLearning() if learning else done, "")
            return
        if left:
            self._target = left[0]
            words = _("Next: {sentence}").format(sentence=left[0].sentence(VolumeGrid(volume)))
        else:
            hint = AnnotationHint.of(summary, learning)
            words = hint.sentence if summary.painted else self._orBefore(hint.sentence)
            if hint.slice is not None:
                self._target = SliceSuggestion(hint.slice, "", 0.0, 0.0, "")
        self._show(words, "" if self._target is None else words)

    def _orBefore(self, words: str) -> str:
        """Words for whom has painted nothing: perhaps there is no need to."""
        if not self.panel.section(OtherPatientsSection).learnt.runs:
            return words
        return words + " " + _("Or apply under Other patients what was learnt before.")

    def forgetScene(self) -> None:
        """What was suggested belongs to nodes that are gone."""
        self._target = None

    def close(self) -> None:
        """Lets go of the button and of the learning."""
        self.ui.suggestButton.disconnect("clicked(bool)", self._onGo)
        self.panel.learning.suggested.disconnect(self._onSuggested)

    def _show(self, words: str, tip: str) -> None:
        self.ui.suggestionLabel.text = words
        self.ui.suggestionLabel.visible = bool(words)
        self.ui.suggestButton.enabled = self._target is not None
        self.ui.suggestButton.toolTip = tip or _(
            "There is no slice to go to: what to do next stands above. After a learning the slices that help "
            "most are suggested."
        )

    def _onSuggested(self, suggestions: list[SliceSuggestion]) -> None:
        self.update()

    def _onGo(self, checked: bool = False) -> None:
        with self.panel.explained():
            volume, segmentation = self.panel.nodes()
            if self._target is None or volume is None:
                raise UserError(_("There is no suggested slice any more."))
            grid = VolumeGrid(volume)
            SliceViews.align(grid, segmentation)  # an oblique view cannot show it
            SliceViews.jumpTo(self._target.center(grid))
