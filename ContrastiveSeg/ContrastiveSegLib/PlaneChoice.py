"""In which plane the user has painted."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class PlaneChoice(Enum):
    """What the user says about the planes of the annotated slices."""

    Automatic = "automatic"
    Axial = "axial"
    Coronal = "coronal"
    Sagittal = "sagittal"

    def label(self) -> str:
        """What the user reads."""
        return {
            PlaneChoice.Automatic: _("Any plane"),
            PlaneChoice.Axial: _("Axial only"),
            PlaneChoice.Coronal: _("Coronal only"),
            PlaneChoice.Sagittal: _("Sagittal only"),
        }[self]

    def axis(self, across: tuple[int, int, int]) -> int | None:
        """The array axis meant on a grid, None for any.

        Args:
            across: See :meth:`VolumeGrid.across`.
        """
        wanted = {PlaneChoice.Sagittal: 0, PlaneChoice.Coronal: 1, PlaneChoice.Axial: 2}
        return across.index(wanted[self]) if self in wanted else None
