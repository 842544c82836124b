"""A map in percent as a scalar volume over the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util import numpy_support

from ContrastiveSegLib.PatientTree import PatientTree
from ContrastiveSegLib.ViewMemory import PATIENT, ViewMemory
from ContrastiveSegLib.VolumeGrid import VolumeGrid

# red, green, blue from 0 to 100 percent; brighter is more, also for those who see no red
_COLORS = {
    "probability": [(0.0, 0.0, 0.2), (0.0, 0.35, 0.6), (0.0, 0.65, 0.6), (0.5, 0.9, 0.4), (1.0, 1.0, 0.6)],
    "uncertainty": [(0.1, 0.0, 0.2), (0.45, 0.05, 0.4), (0.8, 0.2, 0.2), (1.0, 0.6, 0.0), (1.0, 1.0, 0.6)],
}
_ATTRIBUTE = "ContrastiveSeg.Map"
_PURPOSE = "Map"
_OWNER_ROLE = "ContrastiveSegOwner"
_LOWEST_SHOWN = {"probability": 1, "uncertainty": 25}


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

    @staticmethod
    def isMap(volumeNode: Any) -> bool:
        """Whether a volume node was made here."""
        return bool(volumeNode.GetAttribute(_ATTRIBUTE))

    @property
    def node(self) -> Any:
        """The volume node, None where there is none yet."""
        node = self._owner.GetNodeReference(self._role)
        # a copy of the segmentation has its references, too, but the map belongs to the original
        owner = node.GetNodeReference(_OWNER_ROLE) if node is not None else None
        return node if owner in (None, self._owner) else None

    def update(self, grid: VolumeGrid, array: np.ndarray, name: str) -> Any:
        """Puts values into the node, which is made where there is none.

        Args:
            grid: Where the values are; the node lies under the same transform as its volume.
            array: uint8 (z, y, x), percent; its memory is shared, so it must not be changed later.
            name: Of a new node.
        """
        node = self.node
        if node is None:
            node = slicer.vtkMRMLScalarVolumeNode()
            node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
            node.SetAttribute(_ATTRIBUTE, self._kind)  # before anybody hears that it is there
            slicer.mrmlScene.AddNode(node)
            self._display(node)  # before there are voxels, which it would look through for a window
            self._owner.SetNodeReferenceID(self._role, node.GetID())
            node.SetNodeReferenceID(_OWNER_ROLE, self._owner.GetID())
            PatientTree.putBeside(node, grid.node)
        modifying = node.StartModify()
        try:
            node.SetAndObserveImageData(self._image(array))
            node.SetIJKToRASMatrix(VolumeGrid.toMatrix(grid.ijkToLocal))
            node.SetAndObserveTransformNodeID(grid.node.GetTransformNodeID())
        finally:
            node.EndModify(modifying)
        if node.GetDisplayNode() is None:
            self._display(node)
        return node

    @staticmethod
    def _image(array: np.ndarray) -> Any:
        values = np.ascontiguousarray(array, np.uint8)
        image = vtk.vtkImageData()
        image.SetDimensions(values.shape[2], values.shape[1], values.shape[0])
        scalars = numpy_support.numpy_to_vtk(values.ravel(), deep=False)
        scalars.SetName("ImageScalars")
        image.GetPointData().SetScalars(scalars)
        return image

    def _display(self, node: Any) -> None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0, 100)
        display.SetAndObserveColorNodeID(self._colors().GetID())
        # what is sure stays clear, so that the image is seen there
        display.SetThreshold(_LOWEST_SHOWN[self._kind], 100)
        display.ApplyThresholdOn()

    def _colors(self) -> Any:
        """The colour table, one for all maps of this kind in a scene."""
        # no singleton: those outlive the closing of a scene, but with all their colours gone
        for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):
            if node.GetAttribute(_ATTRIBUTE) == self._kind:
                return node
        node = slicer.vtkMRMLColorTableNode()
        node.SetAttribute(_ATTRIBUTE, self._kind)
        node.SetName(f"ContrastiveSeg {self._kind}")
        node.SetHideFromEditors(True)
        node.SetTypeToUser()
        node.SetNumberOfColors(101)
        anchors = np.array(_COLORS[self._kind])
        for percent in range(101):
            at = [np.interp(percent, np.linspace(0, 100, len(anchors)), anchors[:, one]) for one in range(3)]
            node.SetColor(percent, f"{percent} %", *at, 1.0)
        return slicer.mrmlScene.AddNode(node)

    def setShown(self, shown: bool, opacity: float = 0.5) -> None:
        """Lays the map over the image in all slice views, or takes it away again.

        What lay over the image before, such as the PET of a PET/CT, comes back with the opacity that it
        had. A view in which the user has since replaced the map, or changed its opacity, is left alone.
        """
        node = self.node
        if node is None:
            return
        if not shown:
            self.takeAway(node)
            return
        for composite, memory in ViewMemory.ofAll(_PURPOSE):
            if composite.GetForegroundVolumeID() != node.GetID() and memory.laid is not node:
                memory.keep(node)
                composite.SetForegroundVolumeID(node.GetID())
                composite.SetForegroundOpacity(opacity)

    @staticmethod
    def takeAway(node: Any) -> None:
        """Takes a map out of all slice views, also where the segmentation that it belongs to is gone."""
        for composite, memory in ViewMemory.ofAll(_PURPOSE):
            if composite.GetForegroundVolumeID() == node.GetID():
                memory.restoreForeground()
            # another patient is shown now: when that one goes, the map must not come back
            ViewMemory(composite, PATIENT).replaceForeground(node, memory)
            memory.forget()
