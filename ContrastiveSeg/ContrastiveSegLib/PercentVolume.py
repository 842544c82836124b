"""A map in percent as a scalar volume over the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util

from ContrastiveSegLib.VolumeGrid import VolumeGrid

_COLORS = {
    "probability": "vtkMRMLColorTableNodeFileViridis.txt",
    "uncertainty": "vtkMRMLColorTableNodeFileInferno.txt",
}
_LOWEST_SHOWN = {"probability": 1, "uncertainty": 10}


class PercentVolume:
    """Probability or uncertainty of a prediction, in a node that later results reuse.

    Args:
        segmentationNode: The user's segmentation, which refers to the node.
        kind: ``probability`` or ``uncertainty``.
    """

    def __init__(self, segmentationNode: Any, kind: str) -> None:
        self._owner = segmentationNode
        self._kind = kind
        self._role = f"ContrastiveSeg{kind.capitalize()}"

    @property
    def node(self) -> Any:
        """The volume node, None where there is none yet."""
        return self._owner.GetNodeReference(self._role)

    def update(self, grid: VolumeGrid, array: np.ndarray, name: str) -> Any:
        """Puts values into the node, which is made where there is none.

        Args:
            grid: Where the values are; the node lies under the same transform as its volume.
            array: uint8 (z, y, x), percent.
            name: Of a new node.
        """
        node = self.node
        if node is None:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
            self._owner.SetNodeReferenceID(self._role, node.GetID())
        modifying = node.StartModify()
        try:
            slicer.util.updateVolumeFromArray(node, np.array(array, np.uint8))
            node.SetIJKToRASMatrix(VolumeGrid.toMatrix(grid.ijkToLocal))
            node.SetAndObserveTransformNodeID(grid.node.GetTransformNodeID())
        finally:
            node.EndModify(modifying)
        if node.GetDisplayNode() is None:
            self._display(node)
        return node

    def _display(self, node: Any) -> None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0, 100)
        color = _COLORS[self._kind]
        if slicer.mrmlScene.GetNodeByID(color) is None:
            color = "vtkMRMLColorTableNodeRainbow"
        display.SetAndObserveColorNodeID(color)
        # what is sure stays clear, so that the image is seen there
        display.SetThreshold(_LOWEST_SHOWN[self._kind], 100)
        display.ApplyThresholdOn()

    def setShown(self, shown: bool, opacity: float = 0.6) -> None:
        """Lays the map over the image in all slice views, or takes it away again."""
        node = self.node
        if node is None:
            return
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if shown:
                composite.SetForegroundVolumeID(node.GetID())
                composite.SetForegroundOpacity(opacity)
            elif composite.GetForegroundVolumeID() == node.GetID():
                composite.SetForegroundVolumeID(None)
