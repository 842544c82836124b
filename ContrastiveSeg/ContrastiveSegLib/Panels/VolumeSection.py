"""The part of the panel where volume and structure are chosen: sample data and earlier work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelmapSource import LabelmapSource
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder
from ContrastiveSegLib.Runs.RunRestorer import RunRestorer
from ContrastiveSegLib.Runs.RunSummary import RunSummary
from ContrastiveSegLib.Samples.SampleVolume import SampleVolume
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker
from ContrastiveSegLib.UserError import UserError

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_ROW_HEIGHT, _MOST_ROWS = 22, 4
_FEW_VOXELS = 2_000_000
_NEVER = object()


class VolumeSection(Section):
    """Offers a sample volume where there is none, and what was learnt from the chosen one before."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.sample = SampleVolume()
        self._finder, self._opening = RunFinder(), Chunks()
        self._parameters: Parameters | None = None
        self._runs: list[RunSummary] = []
        self._lookedAt: Any = _NEVER
        self._items: list[Any] = []
        table = self.ui.runTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("When"), _("State"), _("Structures")])
        table.horizontalHeader().setStretchLastSection(True)
        table.horizontalHeader().setFixedHeight(_ROW_HEIGHT)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        table.setWordWrap(False)
        self.ui.sampleProgressBar.visible = False
        for sender, signal, receiver in self._connections():
            sender.connect(signal, receiver)
        for signal, receiver in self._signals():
            signal.connect(receiver)

    def _connections(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.sampleButton, "clicked(bool)", self._onSample),
            (ui.convertButton, "clicked(bool)", self._onConvert),
            (ui.continueButton, "clicked(bool)", self._onContinue),
            (ui.deleteRunButton, "clicked(bool)", self._onDelete),
            (ui.runTable, "itemSelectionChanged()", self._showButtons),
            (ui.runTable, "cellDoubleClicked(int,int)", self._onDoubleClick),
        ]

    def _signals(self) -> list[tuple[Any, Any]]:
        return [
            (self.sample.progressed, self._onProgress),
            (self.sample.finished, self._onDownloaded),
            (self.sample.failed, self._onFailed),
        ]

    def setParameters(self, parameters: Parameters | None) -> None:
        """The choices of another scene."""
        self._parameters = parameters
        self._lookedAt = _NEVER

    def enter(self) -> None:
        """Runs may have been made or deleted by another 3D Slicer."""
        self._lookedAt = _NEVER

    def forgetScene(self) -> None:
        """Lets go of the nodes."""
        self._lookedAt, self._runs = _NEVER, []
        self._opening.forget()
        self.sample.stop()

    def close(self) -> None:
        """Ends a download."""
        for sender, signal, receiver in self._connections():
            sender.disconnect(signal, receiver)
        for signal, receiver in self._signals():
            signal.disconnect(receiver)
        self._opening.forget()
        self.sample.stop(wait=True)

    def update(self) -> None:
        """Shows what is there for the chosen volume."""
        volume, segmentation = self.panel.nodes()
        self._showConvert(volume, segmentation)
        downloading = self.sample.isRunning
        self.ui.sampleButton.visible = volume is None or downloading
        self.ui.sampleButton.enabled = not downloading and self._parameters is not None
        self.ui.sampleButton.toolTip = (
            _("It is being downloaded.")
            if downloading
            else _("Loads MRHead, a head MRI from 3D Slicer's sample data, and makes a segmentation for it.")
        )
        self.ui.sampleProgressBar.visible = downloading
        # runs are looked for when a learning has ended or the volume is another one, not at each stroke
        image = volume.GetImageData() if volume is not None else None
        state = self.panel.learning.machine.state
        now = (volume.GetID(), image.GetMTime() if image else 0, state) if volume is not None else None
        if now != self._lookedAt:
            self._lookedAt = now
            self._look(volume)
        # a list of nothing but the work that one sees would move the buttons away under the mouse at Start
        self.ui.runsFrame.visible = any(not self._isOpen(run) for run in self._runs)
        self._showButtons()

    def _showConvert(self, volume: Any, segmentation: Any) -> None:
        """Only what is made of surfaces and the like has to be converted."""
        own = segmentation is not None and not PredictionLogic.isPrediction(segmentation)
        whyNot = LabelmapSource.whyNot(segmentation) if own else ""
        self.ui.convertButton.visible = bool(whyNot) and volume is not None
        tip = _("{reason} Converts it, after asking.").format(reason=whyNot)
        self.ui.convertButton.toolTip = PlainText.shown(tip)

    def _onConvert(self, checked: bool = False) -> None:
        with self.panel.explained():
            volume, node = self.panel.nodes()
            if LabelmapSource.isIn(node) or not slicer.util.confirmOkCancelDisplay(
                PlainText.shown(LabelmapSource.question(node)), _("Convert to a binary labelmap")
            ):
                return
            LabelmapSource.makeSource(volume, node)
            self.panel.update()
            self.panel.say(
                _("'{name}' is a binary labelmap now and can be painted in.").format(name=node.GetName())
            )

    def _look(self, volume: Any) -> None:
        chosen = self._chosen()
        self._runs = self._finder.of(volume)
        table = self.ui.runTable
        blocked = table.blockSignals(True)
        table.setRowCount(len(self._runs))
        self._items = []
        busy = self.panel.learning.machine.state.isBusy
        for row, run in enumerate(self._runs):
            words = _("being learnt") if busy and self._isOpen(run) else run.words
            for column, text in enumerate([run.date, words, run.names]):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(PlainText.shown(", ".join(run.structures.values())))
                self._items.append(item)
                table.setItem(row, column, item)
        table.resizeColumnToContents(0)
        table.resizeColumnToContents(1)
        table.setFixedHeight(_ROW_HEIGHT * (min(len(self._runs), _MOST_ROWS) + 1) + 4)
        paths = [run.path for run in self._runs]
        if self._runs:
            table.selectRow(paths.index(chosen.path) if chosen and chosen.path in paths else 0)
        table.blockSignals(blocked)

    def _chosen(self) -> RunSummary | None:
        row = self.ui.runTable.currentRow()
        return self._runs[row] if 0 <= row < len(self._runs) else None

    def _showButtons(self) -> None:
        run, busy = self._chosen(), self.panel.learning.machine.state.isBusy
        isOpen = run is not None and self._isOpen(run)
        wait = _("Wait until the learning has finished, or press Stop.") if busy else ""
        wait = _("Wait until the earlier work is open.") if self._opening.isBusy else wait
        whyNot = wait or ("" if run is not None else _("Choose a line of the list first."))
        self.allow(
            self.ui.continueButton,
            whyNot or (_("This is the work that you see.") if isOpen else ""),
            _("Opens this work: its painting, its result, and what the network has learnt."),
        )
        self.allow(self.ui.deleteRunButton, whyNot, _("Deletes what was learnt, after asking. Nodes stay."))

    def _isOpen(self, run: RunSummary) -> bool:
        """Whether it is the run of the chosen volume and segmentation."""
        volume, segmentation = self.panel.nodes()
        if volume is None or segmentation is None:
            return False
        return bool(RunFolder.numberOf(volume) + RunFolder.numberOf(segmentation) == run.path.name)

    def _onDoubleClick(self, row: int, column: int) -> None:
        if self.ui.continueButton.enabled:
            self._onContinue()

    def _onContinue(self, checked: bool = False) -> None:
        with self.panel.explained():
            run, (volume, _segmentation) = self._chosen(), self.panel.nodes()
            if run is None or self._parameters is None:
                return
            self.panel.say(_("Opening the work of {date}.").format(date=run.date))
            self._open(volume, run)

    def _open(self, volume: Any, run: RunSummary) -> None:
        """Reads the work while the application goes on, at once where it is small, and shows it."""
        found: list[Any] = []

        def steps() -> Iterator[None]:
            found.append((yield from RunRestorer(volume).steps(run)))

        def failed(error: Exception) -> None:
            with self.panel.explained():
                raise error

        isSmall = volume.GetImageData().GetNumberOfPoints() < _FEW_VOXELS
        self._opening.run(steps(), lambda: self._show(volume, found[0], run), failed, atOnce=isSmall)

    def _show(self, volume: Any, segmentation: Any, run: RunSummary) -> None:
        with self.panel.explained():
            if self._parameters is None:
                return
            self._parameters.volume, self._parameters.segmentation = volume, segmentation
            self._parameters.showPrediction = True
            self.panel.chooseDefaults()
            self.panel.update()
            self.panel.say(
                _(
                    "This is the work of {date} on {names}. Review it, paint more slices, or press Start."
                ).format(date=run.date, names=run.names)
            )

    def _onDelete(self, checked: bool = False) -> None:
        with self.panel.explained():
            run = self._chosen()
            if run is None or not slicer.util.confirmOkCancelDisplay(
                PlainText.shown(
                    _(
                        "Delete what was learnt on {date} about {names}? The nodes in the scene stay; the "
                        "learning cannot be gone on with."
                    ).format(date=run.date, names=run.names)
                ),
                _("Delete earlier work"),
            ):
                return
            self.panel.learning.close(wait=True)  # the worker may have files of it open
            RunRestorer.delete(run)
            self._lookedAt = _NEVER
            self.panel.say(_("The work of {date} is deleted.").format(date=run.date))

    def _onSample(self, checked: bool = False) -> None:
        with self.panel.explained():
            if self.sample.isThere():
                self._load(self.sample.path)
            elif slicer.util.confirmOkCancelDisplay(
                _(
                    "Download MRHead, a head MRI, from 3D Slicer's sample data (less than 20 MB)? It is "
                    "kept, so that this is needed only once. Nothing is sent."
                ),
                _("Try it on sample data"),
            ):
                self.sample.start()
                self.ui.sampleProgressBar.setRange(0, 0)
                self.panel.say(_("Downloading the sample volume."))

    def _onProgress(self, done: int, total: int) -> None:
        if total > 0:
            self.ui.sampleProgressBar.setRange(0, 100)
            self.ui.sampleProgressBar.setValue(round(100 * min(done / total, 1.0)))

    def _onDownloaded(self, path: Path) -> None:
        with self.panel.explained():
            if self._parameters is not None and self._parameters.volume is not None:
                self.panel.say(_("The sample volume was not loaded, because there is another one by now."))
                self.update()
            else:
                self._load(path)

    def _onFailed(self, error: UserError) -> None:
        self.panel.say(str(error))
        self.update()

    def _load(self, path: Path) -> None:
        if self._parameters is None:
            return
        volume = self.sample.load(path)
        self._parameters.volume = volume
        self._parameters.segmentation = SegmentationMaker.make(volume)
        self.panel.say(
            _(
                "Paint a structure now, such as the ventricles, completely on three or more slices, with the "
                "tools under Annotate."
            )
        )
