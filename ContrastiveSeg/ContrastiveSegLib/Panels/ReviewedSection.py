"""The part of the panel in which the mask of another patient is corrected, and learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel


class ReviewedSection(Section):
    """A button and a check box below the list of other patients, for the case that is chosen there.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        ui = self.ui
        self._connections = [
            (ui.patientsTable, "itemSelectionChanged()", self.update),
            (ui.patientsLearntBox, "currentIndexChanged(int)", self._onOther),
            (ui.patientsCorrectButton, "clicked(bool)", self._onCorrect),
            (ui.patientsRightCheckBox, "clicked(bool)", self._onRight),
            (ui.patientsCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
        ]
        for widget, signal, function in self._connections:
            widget.connect(signal, function)

    def enter(self) -> None:
        logic = self._patients.logic
        for signal in (logic.listed, logic.ran):
            signal.connect(self.update)
        logic.loaded.connect(self._onLoaded)
        self.update()

    def close(self) -> None:
        logic = self._patients.logic
        for signal in (logic.listed, logic.ran):
            signal.disconnect(self.update)
        logic.loaded.disconnect(self._onLoaded)
        for widget, signal, function in self._connections:
            widget.disconnect(signal, function)

    def update(self) -> None:
        ui, patients = self.ui, self._patients
        isAny = any(
            one.frame is None and (one.state is PatientState.Done or one.maskNode() is not None)
            for one in patients.table.cases
        )
        ui.patientsRightFrame.visible = ui.patientsRightLabel.visible = isAny
        case = patients.table.current()
        reason = self._whyNot(case)
        self.allow(
            ui.patientsCorrectButton,
            reason,
            _("Opens this mask in the Segment Editor. Come back here when it is right."),
        )
        box = ui.patientsRightCheckBox
        self.allow(
            box,
            reason,
            _("Check it when every slice is right: the next Segment learns from this patient as well."),
        )
        blocked = box.blockSignals(True)
        box.checked = case is not None and ReviewedPatients.isMarked(case.maskNode())
        box.blockSignals(blocked)
        words = ReviewedPatients.words(patients.run)
        ui.patientsRightLabel.text = words or _(
            "Correct one mask and call it right: the next Segment learns from it, too."
        )

    @property
    def _patients(self) -> OtherPatientsSection:
        return self.panel.section(OtherPatientsSection)

    def _whyNot(self, case: PatientCase | None) -> str:
        if self._patients.logic.isRunning:
            return _("Wait until all patients are segmented, or press Stop.")
        return ReviewedPatients.whyNot(case)

    def _onCollapsed(self, collapsed: bool) -> None:
        self.update()

    def _onOther(self, index: int) -> None:
        self.update()

    def _onLoaded(self, case: PatientCase) -> None:
        self.update()

    def _onCorrect(self, checked: bool = False) -> None:
        with self.panel.explained():
            case = self._patients.table.current()
            if case is None or self._whyNot(case):
                return
            self._patients.logic.show(case, self.panel.nodes()[1])
            SegmentationMaker.openEditor(case.volumeNode(), case.maskNode())

    def _onRight(self, checked: bool = False) -> None:
        patients = self._patients
        case = patients.table.current()
        if case is not None and not self._whyNot(case):
            ReviewedPatients.mark(case.maskNode(), bool(self.ui.patientsRightCheckBox.checked))
            patients.table.readChecks()
            case.wanted = not ReviewedPatients.isMarked(case.maskNode())
            patients.table.showChecks()
            patients.table.update(case, patients.names(), patients.logic.work)
        self.update()
