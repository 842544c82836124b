"""The slice views of the scene, as nodes; works without a main window."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_PARALLEL = float(np.cos(1e-3))  # about 0.06 degrees, as the Segment Editor has it
_ROUGHLY = 0.7  # cosine: the view is meant for this plane rather than for another


class SliceViews:
    """Goes to slices, and says which one is shown."""

    @staticmethod
    def jumpTo(ras: tuple[float, float, float]) -> None:
        """Shows a point in all slice views."""
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras)

    @staticmethod
    def centerOn(ras: tuple[float, float, float]) -> None:
        """Shows a point in the middle of all slice views, so that it need not be looked for."""
        SliceViews.jumpTo(ras)
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            node.JumpSliceByCentering(*ras)

    @classmethod
    def shown(cls, grid: VolumeGrid, axis: int) -> Slice | None:
        """The slice along an array axis that a slice view shows now; None where no view does.

        Raises:
            UserError: The volume is under a non-linear transform.
        """
        for node in cls._views() or cls._nodes():
            toRas = VolumeGrid.toArray(node.GetSliceToRAS())
            if cls._along(toRas, grid)[axis] > _PARALLEL:
                x, y, z = (float(one) for one in toRas[:3, 3])
                found = AnnotationLogic.sliceAt(grid, (x, y, z), axis)
                if found is not None:
                    return found
        return None

    @classmethod
    def neededSlice(cls, grid: VolumeGrid, axis: int) -> Slice:
        """The slice along an array axis that a slice view shows now.

        Raises:
            UserError: No view does.
        """
        shown = cls.shown(grid, axis)
        if shown is not None:
            return shown
        plane = grid.planeNames()[axis]
        views = [VolumeGrid.toArray(node.GetSliceToRAS()) for node in cls._views() or cls._nodes()]
        if any(_ROUGHLY < cls._along(view, grid)[axis] <= _PARALLEL for view in views):
            raise UserError(
                _("The slice view is oblique: it cuts through many {plane} slices of the volume.").format(
                    plane=plane
                ),
                _("Press 'Align slice views' under Annotate."),
            )
        raise UserError(
            _("No slice view shows a slice of the {plane} plane.").format(plane=plane),
            _("Move such a slice view onto the volume."),
        )

    @classmethod
    def oblique(cls, grid: VolumeGrid, segmentationNode: Any) -> list[Any]:
        """The slice views in which painting would spread over many slices of a volume.

        Args:
            grid: The volume's grid.
            segmentationNode: Where is painted; views that do not show it do not count.

        Raises:
            UserError: The volume is under a non-linear transform.
        """
        return [
            node
            for node in cls._viewsOf(segmentationNode)
            if cls._along(VolumeGrid.toArray(node.GetSliceToRAS()), grid).max() <= _PARALLEL
        ]

    @classmethod
    def align(cls, grid: VolumeGrid, segmentationNode: Any) -> None:
        """Where a view is oblique, turns all to the nearest planes of a volume, onto the middle of a slice.

        Raises:
            UserError: The volume is under a non-linear transform.
        """
        for node in cls._viewsOf(segmentationNode) if cls.oblique(grid, segmentationNode) else []:
            node.RotateToVolumePlane(grid.node)
            toRas = VolumeGrid.toArray(node.GetSliceToRAS())
            axis = 2 - int(cls._along(toRas, grid).argmax())  # of the index, i.e. 0 is i
            toWorld = grid.ijkToWorld()
            index = np.linalg.inv(toWorld) @ toRas[:, 3]
            index[axis] = np.floor(index[axis] + 0.5)  # between two slices a brush would paint both
            node.JumpSliceByOffsetting(*[float(one) for one in (toWorld @ index)[:3]])

    @classmethod
    def isGridOblique(cls, grid: VolumeGrid, segmentationNode: Any) -> bool:
        """Whether painting in a segmentation falls on many slices of a volume in any view.

        That is so where it was made on another volume, acquired at another angle.
        """
        parameter = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
        geometry = segmentationNode.GetSegmentation().GetConversionParameter(parameter)
        image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
        if not geometry or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(
            geometry, image, False
        ):
            return False
        image.GetImageToWorldMatrix(matrix)
        own = VolumeGrid.localToWorld(segmentationNode) @ VolumeGrid.toArray(matrix)
        planes = [own[:, [1, 2, 0, 3]], own[:, [2, 0, 1, 3]], own]
        return any(cls._along(plane, grid).max() <= _PARALLEL for plane in planes)

    @staticmethod
    def _along(toRas: np.ndarray, grid: VolumeGrid) -> np.ndarray:
        """How far a view looks across the slices of each array axis: cosines, 1 where exactly."""
        normal = np.cross(toRas[:3, 0], toRas[:3, 1])
        return np.asarray(np.abs(grid.sliceNormals() @ (normal / max(np.linalg.norm(normal), 1e-12))))

    @staticmethod
    def _nodes() -> list[Any]:
        return list(slicer.util.getNodesByClass("vtkMRMLSliceNode"))

    @classmethod
    def _views(cls) -> list[Any]:
        """Those that the layout shows."""
        return [node for node in cls._nodes() if node.IsMappedInLayout()]

    @classmethod
    def _viewsOf(cls, segmentationNode: Any) -> list[Any]:
        """Those that can show a segmentation; all of them where there is none."""
        display = segmentationNode.GetDisplayNode() if segmentationNode is not None else None
        return [one for one in cls._views() if display is None or display.IsDisplayableInView(one.GetID())]

    @staticmethod
    def showVolume(volumeNode: Any) -> None:
        """Puts a volume into the slice views that show none yet."""
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if not composite.GetBackgroundVolumeID():
                composite.SetBackgroundVolumeID(volumeNode.GetID())
