"""What kind of image a volume is."""

from __future__ import annotations

from typing import Any

import slicer

_AIR = -500
_NAMES = {"MR": "MR", "MRI": "MR", "CT": "CT", "US": "US", "PT": "PET", "PET": "PET"}


class Modality:
    """Finds out whether a volume is CT, MR or ultrasound."""

    @staticmethod
    def of(volumeNode: Any) -> str:
        """The modality as weight cards have it; empty where it cannot be told.

        DICOM says it; for other files only CT can be known, as nothing else has values far below zero.
        """
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        item = tree.GetItemByDataNode(volumeNode) if tree is not None else 0
        said = tree.GetItemAttribute(item, "DICOM.Modality") if item else ""
        if said:
            return _NAMES.get(said.upper(), said.upper())
        image = volumeNode.GetImageData()
        if image is not None and image.GetNumberOfPoints() and image.GetScalarRange()[0] < _AIR:
            return "CT"
        return ""
