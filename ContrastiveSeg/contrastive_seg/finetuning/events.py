"""What a fine-tuning session reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.runs import HistoryPoint


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        stage: What is going on.
        fraction: Done part of the whole call, 0 to 1.
        seconds_left: Estimated seconds to the end of the whole call, or None when unknown.
    """

    stage: Literal["preparing", "training", "predicting", "saving", "exporting"]
    fraction: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Preview:
    """The mask as it would be now, for one case; ``case`` indexes the session's cases."""

    case: int
    prediction: Prediction


@dataclass(frozen=True)
class Note:
    """Something the user should know that did not stop the work (e.g. a smaller batch)."""

    code: str
    sentence: str


Event = Progress | HistoryPoint | Preview | Note
EventSink = Callable[[Event], None]
