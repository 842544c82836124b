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

    def axis(self, planeNames: tuple[str, str, str]) -> int | None:
        """The array axis meant on a grid whose axes have these plane names, None for any.

        Args:
            planeNames: See :meth:`VolumeGrid.planeNames`.
        """
        names = {
            PlaneChoice.Axial: _("axial"),
            PlaneChoice.Coronal: _("coronal"),
            PlaneChoice.Sagittal: _("sagittal"),
        }
        return planeNames.index(names[self]) if self in names else None
