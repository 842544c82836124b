"""Makes segmentations to paint in, and opens the editor for them."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientTree import PatientTree
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class SegmentationMaker:
    """Puts a segmentation where its volume is."""

    @staticmethod
    def make(volumeNode: Any) -> Any:
        """A new segmentation with one empty segment, on a volume's grid and under its transform."""
        scene = slicer.mrmlScene
        name = scene.GenerateUniqueName(_("{volume} segmentation").format(volume=volumeNode.GetName()))
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        node.GetSegmentation().AddEmptySegment()
        PatientTree.putBeside(node, volumeNode)
        return node

    @staticmethod
    def openEditor(volumeNode: Any, segmentationNode: Any) -> None:
        """Shows the Segment Editor with these nodes, in views that are not oblique to the volume.

        Raises:
            UserError: There is no main window to show it in.
        """
        if slicer.util.mainWindow() is None:
            raise UserError(_("The Segment Editor needs the main window."))
        SliceViews.align(VolumeGrid(volumeNode), segmentationNode)
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        if editor is not None:
            editor.SetAndObserveSegmentationNode(segmentationNode)
            editor.SetAndObserveSourceVolumeNode(volumeNode)
