"""Segmentations that are no label maps, such as those of RTSTRUCT and STL files."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.UserError import UserError


class LabelmapSource:
    """What a segmentation is made of: its source representation, from which Slicer makes all others.

    Only voxels can be painted and accepted. A label map that was made from surfaces is no place for
    them: Slicer saves the source, and makes the label map from it again. To change the source loses
    details and cannot be undone, so it is never done without asking.
    """

    @staticmethod
    def isIn(segmentationNode: Any) -> bool:
        """Whether voxels are the source; a segmentation without segments can be painted in as it is."""
        segmentation = segmentationNode.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        empty = segmentation.GetNumberOfSegments() == 0
        return empty or segmentation.GetSourceRepresentationName() == name

    @staticmethod
    def whyNot(segmentationNode: Any) -> str:
        """Why it can be neither painted in nor learnt; empty where it can."""
        if LabelmapSource.isIn(segmentationNode):
            return ""
        return _("'{name}' is made of '{source}', not of voxels that can be painted.").format(
            name=segmentationNode.GetName(),
            source=segmentationNode.GetSegmentation().GetSourceRepresentationName(),
        )

    @staticmethod
    def question(segmentationNode: Any) -> str:
        """What is asked before it is changed."""
        return _(
            "Convert '{name}' from '{source}' to a binary labelmap? Details finer than its voxels are lost, "
            "and this cannot be undone. Save the scene first if you need '{name}' as it is."
        ).format(
            name=segmentationNode.GetName(),
            source=segmentationNode.GetSegmentation().GetSourceRepresentationName(),
        )

    @staticmethod
    def makeSource(volumeNode: Any, segmentationNode: Any) -> None:
        """Converts a segmentation, on the volume's grid where it has none of its own.

        Raises:
            UserError: Slicer cannot convert it.
        """
        geometry = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
        if not segmentationNode.GetSegmentation().GetConversionParameter(geometry):
            segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        editor = slicer.mrmlScene.AddNode(slicer.vtkMRMLSegmentEditorNode())
        try:
            logic = slicer.vtkSlicerSegmentEditorLogic()
            logic.SetMRMLScene(slicer.mrmlScene)
            logic.SetSegmentEditorNode(editor)
            logic.SetSegmentationNode(segmentationNode)
            with slicer.util.WaitCursor():
                converted = logic.SetSourceRepresentationToBinaryLabelMap()
            logic.SetSegmentEditorNode(None)
        finally:
            slicer.mrmlScene.RemoveNode(editor)
        if not converted:
            raise UserError(
                _("'{name}' could not be converted.").format(name=segmentationNode.GetName()),
                _("Convert it in the module Segmentations, or press New."),
            )
