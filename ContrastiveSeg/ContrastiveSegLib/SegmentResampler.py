"""Segments on the grid of a volume, whatever geometry and transforms the two nodes have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBounds import LabelBounds
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.LabelmapSource import LabelmapSource
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_TOLERANCE = 1e-3
_SLAB_VOXELS = 2_000_000
_FEW_SEGMENTS = 4


@dataclass(frozen=True)
class _Source:
    """What is read of a segment.

    Attributes:
        segmentId: Which one.
        name: Its name.
        value: Its label in the image.
        image: Its voxels; other segments may be in there, too.
        array: The same (k, j, i).
        shared: Whether many segments share the image.
        toVolume: From the image's IJK to the volume's IJK; None where that is no matrix.
    """

    segmentId: str
    name: str
    value: int
    image: Any
    array: np.ndarray
    shared: bool
    toVolume: np.ndarray | None


class SegmentResampler:
    """Brings segments onto a volume's grid: nearest voxel, each node's own parent transforms obeyed.

    Slicer's ``arrayFromSegmentBinaryLabelmap`` gives an empty array, without a word, where the
    volume is transformed and the segmentation is not. Here the way from the one node to the other
    is part of the mapping. Where the two grids' voxels coincide (also flipped or with axes in
    another order), voxels are copied and not resampled.

    Args:
        segmentationNode: Where the segments are.
        grid: The volume's grid.
    """

    def __init__(self, segmentationNode: Any, grid: VolumeGrid) -> None:
        self._node = segmentationNode
        self._grid = grid

    def labels(self, valueOfSegment: dict[str, int], under: Collection[str] = ()) -> LabelBox:
        """Segments as one label map; where segments overlap, the later one wins, as in Slicer.

        Args:
            valueOfSegment: Label values by segment ID; the order is that of the segmentation.
            under: IDs of segments that lie under all others, and may lie beyond the volume.

        Raises:
            UserError: Another segment is painted, but not on any voxel of the volume.
        """
        return Chunks.finish(self.labelSteps(valueOfSegment, under))

    def labelSteps(
        self, valueOfSegment: dict[str, int], under: Collection[str] = (), strict: bool = True
    ) -> Generator[None, None, LabelBox]:
        """The same in steps of some milliseconds each, for large segments.

        Args:
            valueOfSegment: As in :meth:`labels`.
            under: As in :meth:`labels`.
            strict: Raise where a segment lies beside the volume, instead of leaving it out.
        """
        found: list[tuple[int, np.ndarray, tuple[int, int, int]]] = []
        ids = [one for one in self._node.GetSegmentation().GetSegmentIDs() if one in valueOfSegment]
        ids.sort(key=lambda one: one not in under)
        for source in self._sources(ids):  # all of them before the first step, as the node may change
            mask, start = yield from self._maskSteps(source, strict and source.segmentId not in under)
            if mask.size:
                found.append((valueOfSegment[source.segmentId], mask, start))
            yield
        if not found:
            return LabelBox.nothing(self._grid.shape)
        low, shape = LabelBox.around([(start, mask.shape) for _value, mask, start in found])
        array = np.zeros(shape, np.int16)
        for value, mask, start in found:
            ends = zip(start, mask.shape, low, strict=True)
            place = array[tuple(slice(a - c, a + b - c) for a, b, c in ends)]
            for slab in LabelBox.slabs(mask.shape, _SLAB_VOXELS):
                np.copyto(place[slab], np.int16(value), where=mask[slab])
                yield
        return LabelBox(array, low, self._grid.shape)

    def mask(self, segmentId: str, strict: bool = True) -> tuple[np.ndarray, tuple[int, int, int]]:
        """One segment as a bool array (z, y, x) and the index of its first voxel in the grid.

        Args:
            segmentId: Which segment.
            strict: Raise where nothing of it falls on the volume, instead of giving no voxels.

        Raises:
            UserError: The segment is painted, but not on any voxel of the volume; or the segmentation
                is not made of voxels.
        """
        for source in self._sources([segmentId]):
            return Chunks.finish(self._maskSteps(source, strict))
        return np.zeros((0, 0, 0), bool), (0, 0, 0)

    def _maskSteps(
        self, source: _Source, strict: bool
    ) -> Generator[None, None, tuple[np.ndarray, tuple[int, int, int]]]:
        nothing = np.zeros((0, 0, 0), bool), (0, 0, 0)
        painted, first = yield from self._painted(source)
        if not painted.size:
            return nothing
        if source.toVolume is None:
            mask, start = self._throughWarp(source.image, source.value)
        else:
            toVolume = source.toVolume @ _translation(first)
            mask, start = self._copied(painted, toVolume)
            if mask is None:
                mask, start = self._nearest(painted, toVolume)
        if not mask.any():
            if not strict:
                return nothing
            raise UserError(
                _("The segment '{segment}' does not touch the volume '{volume}'.").format(
                    segment=source.name, volume=self._grid.node.GetName()
                ),
                _("Paint it on this volume, hide it, or put both under the same transform."),
            )
        return mask, start

    def isPainted(self, segmentId: str) -> bool:
        """Whether a segment has any voxel, on the volume or beside it."""
        sources = self._sources([segmentId])
        return any(Chunks.finish(self._painted(one))[0].size for one in sources)

    @staticmethod
    def voxels(segmentationNode: Any) -> int:
        """How many voxels have to be looked through; images that segments share count once."""
        return sum(max(0, one.GetNumberOfPoints()) for one in set(_images(segmentationNode)))

    @staticmethod
    def paintedCount(segmentationNode: Any) -> int:
        """How many segments have an image with voxels; their own may be missing in one that is shared."""
        return sum(one.GetNumberOfPoints() > 0 for one in _images(segmentationNode))

    def _sources(self, segmentIds: list[str]) -> list[_Source]:
        """What there is to read of segments; those without voxels are left out."""
        segmentation = self._node.GetSegmentation()
        sharing = Counter(_images(self._node))
        found = []
        for segmentId in segmentIds:
            image = self._image(segmentId)
            extent = image.GetExtent() if image is not None else (0, -1, 0, -1, 0, -1)
            shape = (extent[5] - extent[4] + 1, extent[3] - extent[2] + 1, extent[1] - extent[0] + 1)
            if min(shape) < 1:
                continue
            array = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
            segment = segmentation.GetSegment(segmentId)
            name, value = LabelledSegment.nameOf(segment, segmentId), segment.GetLabelValue()
            shared = sharing[image] > _FEW_SEGMENTS
            toVolume = self._toVolumeMatrix(image)
            found.append(_Source(segmentId, name, value, image, array, shared, toVolume))
        return found

    def _image(self, segmentId: str) -> Any:
        """The image that holds the segment's voxels, in the segmentation's local space; None where
        there are none. Segments may share it; only their label values differ.

        Nothing is converted here: looking must not change the segmentation, and what is no source is
        neither read nor written, as Slicer does not save it.
        """
        whyNot = LabelmapSource.whyNot(self._node)
        if whyNot:
            raise UserError(whyNot, _("Convert it to a binary labelmap in the module Segmentations."))
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        image = self._node.GetSegmentation().GetSegment(segmentId).GetRepresentation(name)
        return image if image is not None and image.GetPointData().GetScalars() is not None else None

    @staticmethod
    def _painted(source: _Source) -> Generator[None, None, tuple[np.ndarray, tuple[int, int, int]]]:
        """The painted box of an image as bool (k, j, i) and the index (i, j, k) of its first voxel."""
        if source.shared:  # one look for all segments
            bounds = yield from LabelBounds.steps(source.image, source.array)
            part = bounds.get(source.value, (slice(0), slice(0), slice(0)))
            painted = source.array[part] == source.value
        else:
            painted = source.array == source.value
            part = LabelBox.bounds(painted)
            painted = painted[part]
        extent = source.image.GetExtent()
        k, j, i = (one.start or 0 for one in part)
        return painted, (extent[0] + i, extent[2] + j, extent[4] + k)

    def _toVolumeMatrix(self, image: Any) -> np.ndarray | None:
        """From the image's IJK to the volume's IJK; None where a non-linear transform lies between."""
        source, target = self._node.GetParentTransformNode(), self._grid.node.GetParentTransformNode()
        between = np.eye(4)
        if source is not target:
            matrix = vtk.vtkMatrix4x4()
            if not slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(source, target, matrix):
                return None
            between = VolumeGrid.toArray(matrix)
        toLocal = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(toLocal)
        return np.linalg.inv(self._grid.ijkToLocal) @ between @ VolumeGrid.toArray(toLocal)

    def _copied(self, painted: np.ndarray, toVolume: np.ndarray) -> tuple[np.ndarray | None, Any]:
        """The voxels moved as they are, where each falls on one voxel; otherwise None."""
        axes = np.rint(toVolume[:3, :3])
        size = max(painted.shape)
        if np.abs(toVolume[:3, :3] - axes).max() * size > _TOLERANCE or not np.array_equal(
            np.abs(axes) @ np.ones(3), np.ones(3)
        ):
            return None, None
        if not np.array_equal(np.ones(3) @ np.abs(axes), np.ones(3)):
            return None, None
        move = np.rint(toVolume[:3, 3])
        if np.abs(toVolume[:3, 3] - move).max() > _TOLERANCE:
            return None, None
        # array axes are k, j, i: reverse both ends of the mapping
        axes, move = axes[::-1, ::-1], move[::-1]
        order = [int(np.flatnonzero(row)[0]) for row in axes]
        array = painted.transpose(order)
        signs = [axes[target, source] for target, source in enumerate(order)]
        start = []
        for target, sign in enumerate(signs):
            if sign < 0:
                array = np.flip(array, target)
            start.append(int(move[target]) - (array.shape[target] - 1 if sign < 0 else 0))
        return self._clipped(array, start)

    def _clipped(self, array: np.ndarray, start: list[int]) -> tuple[np.ndarray, tuple[int, int, int]]:
        low = [max(0, s) for s in start]
        high = [min(n, s + length) for n, s, length in zip(self._grid.shape, start, array.shape, strict=True)]
        if any(a >= b for a, b in zip(low, high, strict=True)):
            return np.zeros((1, 1, 1), bool), (0, 0, 0)
        cut = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
        return array[cut], (low[0], low[1], low[2])

    def _nearest(self, painted: np.ndarray, toVolume: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """For every voxel of the volume near the segment, the segment's voxel nearest to its centre."""
        size = np.array(painted.shape[::-1])
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
        corners[:, :3] = corners[:, :3] * size - 0.5
        reach = (toVolume @ corners.T)[:3]
        low = np.maximum(np.floor(reach.min(axis=1)).astype(int), 0)
        high = np.minimum(np.ceil(reach.max(axis=1)).astype(int) + 1, self._grid.shape[::-1])
        if (low >= high).any():
            return np.zeros((1, 1, 1), bool), (0, 0, 0)
        back = np.linalg.inv(toVolume)
        i = np.arange(low[0], high[0])[np.newaxis, :]
        j = np.arange(low[1], high[1])[:, np.newaxis]
        mask = np.zeros((high[2] - low[2], high[1] - low[1], high[0] - low[0]), bool)
        for number, k in enumerate(range(low[2], high[2])):
            at = [back[a, 0] * i + back[a, 1] * j + (back[a, 2] * k + back[a, 3]) for a in range(3)]
            # rounded first, so that a centre on the border of two voxels always goes the same way
            index = [np.floor(np.round(one, 6) + 0.5).astype(int) for one in at]
            inside = np.ones(index[0].shape, bool)
            for a in range(3):
                inside &= (index[a] >= 0) & (index[a] < size[a])
            mask[number][inside] = painted[index[2][inside], index[1][inside], index[0][inside]]
        return mask, (int(low[2]), int(low[1]), int(low[0]))

    def _throughWarp(self, image: Any, value: int) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Slicer's own resampling, for transforms that are no matrix."""
        transform = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
            self._node.GetParentTransformNode(), self._grid.node.GetParentTransformNode(), transform
        )
        reference = self._grid.orientedImage(np.zeros(self._grid.shape, np.uint8))
        output = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            image, reference, output, False, False, transform
        )
        array = numpy_support.vtk_to_numpy(output.GetPointData().GetScalars()).reshape(self._grid.shape)
        found = array == value
        part = LabelBox.bounds(found)
        if not found[part].size:
            return np.zeros((1, 1, 1), bool), (0, 0, 0)
        return found[part], (part[0].start, part[1].start, part[2].start)


def _images(segmentationNode: Any) -> list[Any]:
    """The images of all segments; one that is shared comes as often as it is."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation = segmentationNode.GetSegmentation()
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    images = [one.GetRepresentation(name) for one in segments]
    return [one for one in images if one is not None]


def _translation(first: tuple[int, int, int]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = first
    return matrix
