"""Sequences (ultrasound, 4D): their frames as cases, and results as a sequence of segmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.UserError import UserError


@dataclass(frozen=True)
class ImageSequence:
    """A sequence of volumes in a browser.

    Attributes:
        browserId: The sequence browser node.
        sequenceId: The sequence of volumes in it.
    """

    browserId: str
    sequenceId: str

    def label(self) -> str:
        """What the user reads."""
        sequence = slicer.mrmlScene.GetNodeByID(self.sequenceId)
        return _("{name} ({count} frames)").format(
            name=sequence.GetName(), count=sequence.GetNumberOfDataNodes()
        )


class SequenceLogic:
    """Frames of one sequence, read without moving the browser.

    Args:
        which: The sequence.

    Raises:
        UserError: It is not in the scene any more.
    """

    def __init__(self, which: ImageSequence) -> None:
        self.browser = slicer.mrmlScene.GetNodeByID(which.browserId)
        self.sequence = slicer.mrmlScene.GetNodeByID(which.sequenceId)
        if self.browser is None or self.sequence is None:
            raise UserError(_("The sequence was removed from the scene."))
        self._result: Any = None

    @staticmethod
    def all() -> list[ImageSequence]:
        """The sequences of volumes that a browser of the scene plays."""
        found = []
        for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
            for sequence in SequenceLogic._sequencesOf(browser):
                first = sequence.GetNthDataNode(0) if sequence.GetNumberOfDataNodes() else None
                isImage = first is not None and first.IsA("vtkMRMLScalarVolumeNode")
                if isImage and not first.IsA("vtkMRMLLabelMapVolumeNode"):
                    found.append(ImageSequence(browser.GetID(), sequence.GetID()))
        return found

    @staticmethod
    def _sequencesOf(browser: Any) -> list[Any]:
        collection = vtk.vtkCollection()
        browser.GetSynchronizedSequenceNodes(collection, True)
        return [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]

    @property
    def proxy(self) -> Any:
        """The volume of the scene that shows the current frame; None where there is none."""
        return self.browser.GetProxyNode(self.sequence)

    def cases(self) -> list[PatientCase]:
        """One case for each frame."""
        unit = self.sequence.GetIndexUnit() or ""
        found = []
        for frame in range(self.sequence.GetNumberOfDataNodes()):
            value = self.sequence.GetNthIndexValue(frame)
            name = _("Frame {number}").format(number=frame + 1)
            if value not in ("", str(frame)):
                name = f"{name} ({value} {unit})".replace(" )", ")")
            place = f"frame{frame + 1:04d}_predicted"
            found.append(PatientCase(f"{frame + 1:04d}", name, frame=frame, place=place))
        return found

    def volume(self, frame: int) -> Any:
        """The volume node of a frame: the sequence's own, which no scene shows.

        Raises:
            UserError: There is no such frame, it holds no voxels, or the sequence is gone.
        """
        if not all(slicer.mrmlScene.IsNodePresent(one) for one in (self.browser, self.sequence)):
            raise UserError(_("The sequence was removed from the scene."))
        node = self.sequence.GetNthDataNode(frame)
        if node is None or node.GetImageData() is None:
            raise UserError(_("The frame {number} holds no image.").format(number=frame + 1))
        return node

    def show(self, frame: int) -> None:
        """Goes to a frame in the browser."""
        for item in range(self.browser.GetNumberOfItems()):
            value = self.browser.GetMasterSequenceNode().GetNthIndexValue(item)
            if self.sequence.GetItemNumberFromIndexValue(value, False) == frame:
                self.browser.SetSelectedItemNumber(item)
                return

    def addResult(self, frame: int, segmentationNode: Any) -> Any:
        """Puts the segmentation of a frame into the sequence of segmentations, made where it is missing.

        The browser plays it together with the images; it keeps a copy of its own.

        Args:
            frame: Of the sequence of images.
            segmentationNode: Its segmentation; not needed afterwards.

        Returns:
            The sequence of segmentations.
        """
        if self._result is None or not slicer.mrmlScene.IsNodePresent(self._result):
            name = _("{name} (predicted)").format(name=self.sequence.GetName())
            self._result = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
            self._result.SetIndexName(self.sequence.GetIndexName())
            self._result.SetIndexUnit(self.sequence.GetIndexUnit())
            self._result.SetIndexType(self.sequence.GetIndexType())
        PredictionLogic.mark(segmentationNode)  # what the browser shows has the attributes of its frame
        value = self.sequence.GetNthIndexValue(frame)
        self._result.SetDataNodeAtValue(segmentationNode, value)
        if not self.browser.IsSynchronizedSequenceNode(self._result, True):
            self.browser.AddSynchronizedSequenceNode(self._result)
        self._prepareProxy()
        return self._result

    def _prepareProxy(self) -> None:
        """The segmentation that follows the browser lies where the image is."""
        proxy = self.browser.GetProxyNode(self._result)
        if proxy is None:
            slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(self.browser)
            proxy = self.browser.GetProxyNode(self._result)
        if proxy is not None and self.proxy is not None:
            proxy.SetAndObserveTransformNodeID(self.proxy.GetTransformNodeID())
            proxy.SetNodeReferenceID(PredictionLogic.VOLUME_ROLE, self.proxy.GetID())

    @property
    def resultProxy(self) -> Any:
        """The segmentation that shows the current frame's result; None where there is none."""
        return self.browser.GetProxyNode(self._result) if self._result is not None else None
