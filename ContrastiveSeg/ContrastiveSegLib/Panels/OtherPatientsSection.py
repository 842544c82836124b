"""The part of the panel that applies what was learnt to other patients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.CaseTable import CaseTable
from ContrastiveSegLib.DicomSegExport import DicomSegExport
from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.OtherPatientsLogic import OtherPatientsLogic
from ContrastiveSegLib.Panels.LearntBox import LearntBox
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Panels.SequenceBox import SequenceBox
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PatientTarget import FORMATS, SCENE, PatientTarget
from ContrastiveSegLib.PatientViewer import PatientViewer
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SceneVolumes import SceneVolumes
from ContrastiveSegLib.SequenceLogic import SequenceLogic
from ContrastiveSegLib.UserError import UserError

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_VOLUMES, _FOLDER, _SEQUENCE = 0, 1, 2
_STEPS = 1000


class OtherPatientsSection(Section):
    """Chooses cases and where their masks go, and shows the list.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.logic = OtherPatientsLogic()
        self.folder: Path | None = None
        self.masksFolder: Path | None = None
        self._listedFor: tuple[Any, ...] = ()
        self._learnt: Any = None
        self._failure = ""
        ui = self.ui
        # here and not in the .ui file, where the contents do not exist yet when it is read
        ui.patientsCollapsibleButton.collapsed = True
        self.learnt = LearntBox(ui.patientsLearntBox, ui.patientsLearntFrame)
        self._sequences = SequenceBox(ui.patientsSequenceBox)
        self.table = CaseTable(ui.patientsTable)
        for label in (
            _("Other volumes of the scene"),
            _("A folder of files"),
            _("A sequence, frame by frame"),
        ):
            ui.patientsSourceBox.addItem(label)
        ui.patientsTargetBox.addItem(_("Segmentations in the scene"), SCENE)
        ui.patientsTargetBox.addItem(_("Files for 3D Slicer (.seg.nrrd)"), FORMATS[0])
        ui.patientsTargetBox.addItem(_("NIfTI files (.nii.gz) with a table of names"), FORMATS[1])
        ui.patientsProgressBar.setRange(0, _STEPS)
        ui.patientsProgressBar.visible = False
        ui.patientsStatusLabel.visible = False
        self._connections = [
            (ui.patientsSourceBox, "currentIndexChanged(int)", self._onSource),
            (ui.patientsTargetBox, "currentIndexChanged(int)", self._onChosen),
            (ui.patientsSequenceBox, "currentIndexChanged(int)", self._onChosen),
            (ui.patientsLearntBox, "currentIndexChanged(int)", self._onChosen),
            (ui.patientsFolderButton, "clicked(bool)", self._onFolder),
            (ui.patientsMasksButton, "clicked(bool)", self._onMasksFolder),
            (ui.patientsStartButton, "clicked(bool)", self._onStart),
            (ui.patientsGoOnButton, "clicked(bool)", self._onGoOn),
            (ui.patientsBackButton, "clicked(bool)", self._onBack),
            (ui.patientsReportButton, "clicked(bool)", self._onReport),
            (ui.patientsDicomButton, "clicked(bool)", self._onDicom),
            (ui.patientsTable, "cellClicked(int,int)", self._onClicked),
            (ui.patientsCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
        ]
        for widget, signal, function in self._connections:
            widget.connect(signal, function)
        logic = self.logic
        self._signals = [
            (logic.listed, self._onListed),
            (logic.changed, self._onChanged),
            (logic.said, self._say),
            (logic.ran, self.update),
            (logic.loaded, lambda case: self.panel.selectors.hideWhatIsMadeHere()),
        ]
        for sender, function in self._signals:
            sender.connect(function)

    # -- what the panel calls

    def enter(self) -> None:
        self.learnt.fill(*self.panel.nodes())
        self._list()

    def update(self) -> None:
        learning = self.panel.learning.machine.state.isBusy
        self.logic.setLearning(learning)
        if not self.logic.isRunning:
            self._list()
        self._showState(learning)

    def forgetScene(self) -> None:
        self.logic.close(wait=False)
        self._listedFor, self._learnt, self._failure = (), None, ""
        self.table.show([], {}, None, False)
        self._say("")

    def close(self) -> None:
        self.logic.close()
        for sender, function in self._signals:
            sender.disconnect(function)
        for widget, signal, function in self._connections:
            widget.disconnect(signal, function)

    # -- what is chosen

    @property
    def run(self) -> RunFolder | None:
        """What other patients are segmented with; None where nothing was learnt yet."""
        return self.learnt.earlier or LearntBox.runOf(*self.panel.nodes())

    @property
    def source(self) -> int:
        """0 for volumes of the scene, 1 for a folder, 2 for a sequence."""
        return int(self.ui.patientsSourceBox.currentIndex)

    def target(self) -> PatientTarget:
        """Where the masks go."""
        box = self.ui.patientsTargetBox
        kind = str(box.itemData(box.currentIndex))
        replace = bool(self.ui.patientsReplaceCheckBox.checked)
        return PatientTarget(kind, self.masksFolder if kind != SCENE else None, replace)

    def setFolder(self, folder: Path) -> None:
        """The folder with the images of the other patients."""
        self.folder = folder
        self.ui.patientsFolderEdit.text = str(folder)
        self.update()

    def setMasksFolder(self, folder: Path) -> None:
        """The folder for the files of the masks."""
        self.masksFolder = folder
        self.ui.patientsMasksEdit.text = str(folder)
        self.update()

    def _list(self) -> None:
        """Lists the volumes or frames there are; leaves the list of what was done alone."""
        if self.logic.isRunning or self.ui.patientsCollapsibleButton.collapsed:
            return
        self._sequences.fill()
        volume, segmentation = self.panel.nodes()
        cases: list[PatientCase] = []
        sequence, earlier = None, self.learnt.earlier
        if self.source == _VOLUMES and (volume is not None or earlier is not None):
            cases = SceneVolumes.cases(volume if earlier is None else None, self._notPatients())
            ReviewedPatients.restore(cases, self.run)
        elif self.source == _SEQUENCE and self._sequences.chosen is not None:
            sequence = self._sequences.chosen
            cases = SequenceLogic(sequence).cases()
        run = earlier and earlier.path
        chosen = (
            self.source,
            volume and volume.GetID(),
            segmentation and segmentation.GetID(),
            sequence,
            run,
        )
        if self.source == _FOLDER:
            chosen = (*chosen, self.folder)
        same = self._listedFor[:1] == (chosen,)
        wanted = (chosen, [(one.volumeId, one.name) for one in cases])
        if wanted == self._listedFor:
            return
        self._listedFor = wanted
        if same and self.source == _VOLUMES:
            cases = self._withResults(cases)
            self.logic.cases = cases if any(one.state is not PatientState.Chosen for one in cases) else []
        else:
            self.logic.cases = []
        self.table.show(cases, self.names(), self.logic.work, checkable=self.source != _FOLDER)

    def _withResults(self, cases: list[PatientCase]) -> list[PatientCase]:
        """The volumes that are there now, with what came out for those that were there before."""
        before = {one.volumeId: one for one in self.table.cases}
        there = {one.volumeId for one in cases}
        gone = [one for one in self.table.cases if one.reason and one.volumeId not in there]
        return [*(before.get(one.volumeId, one) for one in cases), *gone]

    def _notPatients(self) -> set[str]:
        """Volumes that only show a frame of a sequence, or were read here to show a case."""
        return {one.loadedId for one in self.logic.cases if one.loadedId} | self._sequences.proxies()

    # -- how it looks

    def whyNotStart(self, learning: bool) -> str:
        """Why nothing can be segmented now; empty where something can."""
        if learning:
            return _("Wait until the learning has finished.")
        earlier = self.learnt.earlier
        reason = Readiness.whyNotApply(*self.panel.nodes(), earlier)
        if reason and earlier is None and self.learnt.runs:
            return reason + " " + _("Or choose above what was learnt before.")
        reason = reason or self._whyNotSource()
        if reason:
            return reason
        if self.target().isFiles and self.masksFolder is None:
            return _("Choose a folder for the files first.")
        return ""

    def _whyNotSource(self) -> str:
        if self.source == _FOLDER:
            if self.folder is None:
                return _("Choose the folder with the images of the other patients first.")
            if not self.target().isFiles:
                return _("The masks of a folder go into files: choose a format under Results.")
            return ""
        if self.table.cases:
            return ""
        if self.source == _SEQUENCE:
            return _("There is no sequence of volumes in the scene; load one with Add Data.")
        return _("There is no other volume in the scene; load one with Add Data.")

    def _showState(self, learning: bool) -> None:
        ui, running = self.ui, self.logic.isRunning
        ui.patientsFolderFrame.visible = self.source == _FOLDER
        ui.patientsSequenceBox.visible = self.source == _SEQUENCE
        ui.patientsMasksFrame.visible = self.target().isFiles
        ui.patientsReplaceCheckBox.visible = self.target().isFiles
        for widget in (
            *(ui.patientsSourceBox, ui.patientsTargetBox, ui.patientsSequenceBox, ui.patientsFolderButton),
            *(ui.patientsMasksButton, ui.patientsReplaceCheckBox, ui.patientsLearntBox),
        ):
            widget.enabled = not running
        wait = _("Wait until all patients are segmented, or press Stop.") if running else ""
        ui.patientsFolderButton.toolTip = wait or _("Asks for the folder with the volumes.")
        ui.patientsMasksButton.toolTip = wait or _("Asks for the folder that gets the masks.")
        reason = "" if running else self.whyNotStart(learning)
        ui.patientsStartButton.text = _("Stop") if running else _("Segment")
        self.allow(
            ui.patientsStartButton,
            reason,
            _("Ends at once; what is done stays.")
            if running
            else _("Segments one volume after the other with what was learnt, in the background."),
        )
        ui.patientsGoOnButton.visible = self.logic.canGoOn
        ui.patientsGoOnButton.enabled = self.logic.canGoOn and not learning
        ui.patientsGoOnButton.toolTip = (
            _("Wait until the learning has finished.")
            if learning
            else _("Does the rest of what was stopped.")
        )
        ui.patientsBackButton.visible = PatientViewer.isAnyAway(self.logic.viewer)
        ui.patientsBackButton.toolTip = _("Shows the volume that was learnt again, with its painting.")
        done = any(one.state is PatientState.Done for one in self.logic.cases)
        ui.patientsReportButton.enabled = done and not running
        ui.patientsReportButton.toolTip = (
            _("Saves pictures and numbers of all results as one HTML file.")
            if done and not running
            else (_("Wait until the segmentation has finished.") if running else _("There is no result yet."))
        )
        whyNotDicom = (
            DicomSegExport.whyNot(self.logic.cases) if not running else _("Wait until it has finished.")
        )
        self.allow(ui.patientsDicomButton, whyNotDicom, _("Writes the masks as DICOM segmentation objects."))
        ui.patientsProgressBar.visible = running
        ui.patientsTable.visible = bool(self.table.cases)
        if running and learning:
            self._say(_("Waits until the learning has finished."))
        elif not running and not self.logic.cases:
            self._say(reason or self._failure or self._notLearntYet())

    def _notLearntYet(self) -> str:
        if self.learnt.earlier is not None:
            return ""
        now, nodes = self.panel.learning.current, self.panel.nodes()
        return Readiness.notLearntYet(
            now if now is not None and now.isOf(*nodes) else None, self.panel.annotation.summary
        )

    def _showProgress(self) -> None:
        cases = [one for one in self.logic.cases if one.state is not PatientState.Chosen]
        ended = (PatientState.Done, PatientState.Failed, PatientState.Stopped)
        share = sum(1.0 if one.state in ended else one.fraction for one in cases)
        self.ui.patientsProgressBar.setValue(round(_STEPS * share / max(1, len(cases))))

    def _say(self, sentence: str) -> None:
        marked = CaseTable.summary(self.logic.cases) if not self.logic.isRunning else ""
        self.ui.patientsStatusLabel.text = f"{sentence}\n{marked}" if marked and sentence else sentence
        self.ui.patientsStatusLabel.visible = bool(self.ui.patientsStatusLabel.text)

    def _onListed(self) -> None:
        self.table.show(self.logic.cases, self.names(), self.logic.work, checkable=self.source != _FOLDER)
        self._showProgress()
        self.ui.patientsTable.visible = bool(self.table.cases)

    def _onChanged(self, case: PatientCase) -> None:
        self.table.update(case, self.names(), self.logic.work)
        self._showProgress()

    def names(self) -> dict[int, str]:
        """Of the structures, by label value."""
        return self.logic.results.names() if self.logic.results is not None else {}

    # -- what the buttons do

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """For what buttons do: what is wrong stands here, too, as the status line may be out of sight."""
        self._failure = ""
        with self.panel.explained():
            try:
                yield
            except UserError as error:
                self._failure = str(error)
                self._say(self._failure)
                raise

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self.learnt.fill(*self.panel.nodes())
            self.update()

    def _onSource(self, index: int) -> None:
        if index == _FOLDER and not self.target().isFiles:
            self.ui.patientsTargetBox.setCurrentIndex(1)
        self.update()

    def _onChosen(self, index: int) -> None:
        self.update()

    def _onFolder(self, checked: bool = False) -> None:
        chosen = FileQuestions.folder(_("Folder with the images of the other patients"), self.folder)
        if chosen:
            self.setFolder(Path(chosen))

    def _onMasksFolder(self, checked: bool = False) -> None:
        chosen = FileQuestions.folder(_("Folder for the masks"), self.masksFolder or self.folder)
        if chosen:
            self.setMasksFolder(Path(chosen))

    def _onStart(self, checked: bool = False) -> None:
        with self._told():
            if self.logic.isRunning:
                self.logic.stop()
                return
            self.panel.requirePackages()
            nodes, earlier = self.panel.nodes(), self.learnt.earlier
            self._learnt = nodes[0]
            if self.source == _FOLDER:
                self.logic.start(*nodes, self.target(), folder=self.folder, earlier=earlier)
                return
            self.table.readChecks()
            sequence = None
            if self._sequences.chosen is not None and self.source == _SEQUENCE:
                sequence = SequenceLogic(self._sequences.chosen)
            cases = list(self.table.cases)
            self.logic.start(*nodes, self.target(), cases=cases, sequence=sequence, earlier=earlier)

    def _onGoOn(self, checked: bool = False) -> None:
        with self._told():
            self.panel.requirePackages()
            self.logic.goOn()

    def _onBack(self, checked: bool = False) -> None:
        with self._told():
            volume, segmentation = self.panel.nodes()
            if self._learnt is not None and slicer.mrmlScene.IsNodePresent(self._learnt):
                volume = self._learnt  # another one may be chosen by now
            if volume is not None:
                PatientViewer.goBack(self.logic.viewer, volume, segmentation, self.logic.hidden)
                self.panel.result.lookAgain()

    def _onReport(self, checked: bool = False) -> None:
        with self._told():
            start = (self.masksFolder or self.folder or Path.home()) / "report.html"
            path = FileQuestions.newFile(_("Save the report"), _("Web pages (*.html)"), start)
            if path:
                self.logic.saveReport(Path(path))

    def _onDicom(self, checked: bool = False) -> None:
        with self._told():
            chosen = FileQuestions.folder(_("Folder for the DICOM files"), self.masksFolder)
            if chosen:
                self._say(DicomSegExport.export(self.logic.cases, Path(chosen)))

    def _onClicked(self, row: int, column: int) -> None:
        with self._told():
            if row < len(self.table.cases) and self.table.cases[row].state is not PatientState.Failed:
                self.logic.show(self.table.cases[row], self.panel.nodes()[1])
