"""The part of the panel that pretrains on the user's own volumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.Panels.ModelsSection import WARNING, ModelsSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Pretraining import Pretraining
from ContrastiveSegLib.PretrainingMethod import PretrainingMethod
from ContrastiveSegLib.PretrainingPlot import PretrainingPlot
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.Words import Words

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_STEPS = 1000


class PretrainingSection(Section):
    """Choices, one button, a bar with the time left, the curves, and a monitor of the features.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.questions, self.pretraining, self.plot = FileQuestions(), Pretraining(), PretrainingPlot()
        self._rank: float | None = None
        ui = self.ui
        ui.pretrainCollapsibleButton.collapsed = True
        ui.pretrainHelpLabel.text = _(
            "Teaches an encoder what your images look like, without any labels. It needs a folder of volumes "
            "and time; nothing leaves this computer."
        )
        for value, name, _help in PretrainingMethod.all():
            ui.pretrainMethodSelector.addItem(name, value)
        for modality in ("MR", "CT", "US"):
            ui.pretrainModalitySelector.addItem(modality)
        for minutes, words in self._times():
            ui.pretrainTimeSelector.addItem(words, minutes)
        ui.pretrainTimeSelector.setCurrentIndex(2)
        ui.pretrainProgressBar.setRange(0, _STEPS)
        for widget, signal, function in self._connections():
            widget.connect(signal, function)
        for told, receiver in self._signals():
            told.connect(receiver)
        ui.pretrainMonitorLabel.toolTip = _(
            "The loss falls while it learns. Where features differ in hardly any direction, all images look "
            "alike to the network: 1 is a collapse, 2 to 3 are normal for PCL, GCL and MACL, others have "
            "more."
        )
        self._say("")
        self._showMonitor("")
        self._onMethod(0)
        self._fill(self.pretraining.interrupted())
        self.update()

    @staticmethod
    def _times() -> list[tuple[int, str]]:
        return [
            (10, _("10 minutes")),
            (30, _("30 minutes")),
            (60, _("1 hour")),
            (240, _("4 hours")),
            (720, _("12 hours")),
        ]

    def _connections(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.pretrainFolderEdit, "textChanged(QString)", self._onText),
            (ui.pretrainNameEdit, "textChanged(QString)", self._onText),
            (ui.pretrainMethodSelector, "currentIndexChanged(int)", self._onMethod),
            (ui.pretrainFolderButton, "clicked(bool)", self._onFolder),
            (ui.pretrainButton, "clicked(bool)", self._onButton),
            (ui.pretrainAnewButton, "clicked(bool)", self._onAnew),
            (ui.pretrainLossButton, "clicked(bool)", self._onLoss),
            (ui.pretrainRankButton, "clicked(bool)", self._onRank),
        ]

    def _signals(self) -> list[tuple[Any, Any]]:
        return [
            (self.pretraining.changed, self.update),
            (self.pretraining.progressed, self._onProgress),
            (self.pretraining.measured, self._onMeasured),
            (self.pretraining.said, self._say),
            (self.pretraining.stored, self._onStored),
        ]

    def close(self) -> None:
        """Lets go of the widgets and ends a pretraining, which can be resumed the next time."""
        for told, receiver in self._signals():
            told.disconnect(receiver)
        for widget, signal, function in self._connections():
            widget.disconnect(signal, function)
        self.pretraining.close()
        self.plot.forget()

    def forgetScene(self) -> None:
        """The plots go with the scene; the pretraining does not."""
        self.plot.forget()

    def choices(self) -> dict[str, Any]:
        """What stands in the fields."""
        ui = self.ui
        method, time = ui.pretrainMethodSelector, ui.pretrainTimeSelector
        return {
            "data": ui.pretrainFolderEdit.text.strip(),
            "name": ui.pretrainNameEdit.text.strip(),
            "method": str(method.itemData(method.currentIndex)),
            "modality": ui.pretrainModalitySelector.currentText.strip(),
            "anatomy": ui.pretrainAnatomyEdit.text.strip(),
            "licence": ui.pretrainLicenceEdit.text.strip(),
            "minutes": float(time.itemData(time.currentIndex)),
        }

    def _fill(self, choices: dict[str, Any]) -> None:
        """Puts the choices of an interrupted pretraining into the fields."""
        if not choices:
            return
        ui = self.ui
        ui.pretrainFolderEdit.text = str(choices.get("data", ""))
        ui.pretrainNameEdit.text = str(choices.get("name", ""))
        ui.pretrainAnatomyEdit.text = str(choices.get("anatomy", ""))
        ui.pretrainLicenceEdit.text = str(choices.get("licence", ""))
        ui.pretrainModalitySelector.setCurrentText(str(choices.get("modality", "")))
        method = ui.pretrainMethodSelector.findData(str(choices.get("method", "")))
        ui.pretrainMethodSelector.setCurrentIndex(max(0, method))
        times = [minutes for minutes, _words in self._times()]
        if choices.get("minutes") in times:
            ui.pretrainTimeSelector.setCurrentIndex(times.index(choices["minutes"]))

    def update(self) -> None:
        """Shows what is going on and what can be done."""
        ui, job = self.ui, self.pretraining
        interrupted = {} if job.isBusy else job.interrupted()
        button = ui.pretrainButton
        if job.isBusy:
            button.text = _("Stopping") if job.isStopping else _("Stop")
            button.enabled = not job.isStopping
            button.toolTip = (
                _("Wait a moment: what has been learnt is being saved.")
                if job.isStopping
                else _(
                    "Ends the pretraining. The weights are kept as they are by then, and it can be resumed."
                )
            )
        elif interrupted:
            button.text, button.enabled = _("Resume"), True
            button.toolTip = _("Goes on with '{name}' from where it was.").format(name=interrupted["name"])
        else:
            reason = job.whyNot(self.choices())
            button.text, button.enabled = _("Start pretraining"), not reason
            button.toolTip = reason or _("Learns from the volumes, without labels, for the chosen time.")
        ui.pretrainAnewButton.visible = bool(interrupted)
        ui.pretrainAnewButton.toolTip = _(
            "Forgets where the interrupted pretraining was, after asking, so that another can be begun. "
            "Weights that were kept stay."
        )
        locked = job.isBusy or bool(interrupted)
        for name in ("FolderEdit", "FolderButton", "NameEdit", "MethodSelector", "ModalitySelector",
                     "AnatomyEdit", "LicenceEdit", "TimeSelector"):  # fmt: skip
            getattr(ui, f"pretrain{name}").enabled = not locked
        ui.pretrainFolderButton.toolTip = (
            _("The pretraining that was begun has its folder; let it finish, or press Begin anew.")
            if locked
            else _("Asks for the folder with volumes.")
        )
        ui.pretrainProgressBar.visible = job.isBusy
        if not job.isBusy:
            self._onProgress(0.0, None)
        for name, curve in (("Loss", "loss"), ("Rank", "rank")):
            there = self.plot.count(curve) > 0
            one = getattr(ui, f"pretrain{name}Button")
            one.enabled = there
            one.toolTip = (
                _("Shows the curve beside the slices; it grows while it is learnt.")
                if there
                else _("There is no curve yet; it comes with a pretraining.")
            )
        ui.pretrainStatusLabel.styleSheet = WARNING if job.hasFailed or job.hasCollapsed else ""

    def _say(self, sentence: str) -> None:
        self.ui.pretrainStatusLabel.text = sentence
        self.ui.pretrainStatusLabel.visible = bool(sentence)

    def _showMonitor(self, words: str) -> None:
        self.ui.pretrainMonitorLabel.text = words
        self.ui.pretrainMonitorLabel.visible = bool(words)

    def _onProgress(self, fraction: float, secondsLeft: float | None) -> None:
        bar = self.ui.pretrainProgressBar
        bar.setValue(round(_STEPS * min(max(fraction, 0.0), 1.0)))
        left = Words.timeLeft(secondsLeft)
        bar.setFormat(f"{left}  (%p%)" if left else "%p%")

    def _onMeasured(self, event: dict[str, Any]) -> None:
        first = self.plot.count("loss") == 0
        self.plot.add(event)
        rank = event.get("effective_rank")
        if isinstance(rank, int | float):
            self._rank = float(rank)
        words = _("Step {step}. Loss {loss:.3f}.").format(
            step=event.get("step"), loss=float(event.get("loss") or 0.0)
        )
        if self._rank is not None:
            words += " " + _("Features differ in about {rank:.1f} directions (effective rank).").format(
                rank=self._rank
            )
        self._showMonitor(words)
        if first:
            self.update()

    def _onStored(self, name: str) -> None:
        for section in self.panel.sections:
            if isinstance(section, ModelsSection):
                section.fill(name)
        self.panel.weights.fill()

    def _onText(self, text: str) -> None:
        self.update()

    def _onMethod(self, index: int) -> None:
        self.ui.pretrainMethodHelpLabel.text = PretrainingMethod.all()[max(0, index)][2]

    def _onFolder(self, checked: bool = False) -> None:
        with self.panel.explained():
            folder = self.questions.folder(_("Folder with volumes"))
            if folder:
                self.ui.pretrainFolderEdit.text = folder
                if not self.ui.pretrainNameEdit.text:
                    self.ui.pretrainNameEdit.text = Path(folder).name

    def _onButton(self, checked: bool = False) -> None:
        if self.pretraining.isBusy:
            self.pretraining.stop()
            return
        with self.panel.explained():
            try:
                self.panel.requirePackages()
                self.plot.begin()
                self._rank = None
                self._showMonitor("")
                if self.pretraining.interrupted():
                    self.pretraining.resume()
                else:
                    self.pretraining.start(self.choices())
            except UserError as error:
                self._say(str(error))
        self.update()

    def _onAnew(self, checked: bool = False) -> None:
        question = _(
            "Forget where the pretraining '{name}' was? What it has learnt cannot be gone on with then. "
            "Weights that were kept of it stay."
        ).format(name=self.pretraining.interrupted().get("name", ""))
        if not slicer.util.confirmOkCancelDisplay(PlainText.shown(question), _("Begin anew")):
            return
        self.pretraining.discard()
        self._say("")
        self.update()

    def _onLoss(self, checked: bool = False) -> None:
        with self.panel.explained():
            self.plot.show("loss")

    def _onRank(self, checked: bool = False) -> None:
        with self.panel.explained():
            self.plot.show("rank")
