"""The part of the panel that hands the tuned model on to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.ModelExport import ModelExport
from ContrastiveSegLib.Panels.ModelsSection import WARNING
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.UserError import UserError

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_STEPS = 1000


class ExportSection(Section):
    """Format, one button, progress, and how far the result is the same.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.questions, self.exporting = FileQuestions(), ModelExport()
        ui = self.ui
        ui.exportCollapsibleButton.collapsed = True
        for kind, name, _help in ModelExport.formats():
            ui.exportFormatSelector.addItem(name, kind)
        ui.exportProgressBar.setRange(0, _STEPS)
        ui.exportFormatSelector.connect("currentIndexChanged(int)", self._onFormat)
        ui.exportModelButton.connect("clicked(bool)", self._onExport)
        self.exporting.progressed.connect(self._onProgress)
        self.exporting.said.connect(self._say)
        self.exporting.changed.connect(self.update)
        self._say("")
        self._onFormat(0)

    def close(self) -> None:
        """Lets go of the widgets and ends an export."""
        self.ui.exportFormatSelector.disconnect("currentIndexChanged(int)", self._onFormat)
        self.ui.exportModelButton.disconnect("clicked(bool)", self._onExport)
        self.exporting.close()

    def update(self) -> None:
        """Enables what can be used, and says why the rest cannot."""
        busy, button = self.exporting.isBusy, self.ui.exportModelButton
        reason = "" if busy else self._whyNot()
        button.text = _("Stop") if busy else _("Export...")
        button.enabled = not reason
        if busy:
            button.toolTip = _("Ends the export; nothing is left of it.")
        else:
            button.toolTip = reason or _("Asks for a new folder, and writes the model with a README into it.")
        self.ui.exportFormatSelector.enabled = not busy
        self.ui.exportProgressBar.visible = busy

    def _whyNot(self) -> str:
        volume, segmentation = self.panel.nodes()
        reason = Readiness.whyNotPaint(volume, segmentation)
        if reason:
            return str(reason)
        if self.panel.learning.machine.state.isBusy:
            return _("Wait until the learning has finished, or press Stop.")
        folder = RunFolder.existing(volume, segmentation)
        if folder is None or not folder.hasLearnt:
            return _("Nothing has been learnt from this segmentation yet; press Start.")
        return ""

    def _say(self, sentence: str) -> None:
        label = self.ui.exportStatusLabel
        label.text, label.visible = sentence, bool(sentence)
        label.styleSheet = WARNING if self.exporting.hasFailed else ""

    def _onProgress(self, fraction: float) -> None:
        self.ui.exportProgressBar.setValue(round(_STEPS * fraction))

    def _onFormat(self, index: int) -> None:
        self.ui.exportFormatHelpLabel.text = ModelExport.formats()[max(0, index)][2]

    def _onExport(self, checked: bool = False) -> None:
        if self.exporting.isBusy:
            self.exporting.stop()
            return
        with self.panel.explained():
            try:
                self._ask()
            except UserError as error:
                self._say(str(error))
        self.update()

    def _ask(self) -> None:
        folder = RunFolder.existing(*self.panel.nodes())
        if folder is None:
            raise UserError(_("Nothing has been learnt from this segmentation yet."), _("Press Start."))
        output: Any = self.questions.newFolder(_("New folder for the model"))
        if output:
            self.ui.exportProgressBar.setValue(0)
            kind = str(self.ui.exportFormatSelector.itemData(self.ui.exportFormatSelector.currentIndex))
            # a segmentation's name may be a patient's: the model is called as the folder is
            self.exporting.start(folder.path, kind, output, Path(output).name)
