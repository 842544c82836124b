"""What a learning looks at."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class LearningMethod(Enum):
    """Supervised, or with the slices that nobody has painted."""

    Supervised = "supervised"
    SemiSupervised = "mcsc"
    SemiSupervisedScene = "mcsc-scene"

    def label(self) -> str:
        """What the user reads."""
        return {
            LearningMethod.Supervised: _("Painted slices only"),
            LearningMethod.SemiSupervised: _("Unpainted slices too (MCSC, slower)"),
            LearningMethod.SemiSupervisedScene: _("Those of other volumes here too (MCSC)"),
        }[self]

    def setting(self) -> str:
        """The engine's setting ``semi_supervised``."""
        return "" if self is LearningMethod.Supervised else "mcsc"
