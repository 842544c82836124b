"""The two node selectors of the panel: what they offer, and what is chosen where nothing is."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.DefaultNodes import DefaultNodes
from ContrastiveSegLib.Parameters import Parameters

_BUSY_MS = 100


class NodeSelectors(VTKObservationMixin):
    """Keeps predictions and maps out of the selectors, and takes nodes that appear.

    A selector whose node is removed chooses another one itself; that must never be one made here. With a
    segmentation goes the copy of what was accepted into it, whichever module is shown.

    Args:
        ui: The panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        super().__init__()
        self._selectors = (ui.volumeSelector, ui.segmentationSelector)
        self._parameters: Parameters | None = None
        self.isActive = False  # until the panel is shown
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.connect("timeout()", self._onLater)
        self._gone = qt.QTimer()
        self._gone.setSingleShot(True)
        self._gone.connect("timeout()", self._onGone)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self._onNodeAdded)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)

    def setParameters(self, parameters: Parameters | None) -> None:
        """Takes the choices of another scene."""
        self._parameters = parameters

    def update(self) -> None:
        """Offers what can be chosen, and chooses where nothing is."""
        self.hideWhatIsMadeHere()
        if self._parameters is not None:
            DefaultNodes.choose(self._parameters)

    def hideWhatIsMadeHere(self) -> None:
        """Takes predictions and maps out of the lists."""
        hidden = DefaultNodes.madeHere()
        for selector in self._selectors:
            model = selector.sortFilterProxyModel()
            if list(model.hiddenNodeIDs) != hidden:
                model.hiddenNodeIDs = hidden

    def close(self) -> None:
        """Lets go of the scene."""
        self._later.stop()
        self._gone.stop()
        self.removeObservers()
        self._parameters = None

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, caller: Any, event: Any, node: Any) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
            self._later.start(0)  # it gets its voxels, its name and its attributes after it was added

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        if node.IsA("vtkMRMLSegmentationNode"):
            self._gone.start(0)

    def _onGone(self) -> None:
        if slicer.mrmlScene.IsBatchProcessing():  # what refers to what is not known yet
            self._gone.start(_BUSY_MS)
        else:
            AcceptedLabels.tidy()

    def _onLater(self) -> None:
        if slicer.mrmlScene.IsBatchProcessing():
            self._later.start(_BUSY_MS)
        elif self.isActive:
            self.update()
