"""A segment and the label value that stands for it in the worker's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer
import vtk


@dataclass(frozen=True)
class LabelledSegment:
    """One structure.

    Attributes:
        value: Label value, 1 or more; the same in all rounds of a run.
        segmentId: ID in the user's segmentation.
        name: What the user calls it.
    """

    value: int
    segmentId: str
    name: str

    @staticmethod
    def nameOf(segment: Any, segmentId: str) -> str:
        """What to call a segment: those that scripts and other programs make may have no name."""
        return str(segment.GetName() or segmentId)

    @staticmethod
    def terminologyOf(segment: Any) -> str:
        """Its entry of a terminology, as the application writes it; empty where it has none."""
        tag = vtk.reference("")
        segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
        return str(tag)
