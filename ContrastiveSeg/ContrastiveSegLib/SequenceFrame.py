"""Which frame of a sequence (4D, ultrasound) a volume shows, and on which one was painted."""

from __future__ import annotations

from typing import Any

import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.UserError import UserError

_ATTRIBUTE = "ContrastiveSeg.Frame"  # index value, beside the reference to the sequence
_ROLE = "ContrastiveSegSequence"


class SequenceFrame:
    """For volumes that show one frame after the other of a sequence.

    With each frame such a volume gets other voxels and all attributes of the frame. What belongs to the
    volume is therefore kept with the sequence, and a segmentation remembers on which frame it was painted.
    Where a volume shows no sequence nothing is refused.
    """

    @staticmethod
    def keeper(node: Any) -> Any:
        """The node that keeps the attributes of a volume: its sequence where it shows one, else itself."""
        found = SequenceFrame._browserOf(node)
        return node if found is None else found[1]

    @classmethod
    def remember(cls, volumeNode: Any, segmentationNode: Any) -> None:
        """What is painted belongs to the frame that is shown, where no other one is known of it."""
        found = cls._browserOf(volumeNode)
        if found is not None and cls._learnt(found, segmentationNode) is None:
            cls.claim(volumeNode, segmentationNode)

    @staticmethod
    def forget(segmentationNode: Any) -> None:
        """A segmentation in which nothing is painted or learnt may be painted on any frame."""
        if segmentationNode.GetAttribute(_ATTRIBUTE) is not None:
            segmentationNode.RemoveNodeReferenceIDs(_ROLE)
            segmentationNode.RemoveAttribute(_ATTRIBUTE)

    @classmethod
    def claim(cls, volumeNode: Any, segmentationNode: Any) -> None:
        """Remembers that a segmentation belongs to the frame that is shown.

        Raises:
            UserError: It was painted on another one.
        """
        whyNot = cls.whyNotHere(volumeNode, segmentationNode)
        if whyNot:
            raise UserError(whyNot)
        found = cls._browserOf(volumeNode)
        if found is not None:
            segmentationNode.SetNodeReferenceID(_ROLE, found[1].GetID())
            segmentationNode.SetAttribute(_ATTRIBUTE, cls._shown(*found))

    @classmethod
    def whyNotHere(cls, volumeNode: Any, segmentationNode: Any) -> str:
        """Why a segmentation and what was predicted for it do not belong to the frame shown; else empty."""
        found = cls._browserOf(volumeNode)
        learnt = cls._learnt(found, segmentationNode)
        if found is None or learnt is None or learnt == cls._shown(*found):
            return ""
        sequence = found[1]
        number = sequence.GetItemNumberFromIndexValue(learnt) + 1
        return _(
            "'{segmentation}' was painted on {frame} of '{sequence}', and another one is shown. Go back to "
            "that one, or press New to paint the one that is shown."
        ).format(
            segmentation=segmentationNode.GetName(),
            frame=_("frame {number}").format(number=number) if number > 0 else _("a frame that was removed"),
            sequence=sequence.GetName(),
        )

    @classmethod
    def goBack(cls, volumeNode: Any, segmentationNode: Any) -> None:
        """Lets the volume show the frame on which a segmentation was learnt, where that is known."""
        found = cls._browserOf(volumeNode)
        learnt = cls._learnt(found, segmentationNode)
        if found is None or learnt is None or learnt == cls._shown(*found):
            return
        browser, sequence = found
        for item in range(browser.GetNumberOfItems()):
            if cls._valueAt(browser, sequence, item) == learnt:
                browser.SetSelectedItemNumber(item)
                return

    @staticmethod
    def _browserOf(node: Any) -> tuple[Any, Any] | None:
        """The browser that plays a volume, and the sequence; None where it is an ordinary volume."""
        if node is None or not node.IsA("vtkMRMLVolumeNode"):
            return None
        for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
            sequence = browser.GetSequenceNode(node)
            if sequence is not None:
                return browser, sequence
        return None

    @staticmethod
    def _learnt(found: tuple[Any, Any] | None, segmentationNode: Any) -> str | None:
        """Index value of the frame on which a segmentation was learnt; None for another sequence."""
        if found is None or segmentationNode.GetNodeReference(_ROLE) is not found[1]:
            return None
        value = segmentationNode.GetAttribute(_ATTRIBUTE)
        return None if value is None else str(value)

    @classmethod
    def _shown(cls, browser: Any, sequence: Any) -> str:
        return cls._valueAt(browser, sequence, browser.GetSelectedItemNumber())

    @staticmethod
    def _valueAt(browser: Any, sequence: Any, item: int) -> str:
        """Index value of the frame that an item of the browser shows."""
        if item < 0:
            return ""
        value = browser.GetMasterSequenceNode().GetNthIndexValue(item)
        frame = sequence.GetItemNumberFromIndexValue(value, False)
        return str(sequence.GetNthIndexValue(frame)) if frame >= 0 else ""
