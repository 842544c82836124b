"""Where nodes stand in the tree of the module Data."""

from __future__ import annotations

from typing import Any

import slicer


class PatientTree:
    """Patients and studies, and what belongs to them."""

    @staticmethod
    def putBeside(node: Any, volumeNode: Any) -> None:
        """Puts a new node into the study of a volume, as the Segment Editor does with what it paints in.

        Nothing happens where one of them does not stand in the tree. Only for nodes that were just made:
        later somebody may have moved them.
        """
        tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        if tree is None:
            return
        item, beside = tree.GetItemByDataNode(node), tree.GetItemByDataNode(volumeNode)
        if item and beside:
            tree.SetItemParent(item, tree.GetItemParent(beside))
