"""A segment and the label value that stands for it in the worker's arrays."""

from __future__ import annotations

from dataclasses import dataclass


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
