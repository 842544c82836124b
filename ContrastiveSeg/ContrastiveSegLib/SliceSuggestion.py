"""A slice that the engine suggests to annotate next."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.Words import Words

_ATTRIBUTE = "ContrastiveSeg.Suggestions"


@dataclass(frozen=True)
class SliceSuggestion:
    """A slice and why it is worth painting.

    Attributes:
        slice: (array axis, index).
        reason: Why: ``change``, ``unsure``, ``end`` or ``far``; see the engine's suggestion.
        undecided: Undecided area as a share of the structure's.
        distanceMm: To the nearest annotated slice.
        structure: Name of the structure that is meant, may be empty.
        value: Its label value, 0 where that is not known.
    """

    slice: Slice
    reason: str
    undecided: float
    distanceMm: float
    structure: str
    value: int = 0

    @classmethod
    def ofEvent(cls, event: dict[str, Any], names: dict[int, str]) -> list[SliceSuggestion]:
        """The suggestions in a result of the worker; what cannot be understood is left out.

        Args:
            event: The worker's answer to ``suggest``.
            names: What the structures are called, by label value.
        """
        return cls._understood(event.get("suggestions"), lambda one: names.get(one.get("value"), ""))

    @classmethod
    def store(cls, segmentationNode: Any, suggestions: list[SliceSuggestion]) -> None:
        """Keeps what was suggested after a segmentation's prediction at that, so that a scene saves it."""
        node = PredictionLogic.predicted(segmentationNode)
        if node is not None:
            node.SetAttribute(_ATTRIBUTE, json.dumps([one._toDict() for one in suggestions]))

    @classmethod
    def stored(cls, volumeNode: Any, segmentationNode: Any) -> list[SliceSuggestion]:
        """What was suggested for these nodes; what cannot be understood is left out."""
        isFor = PredictionLogic.isFor(volumeNode, segmentationNode)
        if not isFor or not PredictionLogic.isOnGrid(volumeNode, segmentationNode):
            return []
        try:
            given = json.loads(PredictionLogic.predicted(segmentationNode).GetAttribute(_ATTRIBUTE) or "[]")
        except ValueError:
            return []
        names = cls._names(segmentationNode)
        return cls._understood(
            given, lambda one: names.get(one.get("value")) or str(one.get("structure", ""))
        )

    @staticmethod
    def _names(segmentationNode: Any) -> dict[Any, str]:
        """What the predicted structures are called now, by label value."""
        predicted = PredictionLogic.predicted(segmentationNode).GetSegmentation()
        segments = [predicted.GetSegment(one) for one in predicted.GetSegmentIDs()]
        return {one.GetLabelValue(): str(one.GetName()) for one in segments}

    def _toDict(self) -> dict[str, Any]:
        """As the worker would say it, but with the name of the structure."""
        return {
            "axis": self.slice[0],
            "index": self.slice[1],
            "reason": self.reason,
            "undecided": self.undecided,
            "distance_mm": self.distanceMm,
            "structure": self.structure,
            "value": self.value,
        }

    @classmethod
    def _understood(cls, given: Any, nameOf: Callable[[dict[str, Any]], str]) -> list[SliceSuggestion]:
        found = []
        for one in given if isinstance(given, list) else []:
            try:
                axis, index = int(one["axis"]), int(one["index"])
                numbers = float(one["undecided"]), float(one["distance_mm"])
                value = int(one.get("value") or 0)
            except (KeyError, TypeError, ValueError):
                continue
            if axis in (0, 1, 2):
                found.append(cls((axis, index), str(one.get("reason", "")), *numbers, nameOf(one), value))
        return found

    def sentence(self, grid: VolumeGrid) -> str:
        """Where it is, and why it is suggested."""
        where = _("{plane} slice at {position}").format(
            plane=grid.planeNames()[self.slice[0]], position=self.position(grid)
        )
        distance = _("{distance:.0f} mm from the nearest annotated slice").format(distance=self.distanceMm)
        return f"{where}, {distance}. {self._why()}"

    def _why(self) -> str:
        name = self.structure or _("the structure")
        if self.reason == "change":
            return _("The annotated slices on both sides do not agree about {name} here.").format(name=name)
        if self.reason == "unsure":
            return _("The mask of {name} is least sure here ({percent} % of its area).").format(
                name=name, percent=min(100, round(100 * self.undecided))
            )
        if self.reason == "end":
            return _("Nothing says where {name} ends: paint it here, or mark the slice as empty.").format(
                name=name
            )
        return _("It is the widest stretch that nobody has painted.")

    def position(self, grid: VolumeGrid) -> str:
        """Where it lies, as the bar of a slice view has it."""
        return Words.position(self.center(grid), self.across(grid))

    def across(self, grid: VolumeGrid) -> int:
        """Which of the coordinates R, A, S counts the slices of its plane."""
        return grid.across()[self.slice[0]]

    def center(self, grid: VolumeGrid) -> tuple[float, float, float]:
        """The middle of the slice in world space, RAS mm."""
        axis, index = self.slice
        middle = [(n - 1) / 2 for n in grid.shape]
        middle[axis] = index
        world = grid.ijkToWorld() @ np.array([*middle[::-1], 1.0])
        return float(world[0]), float(world[1]), float(world[2])
