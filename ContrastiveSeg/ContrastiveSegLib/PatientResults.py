"""Masks of other patients as segmentation nodes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientTree import PatientTree
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.ViewMemory import PATIENT, ViewMemory
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class PatientResults:
    """Puts results into the scene, with the names, colours and terminology of the user's segments.

    Args:
        segmentationNode: What was painted and learnt.
        values: Label values by segment ID.
        made: What the nodes made so far were like when they were made; kept over several runs.
        run: The run that was learnt from.
        isEarlier: Whether that is not the run of ``segmentationNode``, but one of another scene or day.
    """

    def __init__(
        self,
        segmentationNode: Any,
        values: dict[str, int],
        made: dict[str, int] | None = None,
        run: RunFolder | None = None,
        isEarlier: bool = False,
    ) -> None:
        self._painted, self._run = segmentationNode, run
        self._segments = self._looksOf(run) if isEarlier and run else self._segmentsOf(segmentationNode)
        self._idOf = {value: segmentId for segmentId, value in values.items()}
        self._others: dict[int, dict[str, Any]] = {}
        self._made: dict[str, int] = {} if made is None else made

    @staticmethod
    def _segmentsOf(segmentationNode: Any) -> dict[str, Any]:
        segmentation = segmentationNode.GetSegmentation()
        return {one: segmentation.GetSegment(one) for one in segmentation.GetSegmentIDs()}

    @staticmethod
    def _looksOf(run: RunFolder) -> dict[str, Any]:
        """Segments without voxels that look as those from which a run has learnt."""
        found = {}
        for segmentId, look in run.look().items():
            segment = slicer.vtkSegment()
            segment.SetName(str(look.get("name") or segmentId))
            with contextlib.suppress(TypeError, ValueError):
                segment.SetColor(*(float(one) for one in look["color"][:3]))
            if look.get("terminology"):
                segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), str(look["terminology"]))
            found[segmentId] = segment
        return found

    def structures(self) -> list[dict[str, Any]]:
        """What the process is told of the segments: value, name, colour, terminology."""
        found = []
        for value, segmentId in self._idOf.items():
            segment = self._segments.get(segmentId)
            if segment is None:
                continue
            found.append(
                {
                    "value": value,
                    "name": LabelledSegment.nameOf(segment, segmentId),
                    "colour": [float(one) for one in segment.GetColor()],
                    "terminology": LabelledSegment.terminologyOf(segment),
                }
            )
        return found

    def know(self, structures: list[dict[str, Any]]) -> None:
        """Takes the process's names and colours of what is no segment any more."""
        self._others = {int(one["value"]): one for one in structures}

    def learntNodes(self) -> list[Any]:
        """What was painted, and what was predicted for it."""
        return [self._painted, PredictionLogic.predicted(self._painted)]

    def names(self) -> dict[int, str]:
        """Of all structures, by label value."""
        return {value: str(one["name"]) for value, one in self._others.items()}

    def show(self, case: PatientCase, labels: np.ndarray, volumeNode: Any) -> Any:
        """Makes the node of a case, or puts a new result into the one it has; returns it.

        A node that was changed since it was made, or called right, is left alone, and another one is made.

        Args:
            case: With its result.
            labels: The box (z, y, x) of labels that the engine left.
            volumeNode: The image.

        Raises:
            UserError: The result does not fit the volume.
        """
        grid = VolumeGrid(volumeNode)
        start = [int(one) for one in case.result.get("start", [0, 0, 0])]
        if list(grid.shape[::-1]) != list(case.result.get("size", [])):
            raise UserError(
                _("The volume '{name}' was changed while it was segmented.").format(name=case.name)
            )
        node = slicer.mrmlScene.GetNodeByID(case.nodeId or "") or self._earlier(volumeNode)
        isChanged = node is not None and self._made.get(node.GetID()) != self._state(node)
        if isChanged or ReviewedPatients.isMarked(node):
            node = None
        if node is None:
            node = self._new(_("{name} (predicted)").format(name=volumeNode.GetName()))
            node.SetNodeReferenceID(PredictionLogic.VOLUME_ROLE, volumeNode.GetID())
            ReviewedPatients.setRun(node, self._run)
            node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
            PatientTree.putBeside(node, volumeNode)
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        self.fill(node, grid, labels, (start[0], start[1], start[2]))
        self._made[node.GetID()] = self._state(node)
        case.nodeId = node.GetID()
        return node

    def fill(self, node: Any, grid: VolumeGrid, labels: np.ndarray, start: tuple[int, int, int]) -> None:
        """Puts labels into a segmentation node, one layer shared by all segments."""
        segmentation = node.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        image = grid.orientedImage(labels, start)
        modifying = node.StartModify()
        try:
            segmentation.RemoveAllSegments()
            for value in sorted(self._others):
                segmentId = self._idOf.get(value, f"Segment_{value}")
                segment = slicer.vtkSegment()
                source = self._segments.get(segmentId)
                if source is not None:
                    segment.DeepCopyMetadata(source)
                    segment.SetName(LabelledSegment.nameOf(source, segmentId))
                else:
                    segment.SetName(str(self._others[value]["name"]))
                    segment.SetColor(*self._others[value]["colour"])
                segment.SetLabelValue(value)
                segment.AddRepresentation(name, image)
                segmentation.AddSegment(segment, segmentId)
        finally:
            node.EndModify(modifying)

    @staticmethod
    def read(work: Path, case: PatientCase) -> np.ndarray:
        """The box of labels of a case.

        Raises:
            UserError: It is not there.
        """
        name = str(case.result.get("labels", ""))
        if not name or Path(name).name != name:
            raise UserError(_("'{name}' has no result.").format(name=case.name))
        return PredictionLogic.read(work / name)

    def _new(self, name: str) -> Any:
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
        PredictionLogic.mark(node)  # before anybody hears that it is there
        slicer.mrmlScene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetOpacity2DOutline(1.0)
        display.SetOpacity2DFill(0.4)
        display.SetVisibility(False)  # of many patients one is shown at a time
        return node

    def _earlier(self, volumeNode: Any) -> Any:
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            same = node.GetNodeReference(PredictionLogic.VOLUME_ROLE) is volumeNode
            if same and ReviewedPatients.isOf(node, self._run):
                return node
        return None

    @staticmethod
    def _state(node: Any) -> int:
        """Changes when somebody changes the voxels."""
        segmentation = node.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            return 0
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        image = segmentation.GetNthSegment(0).GetRepresentation(name)
        return int(image.GetMTime()) if image is not None else 0

    @staticmethod
    def lookAt(case: PatientCase, volumeNode: Any, segmentationNode: Any = None) -> None:
        """Shows a case, and no other one, in all slice views.

        Args:
            case: With its result, if it has one.
            volumeNode: Its image.
            segmentationNode: What shows its result; None for the node of the case.
        """
        PatientResults._showOnly(segmentationNode or slicer.mrmlScene.GetNodeByID(case.nodeId or ""))
        for composite, memory in ViewMemory.ofAll(PATIENT):
            if memory.laid is None or composite.GetBackgroundVolumeID() != memory.laid.GetID():
                memory.keep(volumeNode)  # not those of a patient that is shown already
            else:
                memory.laid = volumeNode
            composite.SetBackgroundVolumeID(volumeNode.GetID())
            composite.SetForegroundVolumeID(None)
        PatientResults._aim(case, volumeNode)

    @staticmethod
    def lookBack(volumeNode: Any) -> None:
        """Shows what the slice views showed before :meth:`lookAt`, with what lay over it.

        Args:
            volumeNode: What is shown where nothing is remembered.
        """
        PatientResults._showOnly(None)
        for composite, memory in ViewMemory.ofAll(PATIENT):
            background = memory.background or volumeNode
            composite.SetBackgroundVolumeID(background.GetID())
            memory.restoreForeground()
            memory.forget()
        PatientResults._aim(PatientCase("", ""), volumeNode)

    @staticmethod
    def _showOnly(segmentationNode: Any) -> None:
        """Of all predictions one is shown."""
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if PredictionLogic.isPrediction(node) and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(node is segmentationNode)

    @staticmethod
    def _aim(case: PatientCase, volumeNode: Any) -> None:
        if slicer.app.layoutManager() is not None:  # another patient lies elsewhere, and has another size
            slicer.app.layoutManager().resetSliceViews()
        center = case.result.get("center_ras") or VolumeGrid(volumeNode).center()
        SliceViews.jumpTo((float(center[0]), float(center[1]), float(center[2])))
