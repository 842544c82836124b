"""Which nodes are meant where the user has chosen none."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util

from ContrastiveSegLib.LabelmapSource import LabelmapSource
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler

_MOST_PAINTED = 12


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
    def segmentation(volumeNode: Any = None) -> Any:
        """The first segmentation that can be painted in and is no prediction; None where there is none.

        One that was made for the volume comes before others, which may be another patient's. Nor is it one
        with many structures that are there already, as another program leaves it: nobody begins to paint in
        that.
        """
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        own = [one for one in nodes if not PredictionLogic.isPrediction(one) and LabelmapSource.isIn(one)]
        fit = [one for one in own if SegmentResampler.paintedCount(one) <= _MOST_PAINTED]
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        made = [one for one in fit if volumeNode is not None and one.GetNodeReference(role) is volumeNode]
        return next(iter([*made, *fit]), None)

    @classmethod
    def choose(cls, parameters: Parameters) -> None:
        """Chooses a volume and a segmentation where none is chosen."""
        if parameters.volume is None and cls.volume() is not None:
            parameters.volume = cls.volume()
        if parameters.segmentation is None:
            found = cls.segmentation(parameters.volume)
            if found is not None:
                parameters.segmentation = found

    @staticmethod
    def madeHere() -> list[str]:
        """Ids of the predictions and their maps, which no selector of the panel offers."""
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        segmentations = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        made = [one for one in volumes if PercentVolume.isMap(one)]
        made += [one for one in segmentations if PredictionLogic.isPrediction(one)]
        return [one.GetID() for one in made]

    @staticmethod
    def _isImage(node: Any) -> bool:
        unfit = node.IsA("vtkMRMLLabelMapVolumeNode") or PercentVolume.isMap(node)
        return node.IsA("vtkMRMLScalarVolumeNode") and node.GetImageData() is not None and not unfit
