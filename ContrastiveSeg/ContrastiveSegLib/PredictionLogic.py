"""From the worker's arrays to nodes of the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.Background import Background
from ContrastiveSegLib.Drawing import Drawing
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PatientTree import PatientTree
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.SurfaceMaker import SurfaceMaker
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_ROLE = "ContrastiveSegPrediction"
_VOLUME_ROLE = "ContrastiveSegVolume"
_OWNER_ROLE = "ContrastiveSegOwner"
_ATTRIBUTE = "ContrastiveSeg.Prediction"
_GRID = "ContrastiveSeg.Grid"


class PredictionLogic:
    """Shows predictions in a segmentation node of their own; the user's one is never touched.

    The node is called ``<name> (predicted)``, lies under the volume's transform, and its segments
    have the names, colours and terminology of the user's. Later predictions go into the same node,
    and the 3D view keeps its camera. The user's segmentation refers to it, so that both are found
    again in a saved scene.
    """

    VOLUME_ROLE = _VOLUME_ROLE
    """Reference of a prediction to the volume that it was made for."""

    _surfaces: SurfaceMaker | None = None

    @staticmethod
    def mark(segmentationNode: Any) -> None:
        """Says of a segmentation node that it was made here, so that nobody learns from it."""
        segmentationNode.SetAttribute(_ATTRIBUTE, "1")

    @staticmethod
    def predicted(segmentationNode: Any) -> Any:
        """The prediction that belongs to a segmentation, None where there is none."""
        node = segmentationNode.GetNodeReference(_ROLE) if segmentationNode else None
        # a copy of the segmentation has its references, too, but the prediction belongs to the original
        owner = node.GetNodeReference(_OWNER_ROLE) if node is not None else None
        return node if owner in (None, segmentationNode) else None

    @classmethod
    def update(
        cls,
        volumeNode: Any,
        segmentationNode: Any,
        labels: np.ndarray | LabelBox,
        segments: list[LabelledSegment],
    ) -> Any:
        """Shows a predicted label map; returns the node.

        Surfaces are made anew where the node has some; those of a large structure come later, from a
        thread.

        Args:
            volumeNode: The volume it was made for.
            segmentationNode: The user's segmentation.
            labels: Integers (z, y, x) on the volume's grid, 0 for background; or the box of it that
                :class:`PredictionFiles` read.
            segments: Which value stands for which segment.

        Raises:
            UserError: The array does not fit the volume.
        """
        grid = VolumeGrid(volumeNode)
        cls.checkShape(labels.shape, grid)
        node = cls._node(volumeNode, segmentationNode)
        segmentation = node.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        renew = segmentation.ContainsRepresentation(surface) or cls._surfacesOf(node).isUnderWay(node)
        # one image shared by all segments: one layer, as Slicer itself keeps segments that do not overlap
        image = cls._image(grid, labels, segments)
        modifying = node.StartModify()
        try:
            cls._copySegments(segmentationNode, segmentation, segments)
            for one in segments:
                segment = segmentation.GetSegment(one.segmentId)
                segment.SetLabelValue(one.value)
                segment.AddRepresentation(name, image)
        finally:
            node.EndModify(modifying)
        node.SetAttribute(_GRID, grid.kind())
        image.Modified()  # slices are drawn anew, and the surfaces of the former mask go
        if renew:
            cls.makeSurfaces(node)
        return node

    @classmethod
    def makeSurfaces(cls, node: Any, copies: Any = None) -> None:
        """Makes surfaces where there are none: at once where that is quick, else in a thread.

        Args:
            node: A prediction, or another segmentation.
            copies: For another one, where :class:`SurfaceMaker` is to look at its voxels.
        """
        isOther = not cls.isPrediction(node)
        if SurfaceMaker.isQuick(node) or (isOther and (copies is None or not SurfaceMaker.isUsual(node))):
            node.CreateClosedSurfaceRepresentation()
        else:
            cls._surfacesOf(node).make(node, copies=copies)

    @classmethod
    def _surfacesOf(cls, node: Any) -> SurfaceMaker:
        if cls._surfaces is None:
            cls._surfaces = SurfaceMaker(Background())
        return cls._surfaces

    @classmethod
    def waitForSurfaces(cls) -> None:
        """Blocks until surfaces under way are there; for scripts."""
        if cls._surfaces is not None:
            cls._surfaces.wait()

    @classmethod
    def updateMaps(
        cls, volumeNode: Any, segmentationNode: Any, maps: dict[str, np.ndarray]
    ) -> dict[str, Any]:
        """Shows probability and uncertainty, in percent, as volumes on the volume's grid.

        Args:
            volumeNode: The volume they were made for.
            segmentationNode: The user's segmentation.
            maps: uint8 (z, y, x) arrays by ``probability`` and ``uncertainty``.

        Returns:
            The nodes by the same names.
        """
        names = {
            "probability": _("{name} (probability)"),
            "uncertainty": _("{name} (uncertainty)"),
        }
        grid = VolumeGrid(volumeNode)
        nodes = {}
        for kind, array in maps.items():
            cls.checkShape(array.shape, grid)
            percent = PercentVolume(segmentationNode, kind)
            nodes[kind] = percent.update(grid, array, names[kind].format(name=segmentationNode.GetName()))
        return nodes

    @staticmethod
    def isPrediction(segmentationNode: Any) -> bool:
        """Whether a segmentation node was made here."""
        return segmentationNode is not None and bool(segmentationNode.GetAttribute(_ATTRIBUTE))

    @classmethod
    def takeLook(cls, segmentationNode: Any) -> None:
        """Gives the predicted segments the names and colours that the user's have now."""
        node = cls.predicted(segmentationNode)
        for segmentId in node.GetSegmentation().GetSegmentIDs() if node is not None else []:
            own = segmentationNode.GetSegmentation().GetSegment(segmentId)
            segment = node.GetSegmentation().GetSegment(segmentId)
            if own is None:
                continue
            name = LabelledSegment.nameOf(own, segmentId)
            if name != segment.GetName():
                segment.SetName(name)
            if own.GetColor() != segment.GetColor():
                segment.SetColor(*own.GetColor())

    @classmethod
    def isFor(cls, volumeNode: Any, segmentationNode: Any) -> bool:
        """Whether there is a prediction of a segmentation for a volume."""
        node = cls.predicted(segmentationNode)
        return (
            node is not None
            and node.GetNodeReference(_VOLUME_ROLE) is volumeNode
            and node.GetSegmentation().GetNumberOfSegments() > 0
        )

    @classmethod
    def isOnGrid(cls, volumeNode: Any, segmentationNode: Any) -> bool:
        """Whether the volume still has the voxels for which the prediction was made.

        One that was cropped or resampled has others: the mask lies where it was, but what was said of slices
        and voxels by their number means others.
        """
        node = cls.predicted(segmentationNode)
        kind = node.GetAttribute(_GRID) if node is not None else None
        if not kind:  # of an earlier release
            return True
        return volumeNode.GetImageData() is not None and VolumeGrid(volumeNode).isOfKind(kind)

    @classmethod
    def setVisible(cls, segmentationNode: Any, visible: bool) -> None:
        """Shows or hides the prediction, in slice and 3D views."""
        node = cls.predicted(segmentationNode)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)

    @staticmethod
    def hide(predicted: Any) -> None:
        """Hides a prediction, whatever has become of the segmentation that it belongs to."""
        if predicted.GetDisplayNode() is not None:
            predicted.GetDisplayNode().SetVisibility(False)

    @classmethod
    def setOpacity(cls, segmentationNode: Any, percent: int) -> None:
        """How much of the image the prediction covers in slice views, 0 to 100."""
        node = cls.predicted(segmentationNode)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetOpacity2DFill(percent / 100.0)

    @classmethod
    def setDrawing(cls, segmentationNode: Any, drawing: Drawing) -> None:
        """Shows the outline, the fill, or both in slice views."""
        node = cls.predicted(segmentationNode)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility2DFill(drawing is not Drawing.Outline)
            node.GetDisplayNode().SetVisibility2DOutline(drawing is not Drawing.Fill)

    @classmethod
    def setShown3D(cls, segmentationNode: Any, shown: bool) -> None:
        """Makes the surfaces of the prediction, or removes them."""
        node = cls.predicted(segmentationNode)
        if node is None:
            return
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        there = bool(node.GetSegmentation().ContainsRepresentation(surface))
        if shown and not there:
            cls.makeSurfaces(node)
        elif not shown:
            cls._surfacesOf(node).forget(node)
            if there:
                node.RemoveClosedSurfaceRepresentation()

    @classmethod
    def read(cls, path: Path) -> np.ndarray:
        """An array that was left in a file, as a whole.

        Raises:
            UserError: It cannot be read.
        """
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise cls.unreadable(path, error) from error

    @staticmethod
    def unreadable(path: Path, error: Exception) -> UserError:
        """A result that cannot be read, in a sentence."""
        return UserError(
            _("The result '{path}' cannot be read ({reason}).").format(path=path, reason=error),
            _("Start the learning again."),
        )

    @staticmethod
    def checkShape(shape: tuple[int, ...], grid: VolumeGrid) -> None:
        """Raises where an array of these sizes does not lie on the grid.

        Raises:
            UserError: It has other sizes.
        """
        if shape != grid.shape:
            raise UserError(
                _("The result has {result} voxels, but the volume '{name}' has {volume}.").format(
                    result=" x ".join(str(n) for n in shape[::-1]),
                    name=grid.node.GetName(),
                    volume=" x ".join(str(n) for n in grid.shape[::-1]),
                ),
                _("The volume was changed while learning; start again."),
            )

    @classmethod
    def _node(cls, volumeNode: Any, segmentationNode: Any) -> Any:
        node = cls.predicted(segmentationNode)
        if node is None:
            name = _("{name} (predicted)").format(name=segmentationNode.GetName())
            node = slicer.vtkMRMLSegmentationNode()
            node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
            node.SetAttribute(_ATTRIBUTE, "1")  # before anybody hears that it is there
            slicer.mrmlScene.AddNode(node)
            node.CreateDefaultDisplayNodes()
            display = node.GetDisplayNode()
            display.SetOpacity2DOutline(1.0)
            display.SetOpacity2DFill(0.4)
            segmentationNode.SetNodeReferenceID(_ROLE, node.GetID())
            node.SetNodeReferenceID(_OWNER_ROLE, segmentationNode.GetID())
            PatientTree.putBeside(node, volumeNode)
        if node.GetNodeReference(_VOLUME_ROLE) is not volumeNode:
            node.SetNodeReferenceID(_VOLUME_ROLE, volumeNode.GetID())
            node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        if node.GetTransformNodeID() != volumeNode.GetTransformNodeID():
            node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        return node

    @staticmethod
    def _image(grid: VolumeGrid, labels: np.ndarray | LabelBox, segments: list[LabelledSegment]) -> Any:
        if not isinstance(labels, LabelBox):
            labels = PredictionFiles.boxed(labels, [one.value for one in segments])
        # cut to what is predicted: surfaces of a small structure in a large CT are then quick
        array = labels.array if labels.array.size else np.zeros((1, 1, 1), np.uint8)
        return grid.orientedImage(array, labels.start, copy=False)

    @staticmethod
    def _copySegments(segmentationNode: Any, segmentation: Any, segments: list[LabelledSegment]) -> None:
        wanted = {one.segmentId for one in segments}
        for segmentId in segmentation.GetSegmentIDs():
            if segmentId not in wanted:
                segmentation.RemoveSegment(segmentId)
        for one in segments:
            source = segmentationNode.GetSegmentation().GetSegment(one.segmentId)
            segment = segmentation.GetSegment(one.segmentId)
            if segment is None:
                segment = slicer.vtkSegment()
                segment.SetName(one.name)
                segmentation.AddSegment(segment, one.segmentId)
                segment = segmentation.GetSegment(one.segmentId)
            if source is not None:
                segment.DeepCopyMetadata(source)  # colour, terminology
                segment.SetName(LabelledSegment.nameOf(source, one.segmentId))
