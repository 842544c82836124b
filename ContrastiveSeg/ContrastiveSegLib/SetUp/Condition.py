"""How a package stands."""

from __future__ import annotations

from enum import Enum


class Condition(Enum):
    """Whether a package can be used as it is."""

    UpToDate = "up to date"
    TooOld = "too old"
    TooNew = "too new"
    Missing = "missing"
    Broken = "broken"
