"""The button that gives a name to what was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection
from ContrastiveSegLib.Panels.Section import Section

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel


class NameSection(Section):
    """Beside the list of what was learnt, which has structures and dates else: many look the same.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.ui.patientsNameButton.connect("clicked(bool)", self._onName)

    def close(self) -> None:
        self.ui.patientsNameButton.disconnect("clicked(bool)", self._onName)

    def update(self) -> None:
        run = self._patients.run
        self.allow(
            self.ui.patientsNameButton,
            "" if run is not None and run.hasLearnt else _("Nothing has been learnt that could be named."),
            _("Gives what was learnt a name, so that it is found again, also in other scenes."),
        )

    @property
    def _patients(self) -> OtherPatientsSection:
        return self.panel.section(OtherPatientsSection)

    def _onName(self, checked: bool = False) -> None:
        with self.panel.explained():
            run = self._patients.run
            if run is None or not run.hasLearnt:
                return
            label = _("Such as 'Left atrium, 3 T'. Names of patients do not belong here.")
            title = FileQuestions.name(_("Name what was learnt"), label, run.title)
            if title:
                run.setTitle(title)
                self._patients.learnt.fill(*self.panel.nodes())
