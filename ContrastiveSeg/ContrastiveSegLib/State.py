"""What the panel is doing."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """States of the panel."""

    Empty = "empty"  # something to learn from is missing
    Ready = "ready"
    Starting = "starting"
    Learning = "learning"
    Stopping = "stopping"
    Done = "done"
    Failed = "failed"

    @property
    def isBusy(self) -> bool:
        """Whether the worker is at work for the user."""
        return self in (State.Starting, State.Learning, State.Stopping)
