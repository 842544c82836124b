"""How far a run has come."""

from __future__ import annotations

from enum import Enum


class RunState(Enum):
    """What an earlier run has left."""

    Finished = "finished"
    Interrupted = "interrupted"
    Begun = "begun"  # stopped before there was a mask
