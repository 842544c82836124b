"""What the panel says about the annotated slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBounds import LabelBounds
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.OpenSlices import OpenSlices
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.Words import Words

ENOUGH = 3


@dataclass(frozen=True)
class AnnotatedSlice:
    """One annotated slice.

    Attributes:
        slice: (array axis, index).
        plane: Its anatomical name.
        segmentIds: The segments painted on it; empty where it was marked as complete.
        center: Its middle in world space, RAS mm.
        across: Which of the three coordinates counts the slices of this plane.
        complete: Whether what is not painted on it is said to be background.
        open: The segments about which it says nothing, as they were painted on other slices only.
    """

    slice: Slice
    plane: str
    segmentIds: tuple[str, ...]
    center: tuple[float, float, float]
    across: int
    complete: bool = True
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnnotationSummary:
    """The annotated slices of a segmentation on a volume, with words for the user.

    Attributes:
        slices: All of them, plane by plane.
        names: Names of the segments that take part, by ID.
        hidden: Names of those that are painted but hidden, and so left out.
        isUnknown: Whether painting cannot be told from what was accepted.
        depth: How many slices the volume has in the plane that is painted; 1 of a flat image.
    """

    slices: list[AnnotatedSlice]
    names: dict[str, str]
    hidden: tuple[str, ...] = ()
    isUnknown: bool = False
    depth: int = 0

    @classmethod
    def of(cls, volumeNode: Any, segmentationNode: Any, planes: PlaneChoice) -> AnnotationSummary:
        """Looks at the nodes.

        Raises:
            UserError: The volume holds no voxels, or a segment does not touch it.
        """
        return Chunks.finish(cls.steps(volumeNode, segmentationNode, planes))

    @classmethod
    def steps(
        cls, volumeNode: Any, segmentationNode: Any, planes: PlaneChoice
    ) -> Generator[None, None, AnnotationSummary]:
        """The same in steps of some milliseconds each, for many or large segments."""
        grid = VolumeGrid(volumeNode)
        segmentation = segmentationNode.GetSegmentation()
        ids = list(segmentation.GetSegmentIDs())
        shown = AnnotationLogic.segmentIds(segmentationNode)
        names = {one: LabelledSegment.nameOf(segmentation.GetSegment(one), one) for one in shown}
        folder = RunFolder.existing(volumeNode, segmentationNode)
        values = folder.segmentValues(ids) if folder else {one: n + 1 for n, one in enumerate(ids)}
        labels = yield from AnnotationLogic.labelSteps(segmentationNode, grid, values)
        found = yield from AnnotationLogic.annotatedSteps(
            segmentationNode,
            labels,
            grid,
            axis=planes.axis(grid.across()),
            values=values,
        )
        partial = set(AnnotationLogic.partialSlices(segmentationNode, grid))
        described = {one: values[one] for one in shown}
        opened = yield from OpenSlices.steps(segmentationNode, labels, found, grid, values)
        slices = []
        for one in found:
            slice_ = cls._described(one, grid, labels, described, one not in partial)
            isOpen = tuple(key for key, value in described.items() if value in opened.structures(one))
            slices.append(replace(slice_, open=isOpen))
            yield
        resampler = SegmentResampler(segmentationNode, grid)
        unseen = [one for one in ids if one not in names and resampler.isPainted(one)]
        hidden = tuple(LabelledSegment.nameOf(segmentation.GetSegment(one), one) for one in unseen)
        axes = [one.slice[0] for one in slices if one.segmentIds]
        if not axes:
            axis = planes.axis(grid.across())
            axes = [grid.acquisitionAxis() if axis is None else axis]
        depth = grid.shape[max(set(axes), key=axes.count)]
        return cls(slices, names, hidden, AnnotationLogic.isUnknown(segmentationNode), depth)

    @staticmethod
    def stamp(volumeNode: Any, segmentationNode: Any, planes: PlaneChoice) -> tuple[Any, ...]:
        """Another value whenever :meth:`of` might find something else; takes next to no time.

        Raises:
            UserError: The volume holds no voxels.
        """
        grid = VolumeGrid(volumeNode)
        segmentation = segmentationNode.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segments = []
        for segmentId in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segmentId)
            image = segment.GetRepresentation(name)
            painted = image.GetMTime() if image is not None else 0
            segments.append((segmentId, segment.GetName(), segment.GetLabelValue(), painted))
        transforms = [node.GetParentTransformNode() for node in (volumeNode, segmentationNode)]
        return (
            volumeNode.GetID(),
            segmentationNode.GetID(),
            planes,
            grid.shape,
            grid.ijkToLocal.tobytes(),
            tuple(one.GetTransformToWorldMTime() if one is not None else 0 for one in transforms),
            tuple(segments),
            tuple(AnnotationLogic.hiddenIds(segmentationNode)),
            AnnotationLogic.marks(segmentationNode),
        )

    @staticmethod
    def _described(
        one: Slice, grid: VolumeGrid, labels: LabelBox, values: dict[str, int], complete: bool
    ) -> AnnotatedSlice:
        axis, index = one
        inside = index - labels.start[axis]
        present: set[int] = set()
        if 0 <= inside < labels.array.shape[axis]:
            present = set(LabelBounds.valuesIn(labels.array.take(inside, axis)))
        center = [(n - 1) / 2 for n in grid.shape]
        center[axis] = index
        toWorld = grid.ijkToWorld()
        world = toWorld @ np.array([*center[::-1], 1.0])
        return AnnotatedSlice(
            one,
            grid.planeNames()[axis],
            tuple(segmentId for segmentId, value in values.items() if value in present),
            (float(world[0]), float(world[1]), float(world[2])),
            grid.across()[axis],
            complete,
        )

    @property
    def painted(self) -> list[AnnotatedSlice]:
        """Those on which something is painted."""
        return [one for one in self.slices if one.segmentIds]

    @property
    def enough(self) -> int:
        """How many painted slices a good result needs, where the volume has as many."""
        return min(ENOUGH, self.depth)

    def sentence(self) -> str:
        """How many slices there are, and of which planes."""
        if not self.slices:
            return _("No slice is annotated yet.")
        planes: dict[str, int] = {}
        for one in self.slices:
            planes[one.plane] = planes.get(one.plane, 0) + 1
        listed = ", ".join(f"{count} {plane}" for plane, count in planes.items())
        if len(self.slices) == 1:
            return _("1 annotated slice ({planes}).").format(planes=listed)
        return _("{count} annotated slices ({planes}).").format(count=len(self.slices), planes=listed)

    def leftOut(self) -> str:
        """Which structures are not learnt as they are hidden; empty where all are shown."""
        if not self.hidden:
            return ""
        return _(
            "Hidden, and so not learnt: {names}. Where only that is painted, nothing counts as background."
        ).format(names=Words.listed(list(self.hidden)))

    def leftOpen(self) -> str:
        """What is painted on other slices than the rest, and so left open; empty where nothing is."""
        counts = Counter(key for one in self.slices for key in one.open)
        listed = [
            (_("{name} (1 slice)") if counts[key] == 1 else _("{name} ({count} slices)")).format(
                name=name, count=counts[key]
            )
            for key, name in self.names.items()
            if counts[key]
        ]
        if not listed:
            return ""
        return _(
            "Left open where only others are painted: {names}. There it is found by itself; tick Complete "
            "where it is really absent."
        ).format(names=Words.listed(listed))

    def warning(self) -> str:
        """What is too little for a good result; empty where there is enough."""
        painted = self.painted
        if self.isUnknown:
            return _(
                "What was accepted here is not in this scene, so slices painted since then cannot be told "
                "from it; Start asks which of them count."
            )
        if not painted and self.depth == 1:
            return _("Paint each structure completely: the image has one slice.")
        if not painted:
            return _("Paint each structure completely on at least {count} slices.").format(count=self.enough)
        if len(painted) < self.enough:
            return _(
                "That is very little: paint at least {count} slices, spread from one end of the "
                "structure to the other."
            ).format(count=self.enough)
        counts = Counter(key for one in self.slices for key in one.segmentIds)
        missing = [name for key, name in self.names.items() if counts[key] == 0]
        if missing:
            return _("Not painted yet, and so not learnt: {names}.").format(names=Words.listed(missing))
        single = [name for key, name in self.names.items() if counts[key] == 1]
        if single and self.depth > 1:
            return _("Painted on one slice only: {names}. Paint a second one.").format(
                names=Words.listed(single)
            )
        return ""
