"""How far one of the other patients is."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class PatientState(Enum):
    """States of one case."""

    Chosen = "chosen"  # listed, and nothing has begun
    Waiting = "waiting"
    Exporting = "exporting"
    Segmenting = "segmenting"
    Done = "done"
    Failed = "failed"
    Stopped = "stopped"

    @property
    def isBusy(self) -> bool:
        """Whether something is going on with it."""
        return self in (PatientState.Exporting, PatientState.Segmenting)

    @property
    def isOpen(self) -> bool:
        """Whether it has begun or waits, and is not at its end."""
        return self.isBusy or self is PatientState.Waiting

    def label(self) -> str:
        """What the user reads."""
        return {
            PatientState.Chosen: "",
            PatientState.Waiting: _("waits"),
            PatientState.Exporting: _("is prepared"),
            PatientState.Segmenting: _("is segmented"),
            PatientState.Done: _("done"),
            PatientState.Failed: _("failed"),
            PatientState.Stopped: _("stopped"),
        }[self]
