"""The segments as they were right after a prediction was accepted."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _
from vtk.util import numpy_support

from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.VoxelDigest import VoxelDigest

_ROLE = "ContrastiveSegAccepted"
_OWNER = "ContrastiveSegAcceptedInto"
_PERSONS = "ContrastiveSegPersons"
_SLAB_VOXELS = 2_000_000


@dataclass(frozen=True)
class Snapshot:
    """What was noted: each segment's ID, label value and image (None where it had no voxels)."""

    segments: tuple[tuple[str, int, Any], ...]


class AcceptedLabels:
    """A copy of the segments, from which later changes by a person are told.

    It is a segmentation node of its own, saved with the scene: on another computer, or when a run was
    deleted, it must be known as well which voxels a person has painted. The user's segmentation refers
    to it; it is not shown.

    Args:
        segmentationNode: The user's segmentation.
    """

    _known: tuple[tuple[Any, ...], LabelBox] | None = None

    def __init__(self, segmentationNode: Any) -> None:
        self._owner = segmentationNode

    @property
    def node(self) -> Any:
        """The node of the copy; None where nothing was noted, or where it is gone."""
        return self._owner.GetNodeReference(_ROLE)

    def take(self, persons: LabelBox | None, grid: VolumeGrid) -> Iterator[None]:
        """Notes the segments as they are now, in steps of some milliseconds each.

        Args:
            persons: Which voxels of slices that are not complete a person has painted.
            grid: Where those are.
        """
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = self._owner.GetSegmentation()
        copies: list[tuple[Any, Any]] = []
        found: list[tuple[str, int, Any]] = []
        for segmentId in segmentation.GetSegmentIDs():
            segment = segmentation.GetSegment(segmentId)
            image = segment.GetRepresentation(name)
            if image is None or not VoxelDigest.hasVoxels(image):
                found.append((segmentId, segment.GetLabelValue(), None))
                continue
            copy = next((other for one, other in copies if one is image), None)
            if copy is None:
                copy = yield from _copied(image)
                copies.append((image, copy))
            found.append((segmentId, segment.GetLabelValue(), copy))
        if persons is not None and persons.array.any():
            found.append((_PERSONS, 1, self._inSegmentation(persons, grid)))
        self.put(Snapshot(tuple(found)))

    def takeAtOnce(self, grid: VolumeGrid) -> None:
        """The same where it is not known what a person has painted."""
        for _step in self.take(None, grid):
            pass

    def snapshot(self) -> Snapshot | None:
        """What is noted now, to be put back later; None where nothing is."""
        return None if self.node is None else Snapshot(self._noted(self.node))

    def put(self, snapshot: Snapshot | None) -> None:
        """Puts a note into the scene; None removes it."""
        node = self.node
        if node is not None and node.GetNodeReference(_OWNER) is not self._owner:
            node = None  # that of a segmentation of which this one is a copy
        if snapshot is None:
            self._owner.SetNodeReferenceID(_ROLE, None)
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
            return
        if node is None:
            node = self._made()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = node.GetSegmentation()
        modifying = node.StartModify()
        try:
            segmentation.RemoveAllSegments()
            for segmentId, value, image in snapshot.segments:
                segment = slicer.vtkSegment()
                original = self._owner.GetSegmentation().GetSegment(segmentId)
                segment.SetName(original.GetName() if original is not None else segmentId)
                segmentation.AddSegment(segment, segmentId)
                segment = segmentation.GetSegment(segmentId)
                segment.SetLabelValue(value)
                if image is not None:
                    segment.AddRepresentation(name, image)
        finally:
            node.EndModify(modifying)
        node.StorableModified()

    def stamp(self) -> tuple[Any, ...]:
        """Another value whenever something else is noted."""
        node = self.node
        if node is None:
            return ()
        images = [image for _key, _value, image in self._noted(node)]
        return (node.GetID(), *[0 if image is None else image.GetMTime() for image in images])

    def changed(
        self, labels: LabelBox, values: dict[str, int], grid: VolumeGrid, under: Collection[str] = ()
    ) -> LabelBox | None:
        """Where other labels are now, as 0 and 1; None where nothing was noted for this grid.

        Args:
            labels: The labels now.
            values: Their values by segment ID; segments that are not named there are left out.
            grid: The volume's grid.
            under: IDs of segments that lie under all others in the labels.
        """
        before = Chunks.finish(self.labelSteps(values, grid, under))
        return None if before is None else self.difference(before, labels)

    @staticmethod
    def difference(before: LabelBox | None, labels: LabelBox) -> LabelBox:
        """Where two label maps of a grid differ, as 0 and 1; nowhere, where nothing was noted."""
        if before is None:
            return LabelBox.nothing(labels.shape)
        boxes = [(one.start, one.array.shape) for one in (before, labels) if one.array.size]
        if not boxes:
            return LabelBox.nothing(labels.shape)
        start, size = LabelBox.around(boxes)
        found = LabelBox.of(before.cut(start, size) != labels.cut(start, size))
        at = [a + b for a, b in zip(start, found.start, strict=True)]
        return LabelBox(found.array, (at[0], at[1], at[2]), labels.shape)

    def persons(
        self, labels: LabelBox, values: dict[str, int], grid: VolumeGrid, under: Collection[str] = ()
    ) -> np.ndarray:
        """Which painted voxels are a person's: all that did not come with Accept, in the labels' box."""
        painted = labels.array != 0
        changed = self.changed(labels, values, grid, under)
        if changed is None:
            return painted
        mine = changed.cut(labels.start, painted.shape) != 0
        earlier = self.unfinished(labels, grid)
        return np.asarray(painted & (mine if earlier is None else mine | earlier))

    def unfinished(self, labels: LabelBox, grid: VolumeGrid) -> np.ndarray | None:
        """What a person had painted, when a prediction was accepted, on slices of which not all was said.

        Args:
            labels: In whose box the answer is.
            grid: The volume's grid.

        Returns:
            bool (z, y, x); None where there were no such slices.
        """
        node = self.node
        if node is None or node.GetSegmentation().GetSegment(_PERSONS) is None:
            return None
        mask, begin = SegmentResampler(node, grid).mask(_PERSONS, strict=False)
        return np.asarray(LabelBox.within(mask, begin, labels.start, labels.array.shape) != 0)

    @classmethod
    def forget(cls) -> None:
        """Lets go of what is kept only to be quick."""
        cls._known = None

    def labelSteps(
        self, values: dict[str, int], grid: VolumeGrid, under: Collection[str] = ()
    ) -> Generator[None, None, LabelBox | None]:
        """The labels that were noted, in steps; None where none were for this grid.

        They are kept, as this is asked after each stroke of the brush.
        """
        node = self.node
        if node is None:
            return None
        if node.GetTransformNodeID() != self._owner.GetTransformNodeID():
            node.SetAndObserveTransformNodeID(self._owner.GetTransformNodeID())
        transforms = [one.GetParentTransformNode() for one in (node, grid.node)]
        times = [one.GetTransformToWorldMTime() if one is not None else 0 for one in transforms]
        words = (tuple(values.items()), tuple(under))
        key = (*self.stamp(), *times, *words, grid.shape, grid.ijkToLocal.tobytes())
        if AcceptedLabels._known is None or AcceptedLabels._known[0] != key:
            there = {one for one, _value, image in self._noted(node) if image is not None}
            wanted = {one: value for one, value in values.items() if one in there}
            try:
                noted = yield from SegmentResampler(node, grid).labelSteps(wanted, under)
            except UserError:  # they do not touch this volume
                return None
            AcceptedLabels._known = (key, noted)
            return noted
        return AcceptedLabels._known[1]

    @staticmethod
    def _noted(node: Any) -> tuple[tuple[str, int, Any], ...]:
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = node.GetSegmentation()
        segments = [(one, segmentation.GetSegment(one)) for one in segmentation.GetSegmentIDs()]
        return tuple((key, one.GetLabelValue(), one.GetRepresentation(name)) for key, one in segments)

    def _inSegmentation(self, box: LabelBox, grid: VolumeGrid) -> Any:
        """Voxels of the volume's grid as an image in the segmentation's local space."""
        image = grid.orientedImage((box.array != 0).astype(np.uint8), box.start)
        grid.moveInto(image, self._owner)
        return image

    @staticmethod
    def tidy() -> None:
        """Removes copies whose segmentations are gone: nobody sees them, and they would be saved."""
        nodes = list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
        needed = [one.GetNodeReference(_ROLE) for one in nodes]  # by a copy of a segmentation, too
        for one in nodes:
            if one.GetAttribute(_ROLE) and not any(one is other for other in needed):
                slicer.mrmlScene.RemoveNode(one)

    def _made(self) -> Any:
        self.tidy()
        node = slicer.vtkMRMLSegmentationNode()
        name = _("{name} (as accepted)").format(name=self._owner.GetName())
        node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
        node.SetAttribute(_ROLE, "1")
        # out of the way, but not hidden from editors: only Slicer after 5.12 saves such nodes with a scene
        node.SetAttribute("SubjectHierarchy.ExcludeFromTree", "1")
        PredictionLogic.mark(node)  # nobody paints in it or learns from it
        slicer.mrmlScene.AddNode(node)
        node.SetAndObserveTransformNodeID(self._owner.GetTransformNodeID())
        node.SetNodeReferenceID(_OWNER, self._owner.GetID())
        self._owner.SetNodeReferenceID(_ROLE, node.GetID())
        return node


def _copied(image: Any) -> Generator[None, None, Any]:
    """A copy of a vtkOrientedImageData, made in steps."""
    copy = slicer.vtkOrientedImageData()
    copy.CopyStructure(image)
    copy.CopyDirections(image)
    copy.AllocateScalars(image.GetScalarType(), 1)
    source, target = (numpy_support.vtk_to_numpy(one.GetPointData().GetScalars()) for one in (image, copy))
    for first in range(0, len(source), _SLAB_VOXELS):
        target[first : first + _SLAB_VOXELS] = source[first : first + _SLAB_VOXELS]
        yield
    return copy
