"""What to paint next before anything has been learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationSummary import ENOUGH, AnnotationSummary
from ContrastiveSegLib.SliceRule import Slice

_UNEVEN = 1.9


@dataclass(frozen=True)
class AnnotationHint:
    """The next step, and the slice where it is to be done where that can be said.

    The order is: the middle of the structure, a slice near each end, the middle of what lies between,
    then the empty slice beyond each end; the engine learns least where two painted slices are far apart,
    and cannot know where a structure ends unless it is told.

    Attributes:
        sentence: For the user.
        slice: (array axis, index) to go to; None where only the user can see where it is.
    """

    sentence: str
    slice: Slice | None = None

    @classmethod
    def of(cls, summary: AnnotationSummary | None, learning: bool = False) -> AnnotationHint:
        """The hint for what is annotated so far.

        Args:
            summary: The annotated slices; None where there are no nodes to look at.
            learning: Whether Start was pressed and nothing has come of it yet.
        """
        if summary is None:
            return cls(_("Choose a volume and a segmentation first."))
        painted = [one.slice for one in summary.painted]
        if not painted and summary.depth == 1:
            return cls(_("Paint the structure completely: the image has one slice."))
        if not painted:
            return cls(
                _("Step 1 of 4: go to the middle of the structure and paint it there completely. ")
                + _("3 to 5 slices are enough for a compact structure, 5 to 8 for a thin or branching one.")
            )
        axes = [axis for axis, _index in painted]
        axis = max(set(axes), key=axes.count)
        inside = sorted(index for one, index in painted if one == axis)
        if sum(one.slice[0] == axis for one in summary.slices) == summary.depth:
            return cls(cls.whileLearning() if learning else cls._allSaid())
        if len(inside) == 1:
            return cls(_("Step 2 of 4: paint a slice near each end of the structure, in the same view."))
        ends = sorted(one.slice[1] for one in summary.slices if not one.segmentIds and one.slice[0] == axis)
        gap = cls._widest(inside)
        if len(inside) < ENOUGH:
            return cls(
                _("Step 3 of 4: paint the slice in the middle between them, or another near an end."),
                (axis, gap),
            )
        # a structure that is cut off by the volume's border has no empty slice beyond it
        below = inside[0] == 0 or any(one < inside[0] for one in ends)
        above = inside[-1] == summary.depth - 1 or any(one > inside[-1] for one in ends)
        if not (below and above):
            return cls(
                _(
                    "Step 4 of 4: page beyond {ends} of the structure and mark the first slice without it; "
                    "where the volume ends before, paint its last slice."
                ).format(ends=_("the other end") if below or above else _("each end"))
            )
        if learning:
            return cls(cls.whileLearning())
        gaps = np.diff(inside)
        if gaps.max() >= _UNEVEN * np.median(gaps) and gaps.max() > 4:
            return cls(_("Well done. One slice in the widest gap would help; then press Start."), (axis, gap))
        return cls(_("Well done: press Start. After that the slice that helps most is suggested here."))

    @staticmethod
    def whileLearning() -> str:
        """What there is to say while nothing need be painted."""
        return _("Learning. The slice that helps most is suggested here afterwards.")

    @staticmethod
    def _allSaid() -> str:
        return _("Every slice is annotated: press Start. What is learnt can be used for Other patients.")

    @staticmethod
    def _widest(inside: list[int]) -> int:
        """The middle of the widest gap between painted slices."""
        gaps = np.diff(inside)
        first = int(np.argmax(gaps))
        return int((inside[first] + inside[first + 1]) // 2)
