"""The slice views of the scene, as nodes; works without a main window."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_ALONG = 0.7  # cosine: the view must look along the axis rather than past it


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

    @staticmethod
    def shown(grid: VolumeGrid, axis: int) -> Slice | None:
        """The slice along an array axis that a slice view shows now; None where no view does."""
        direction = grid.ijkToWorld()[:3, 2 - axis]
        direction = direction / np.linalg.norm(direction)
        best, bestCosine = None, _ALONG
        nodes = list(slicer.util.getNodesByClass("vtkMRMLSliceNode"))
        for node in [one for one in nodes if one.IsMappedInLayout()] or nodes:
            toRas = VolumeGrid.toArray(node.GetSliceToRAS())
            normal = toRas[:3, 2] / max(np.linalg.norm(toRas[:3, 2]), 1e-12)
            cosine = abs(float(normal @ direction))
            if cosine > bestCosine + 1e-6:
                best, bestCosine = toRas[:3, 3], cosine
        if best is None:
            return None
        return AnnotationLogic.sliceAt(grid, (float(best[0]), float(best[1]), float(best[2])), axis)

    @staticmethod
    def showVolume(volumeNode: Any) -> None:
        """Puts a volume into the slice views that show none yet."""
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if not composite.GetBackgroundVolumeID():
                composite.SetBackgroundVolumeID(volumeNode.GetID())
