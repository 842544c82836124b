"""Shows one of the other patients in the slice views; its image is read when it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientChannel import PatientChannel
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.SequenceLogic import SequenceLogic
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.SlabCopy import SlabCopy
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.ViewMemory import PATIENT, ViewMemory
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class PatientViewer:
    """For the cases of one batch.

    Signals: ``said`` (a sentence), ``loaded`` (a case whose image was read).

    Args:
        channel: The process, which reads files of any format.
        work: Folder of the batch.
        results: Makes the segmentations.
        sequence: Whose frames the cases are; None for anything else.
        former: That of the batch before: its patient may still be shown.
        hidden: IDs of the nodes that are hidden while another patient is shown; filled and emptied here.
    """

    def __init__(
        self,
        channel: PatientChannel,
        work: Path,
        results: PatientResults,
        sequence: SequenceLogic | None,
        former: PatientViewer | None = None,
        hidden: list[str] | None = None,
    ) -> None:
        self.said, self.loaded = Signal("said"), Signal("loaded")
        self._channel, self._work = channel, work
        self._results, self._sequence = results, sequence
        self._copy: SlabCopy | None = None
        self._cases: list[PatientCase] = []
        self._hidden: list[str] = [] if hidden is None else hidden
        self._wanted: PatientCase | None = None
        self._isAway = former is not None and former.isAway

    def show(self, case: PatientCase, cases: list[PatientCase]) -> None:
        """Shows a case with its segmentation, and hides the others.

        Raises:
            UserError: It is gone, or has no result.
        """
        self._cases, self._wanted = cases, case
        if case.frame is not None:
            self._showFrame(case)
            return
        volume = case.volumeNode()
        if volume is None and case.path is not None:
            self._read(case)
            return
        volume = volume or case.neededVolume()
        if case.result and slicer.mrmlScene.GetNodeByID(case.nodeId or "") is None:
            self._results.show(case, PatientResults.read(self._work, case), volume)
        self.lookAt(case, volume, self._results.learntNodes(), self._hidden)
        self._isAway = True

    @staticmethod
    def lookAt(case: PatientCase, volumeNode: Any, learntNodes: list[Any], hidden: list[str]) -> None:
        """Shows a case, and hides what belongs to the patient that was learnt on: it would lie over this one.

        Args:
            case: What is to be shown.
            volumeNode: Its image.
            learntNodes: What is hidden; each may be None.
            hidden: Gets the IDs of those that were not hidden before.
        """
        PatientViewer._hide(learntNodes, hidden)
        PatientResults.lookAt(case, volumeNode)

    @staticmethod
    def _hide(nodes: list[Any], hidden: list[str]) -> None:
        for node in nodes:
            display = node.GetDisplayNode() if node is not None else None
            if display is not None and display.GetVisibility():
                display.SetVisibility(False)
                hidden.append(node.GetID())

    @property
    def isAway(self) -> bool:
        """Whether another patient is shown than the one that was learnt on."""
        return self._isAway

    def back(self, volumeNode: Any) -> None:
        """Shows the volume that was learnt on again, with its painting and what lay over it."""
        SequenceFrame.goBack(volumeNode, self._results.learntNodes()[0])
        PatientResults.lookBack(volumeNode)
        self._isAway, self._wanted = False, None
        self.showAgain(self._hidden)

    @staticmethod
    def showAgain(hidden: list[str]) -> None:
        """Shows the nodes that were hidden, and forgets them."""
        for one in hidden:
            node = slicer.mrmlScene.GetNodeByID(one)
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(True)
        hidden.clear()

    @staticmethod
    def isAnyAway(viewer: PatientViewer | None) -> bool:
        """The same; also in a scene that was saved meanwhile and opened again, where there is no viewer."""
        laid = any(memory.laid is not None for _view, memory in ViewMemory.ofAll(PATIENT))
        return laid or (viewer is not None and viewer.isAway)

    @staticmethod
    def goBack(
        viewer: PatientViewer | None, volumeNode: Any, segmentationNode: Any, hidden: list[str]
    ) -> None:
        """As :meth:`back`; in such a scene nobody knows any more what was hidden beside the painting."""
        if viewer is not None and viewer.isAway:
            viewer.back(volumeNode)
            return
        PatientResults.lookBack(volumeNode)
        display = segmentationNode.GetDisplayNode() if segmentationNode is not None else None
        if display is not None:
            display.SetVisibility(True)
        PatientViewer.showAgain(hidden)

    def cancel(self) -> None:
        """Stops reading."""
        if self._copy is not None:
            self._copy.cancel()
            self._copy = None

    def _showFrame(self, case: PatientCase) -> None:
        if self._sequence is None or case.frame is None:
            return
        self._sequence.show(case.frame)
        self._hide(self._results.learntNodes(), self._hidden)
        if self._sequence.proxy is not None:
            PatientResults.lookAt(case, self._sequence.proxy, self._sequence.resultProxy)
            self._isAway = True

    def _path(self, case: PatientCase) -> Path:
        return self._work / f"shown-{case.key}.npy"

    def _read(self, case: PatientCase) -> None:
        self.said.emit(_("Reading '{name}'.").format(name=case.name))
        output, image = str(self._path(case)), str(case.path)
        self._channel.later(
            lambda: self._channel.send("load", case, image=image, name=case.name, output=output)
        )

    def take(self, case: PatientCase, event: dict[str, Any]) -> None:
        """The process has read the image of a case."""
        self.cancel()
        self._copy = SlabCopy(
            SlabCopy.read(self._path(case)),
            lambda image: self._showRead(case, image, event),
            lambda error: self.said.emit(str(error)),
        )

    def _showRead(self, case: PatientCase, image: Any, event: dict[str, Any]) -> None:
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(slicer.mrmlScene.GenerateUniqueName(Path(case.name).name or case.name))
        slicer.mrmlScene.AddNode(node)
        node.SetIJKToRASMatrix(VolumeGrid.toMatrix(np.array(event["ijk_to_ras"], float)))
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAutoWindowLevel(False)  # to find it out takes long for a large image
        display.SetWindowLevelMinMax(*event["window"])
        node.SetAndObserveImageData(image)
        case.loadedId = node.GetID()
        self._path(case).unlink(missing_ok=True)
        self._channel.rest()
        try:
            if case is self._wanted:  # and no other one was chosen while it was read
                self.show(case, self._cases)
        except UserError as error:
            self.said.emit(str(error))
            return
        self.said.emit("")
        self.loaded.emit(case)
