"""Which nodes are meant where the user has chosen none."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util

from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic


class DefaultNodes:
    """Images and paintings of the scene, without what was made by a learning."""

    @classmethod
    def volume(cls) -> Any:
        """The volume that the slice views show; else the first; None where there is none."""
        selection = slicer.app.applicationLogic().GetSelectionNode()
        active = slicer.mrmlScene.GetNodeByID(selection.GetActiveVolumeID() or "") if selection else None
        nodes = [active, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
        return next((one for one in nodes if one is not None and cls._isImage(one)), None)

    @staticmethod
    def segmentation() -> Any:
        """The first segmentation that is no prediction; None where there is none."""
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        return next((one for one in nodes if not PredictionLogic.isPrediction(one)), None)

    @staticmethod
    def _isImage(node: Any) -> bool:
        unfit = node.IsA("vtkMRMLLabelMapVolumeNode") or PercentVolume.isMap(node)
        return node.IsA("vtkMRMLScalarVolumeNode") and not unfit
