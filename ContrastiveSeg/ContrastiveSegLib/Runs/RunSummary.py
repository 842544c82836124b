"""One run of earlier days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slicer.i18n import tr as _

from ContrastiveSegLib.Runs.RunState import RunState
from ContrastiveSegLib.Words import Words


@dataclass(frozen=True)
class RunSummary:
    """What a row of the list shows.

    Attributes:
        path: The run's folder.
        changed: When it was last worked on, in seconds since 1970.
        structures: Names of what is learnt, by label value.
        state: How far it has come.
        title: What the user calls it; may be empty.
    """

    path: Path
    changed: float
    structures: dict[int, str]
    state: RunState
    title: str = ""

    @property
    def volumeNumber(self) -> str:
        return self.path.name[:16]

    @property
    def segmentationNumber(self) -> str:
        return self.path.name[16:]

    @property
    def date(self) -> str:
        """Day and time, as they are written everywhere."""
        return datetime.fromtimestamp(self.changed).strftime("%Y-%m-%d %H:%M")

    @property
    def names(self) -> str:
        """What the user calls it, or the structures; of many, only the first."""
        return self.title or Words.listed([self.structures[value] for value in sorted(self.structures)])

    @property
    def words(self) -> str:
        """The state in words."""
        return {
            RunState.Finished: _("finished"),
            RunState.Interrupted: _("interrupted"),
            RunState.Begun: _("no mask yet"),
        }[self.state]
