"""The other volumes of the scene, as cases."""

from __future__ import annotations

from typing import Any

import slicer.util

from contrastive_seg.patients.find import places_of
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PercentVolume import PercentVolume


class SceneVolumes:
    """Which volumes what was learnt can be applied to."""

    @staticmethod
    def cases(learntOn: Any, without: set[str]) -> list[PatientCase]:
        """One case for each volume with voxels.

        Args:
            learntOn: The volume that was learnt on.
            without: IDs of volumes that are no patients, such as those a sequence browser shows.
        """
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        fit = [
            one
            for one in nodes
            if one is not learntOn
            and one.GetID() not in without
            and not one.IsA("vtkMRMLLabelMapVolumeNode")
            and not PercentVolume.isMap(one)
            and one.GetImageData() is not None
            and not one.GetHideFromEditors()
        ]
        names = [one.GetName() or one.GetID() for one in fit]
        places = places_of([name.replace("/", "_") for name in names])
        return [
            PatientCase(f"{number + 1:04d}", name, volumeId=node.GetID(), place=place)
            for number, (node, name, place) in enumerate(zip(fit, names, places, strict=True))
        ]
