"""One package: what is needed and what is there."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.Condition import Condition

_TITLES = {"torch": "PyTorch", "monai": "MONAI", "numpy": "NumPy", "scipy": "SciPy"}


@dataclass(frozen=True)
class PackageState:
    """What a row of the table shows.

    Attributes:
        name: Its name as pip knows it.
        requirement: What is needed, as pip writes it, e.g. ``monai>=1.4,<2``.
        floor: The lowest version that works; empty for any.
        ceiling: The first version that is not known to work; empty for none.
        installed: The version found; empty where there is none.
        condition: What that means.
        problem: What is broken, as a sentence; empty otherwise.
    """

    name: str
    requirement: str
    floor: str
    ceiling: str
    installed: str
    condition: Condition
    problem: str = ""

    @property
    def isMet(self) -> bool:
        return self.condition is Condition.UpToDate

    @property
    def title(self) -> str:
        """What people call it."""
        return self.titleOf(self.name)

    @staticmethod
    def titleOf(name: str) -> str:
        """What people call a package."""
        return _TITLES.get(name, name)

    @property
    def needed(self) -> str:
        """The versions that work, in words."""
        if self.floor and self.ceiling.isdigit():  # short, as the panel is narrow
            return _("{floor} to {major}.x").format(floor=self.floor, major=int(self.ceiling) - 1)
        if self.floor and self.ceiling:
            return _("{floor} to below {ceiling}").format(floor=self.floor, ceiling=self.ceiling)
        if self.ceiling:
            return _("below {ceiling}").format(ceiling=self.ceiling)
        return _("{floor} or later").format(floor=self.floor) if self.floor else _("any")

    @property
    def words(self) -> str:
        """The condition in words."""
        return {
            Condition.UpToDate: _("up to date"),
            Condition.TooOld: _("too old"),
            Condition.TooNew: _("too new"),
            Condition.Missing: _("missing"),
            Condition.Broken: _("broken"),
        }[self.condition]
