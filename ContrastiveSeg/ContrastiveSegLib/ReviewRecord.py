"""What the worker says about the quality of a prediction; saved with the scene."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from ContrastiveSegLib.PredictionLogic import PredictionLogic

_ATTRIBUTE = "ContrastiveSeg.Review"


@dataclass(frozen=True)
class DoubtfulPlace:
    """A region to look at.

    Attributes:
        index: Voxel (x, y, z) of the volume.
        value: Label value of its structure, 0 for none.
        ml: How much is in doubt there.
    """

    index: tuple[int, int, int]
    value: int
    ml: float


@dataclass(frozen=True)
class ReviewRecord:
    """Numbers of a finished prediction, by label value; an attribute of the prediction's node.

    Attributes:
        volumes: Millilitres.
        errors: How far these may be off, millilitres.
        dice: Estimated Dice, where there is one.
        places: Doubtful places, the weightiest first.
    """

    volumes: dict[int, float] = field(default_factory=dict)
    errors: dict[int, float] = field(default_factory=dict)
    dice: dict[int, float] = field(default_factory=dict)
    places: list[DoubtfulPlace] = field(default_factory=list)

    @classmethod
    def of(cls, event: dict[str, Any]) -> ReviewRecord:
        """Out of a ``result`` of the worker; what is missing or no number is left out."""
        return cls(
            cls.numbers(event.get("volume_ml")),
            cls.numbers(event.get("volume_error_ml")),
            cls.numbers(event.get("dice_estimate")),
            cls._places(event.get("doubtful")),
        )

    @classmethod
    def stored(cls, segmentationNode: Any) -> ReviewRecord:
        """What belongs to a segmentation's prediction; empty where there is none."""
        node = PredictionLogic.predicted(segmentationNode)
        text = node.GetAttribute(_ATTRIBUTE) if node is not None else None
        try:
            stored = json.loads(text or "{}")
        except ValueError:
            stored = {}
        if not isinstance(stored, dict):
            stored = {}
        return cls(
            cls.numbers(stored.get("volumes")),
            cls.numbers(stored.get("errors")),
            cls.numbers(stored.get("dice")),
            cls._places(stored.get("places")),
        )

    def store(self, segmentationNode: Any) -> None:
        """Keeps the numbers at the segmentation's prediction."""
        node = PredictionLogic.predicted(segmentationNode)
        if node is not None:
            node.SetAttribute(_ATTRIBUTE, json.dumps(asdict(self)))

    @staticmethod
    def forget(segmentationNode: Any) -> None:
        """The prediction is being made anew: the numbers of the former one no longer hold."""
        node = PredictionLogic.predicted(segmentationNode)
        if node is not None and node.GetAttribute(_ATTRIBUTE):
            node.SetAttribute(_ATTRIBUTE, None)

    @staticmethod
    def numbers(given: Any) -> dict[int, float]:
        """What an event has by label value; what is no number is left out."""
        found: dict[int, float] = {}
        for key, value in given.items() if isinstance(given, dict) else []:
            if isinstance(value, int | float) and math.isfinite(value) and str(key).isdigit():
                found[int(key)] = float(value)
        return found

    @staticmethod
    def _places(given: Any) -> list[DoubtfulPlace]:
        found = []
        for one in given if isinstance(given, list) else []:
            try:
                x, y, z = (int(n) for n in one["index"])
                found.append(DoubtfulPlace((x, y, z), int(one["value"]), float(one["ml"])))
            except (KeyError, TypeError, ValueError):
                continue
        return found
