"""What a fine-tuning session reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from contrastive_seg.inference.prediction import Prediction


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        stage: What is going on.
        fraction: Done part of the whole call, 0 to 1.
        seconds_left: Estimated seconds to the end of the whole call, or None when unknown.
    """

    stage: Literal["preparing", "training", "predicting", "saving"]
    fraction: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Metric:
    """A point of the learning curve.

    Attributes:
        step: Optimiser steps since the run began (earlier rounds included).
        loss: Training loss averaged since the last point.
        dice: Estimated Dice by label value on held-out annotated slices; empty when none can be
            held out.
    """

    step: int
    loss: float
    dice: dict[int, float] = field(default_factory=dict)


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


Event = Progress | Metric | Preview | Note
EventSink = Callable[[Event], None]
