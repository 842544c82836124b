"""How a prediction is drawn in slice views."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class Drawing(Enum):
    """What of it is seen."""

    Both = "both"
    Outline = "outline"
    Fill = "fill"

    def label(self) -> str:
        """What the user reads."""
        return {
            Drawing.Both: _("Outline and fill"),
            Drawing.Outline: _("Outline only"),
            Drawing.Fill: _("Fill only"),
        }[self]
