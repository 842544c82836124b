"""How long a learning may take."""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


class Budget(Enum):
    """Named budgets; the values are the worker's names for them."""

    Quick = "quick"
    Balanced = "balanced"
    Best = "best"

    def label(self) -> str:
        """What the user reads."""
        return {
            Budget.Quick: _("Quick (1 minute)"),
            Budget.Balanced: _("Balanced (3 minutes)"),
            Budget.Best: _("Best (10 minutes)"),
        }[self]
