"""What a person has annotated in a segmentation node."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceMarks import SliceMarks
from ContrastiveSegLib.SliceRule import Slice, SliceRule
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_EMPTY = "ContrastiveSeg.EmptySlices"
_MANUAL = "ContrastiveSeg.ManualSlices"
_PARTIAL = "ContrastiveSeg.PartialSlices"
_WHOLE = "ContrastiveSeg.WholeSlices"
_CORRECTED = "ContrastiveSeg.CorrectedSlices"
_FEW_VOXELS = 4_000_000


class AnnotationLogic:
    """Finds the annotated slices of a segmentation on a volume's grid.

    A slice counts as annotated as a whole, background included, once any of the segments is painted
    on it; :class:`SliceRule` says which plane it belongs to. Slices that show nothing of the
    structures can be marked as complete; the marks are attributes of the segmentation node
    (:class:`SliceMarks`), and so are saved with the scene. Where a grid is given only those of it are
    meant, else those of all.

    Where a prediction was accepted into the segmentation, its voxels are not a person's word: the
    slices that were annotated before count, and those on which anything was changed since. A slice on
    which nothing is left counts only where it is marked as empty: after an Undo in the Segment Editor
    nothing is left on all those that came with Accept.
    """

    @staticmethod
    def segmentIds(segmentationNode: Any) -> list[str]:
        """IDs of the segments that take part: the visible ones, in their order.

        As for Grow from seeds and its like, hiding a segment leaves it out.
        """
        hidden = AnnotationLogic.hiddenIds(segmentationNode)
        return [one for one in segmentationNode.GetSegmentation().GetSegmentIDs() if one not in hidden]

    @staticmethod
    def hiddenIds(segmentationNode: Any) -> list[str]:
        """IDs of the segments that are left out: nothing is said about the voxels that only they have."""
        display = segmentationNode.GetDisplayNode()
        return [
            segmentId
            for segmentId in segmentationNode.GetSegmentation().GetSegmentIDs()
            if display is not None and not display.GetSegmentVisibility(segmentId)
        ]

    @classmethod
    def hiddenValues(cls, segmentationNode: Any, values: dict[str, int]) -> list[int]:
        """Label values of the segments that are left out."""
        return [values[one] for one in cls.hiddenIds(segmentationNode) if one in values]

    @classmethod
    def annotatedSlices(cls, *arguments: Any, **options: Any) -> list[Slice]:
        """The annotated slices, at once; :meth:`annotatedSteps` tells the arguments."""
        return Chunks.finish(cls.annotatedSteps(*arguments, **options))

    @classmethod
    def annotatedSteps(
        cls,
        segmentationNode: Any,
        labels: LabelBox,
        grid: VolumeGrid,
        *,
        values: dict[str, int],
        axis: int | None = None,
    ) -> Generator[None, None, list[Slice]]:
        """The annotated slices, those marked as empty included.

        Args:
            segmentationNode: Whose marks count.
            labels: Its segments on the volume's grid, the hidden ones too: to show or to hide a segment
                changes nothing of what was accepted.
            grid: The volume's grid.
            values: Label values by segment ID; those that are hidden annotate no slice.
            axis: Only slices along this array axis; None for whatever the painting shows.

        Returns:
            (axis, index) pairs, sorted.
        """
        axes = (0, 1, 2) if axis is None else (axis,)
        manual, accepted = cls.manualSlices(segmentationNode, grid), AcceptedLabels(segmentationNode)
        hidden = cls.hiddenValues(segmentationNode, values)
        isAccepted, before = accepted.node is not None or cls.isUnknown(segmentationNode), None
        if isAccepted:
            before = yield from accepted.labelSteps(values, grid, cls.hiddenIds(segmentationNode))

        def find() -> set[Slice]:
            searched = AcceptedLabels.difference(before, labels) if isAccepted else labels
            shown = labels.without(labels, hidden)
            rule = SliceRule.find(searched.without(labels, hidden), grid.acquisitionAxis(), axes)
            found = {one for one in rule if shown.isPainted(*one)}
            # hiding takes nothing back of what a person has said
            return found | {one for one in manual if one[0] in axes and labels.isPainted(*one)}

        size = max(one.array.size for one in (labels, before or labels))
        found = find() if size < _FEW_VOXELS else (yield from Chunks.beside(find))
        found.update(one for one in cls.emptySlices(segmentationNode, grid) if one[0] in axes)
        return sorted((a, index) for a, index in found if 0 <= index < grid.shape[a])

    @classmethod
    def isUnknown(cls, segmentationNode: Any) -> bool:
        """Whether something was accepted, but what that was is no longer in the scene."""
        return bool(cls.manualSlices(segmentationNode)) and AcceptedLabels(segmentationNode).node is None

    @staticmethod
    def emptySlices(segmentationNode: Any, grid: VolumeGrid | None = None) -> list[Slice]:
        """Slices marked as complete although nothing is painted on them."""
        return SliceMarks(segmentationNode, _EMPTY, grid).read()

    @staticmethod
    def setEmpty(
        segmentationNode: Any, one: Slice, empty: bool = True, grid: VolumeGrid | None = None
    ) -> None:
        """Marks a slice as complete without any structure, or takes the mark away."""
        SliceMarks(segmentationNode, _EMPTY, grid).put(one, empty)

    @staticmethod
    def partialSlices(segmentationNode: Any, grid: VolumeGrid | None = None) -> list[Slice]:
        """Slices of which only what is painted counts, and nothing is said about the rest."""
        return SliceMarks(segmentationNode, _PARTIAL, grid).read()

    @staticmethod
    def setPartial(
        segmentationNode: Any, one: Slice, partial: bool = True, grid: VolumeGrid | None = None
    ) -> None:
        """Says whether only what is painted on a slice counts, or its background too."""
        SliceMarks(segmentationNode, _PARTIAL, grid).put(one, partial)

    @staticmethod
    def wholeSlices(segmentationNode: Any, grid: VolumeGrid | None = None) -> list[Slice]:
        """Slices of which a person has said that whatever is not painted on them is not there."""
        return SliceMarks(segmentationNode, _WHOLE, grid).read()

    @staticmethod
    def setWhole(
        segmentationNode: Any, one: Slice, whole: bool = True, grid: VolumeGrid | None = None
    ) -> None:
        """Says so, or takes it back; see :class:`OpenSlices`."""
        SliceMarks(segmentationNode, _WHOLE, grid).put(one, whole)

    @staticmethod
    def correctedSlices(segmentationNode: Any, grid: VolumeGrid | None = None) -> list[Slice]:
        """Slices that were taken over from a prediction, to be corrected."""
        return SliceMarks(segmentationNode, _CORRECTED, grid).read()

    @staticmethod
    def addCorrected(segmentationNode: Any, slices: list[Slice], grid: VolumeGrid | None = None) -> None:
        """Remembers more of them; where that is undone, a mark on an unpainted slice says nothing."""
        marks = SliceMarks(segmentationNode, _CORRECTED, grid)
        marks.write([*marks.read(), *slices])

    @staticmethod
    def recordManual(segmentationNode: Any, slices: list[Slice], grid: VolumeGrid | None = None) -> None:
        """Remembers which slices are a person's, before a prediction is accepted into the node."""
        SliceMarks(segmentationNode, _MANUAL, grid).write(slices)

    @staticmethod
    def manualSlices(segmentationNode: Any, grid: VolumeGrid | None = None) -> list[Slice]:
        """What :meth:`recordManual` remembered."""
        return SliceMarks(segmentationNode, _MANUAL, grid).read()

    @staticmethod
    def manualText(segmentationNode: Any) -> str | None:
        """All that :meth:`recordManual` remembered, as :meth:`putManualText` takes it back."""
        text = segmentationNode.GetAttribute(_MANUAL)
        return None if text is None else str(text)

    @staticmethod
    def putManualText(segmentationNode: Any, text: str | None) -> None:
        """Remembers again what :meth:`manualText` gave."""
        if segmentationNode.GetAttribute(_MANUAL) != text:
            segmentationNode.SetAttribute(_MANUAL, text)

    @staticmethod
    def marks(segmentationNode: Any) -> tuple[Any, ...]:
        """Another value whenever anything else is said of slices."""
        marks = (segmentationNode.GetAttribute(name) for name in (_EMPTY, _MANUAL, _PARTIAL, _WHOLE))
        return (*marks, *AcceptedLabels(segmentationNode).stamp())

    @staticmethod
    def sliceAt(grid: VolumeGrid, positionRas: tuple[float, float, float], axis: int) -> Slice | None:
        """The slice along an array axis that holds a position in world space, None beyond the volume."""
        ijk = np.linalg.inv(grid.ijkToWorld()) @ np.array([*positionRas, 1.0])
        index = int(np.floor(ijk[2 - axis] + 0.5))
        return (axis, index) if 0 <= index < grid.shape[axis] else None

    @classmethod
    def labelsOf(cls, segmentationNode: Any, grid: VolumeGrid, values: dict[str, int]) -> LabelBox:
        """The segments on the volume's grid, at once; :meth:`labelSteps` tells the rest."""
        return Chunks.finish(cls.labelSteps(segmentationNode, grid, values))

    @classmethod
    def labelSteps(
        cls, segmentationNode: Any, grid: VolumeGrid, values: dict[str, int]
    ) -> Generator[None, None, LabelBox]:
        """The segments on the volume's grid (:class:`SegmentResampler`), hidden ones under the others.

        Raises:
            UserError: A segment does not touch the volume, or one of both is under a non-linear transform.
        """
        for node in (grid.node, segmentationNode):
            VolumeGrid.localToWorld(node)  # refuses what makes a painted slice none of the volume's
        hidden = cls.hiddenIds(segmentationNode)
        return (yield from SegmentResampler(segmentationNode, grid).labelSteps(values, hidden))
