"""Copies a prediction into the user's segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid


class AcceptLogic:
    """Accepts predictions through Slicer's segment editor logic, so that Undo brings back what was.

    What a person has drawn is left alone: annotated slices keep their voxels, and so does every
    segment that is not accepted. Elsewhere the accepted segments become what was predicted, so that
    accepting again replaces what was accepted before.
    """

    def __init__(self) -> None:
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._editor: Any = None
        self._after: tuple[str, int] | None = None
        self._before: tuple[Any, list[Slice], Path | None, bytes | None] | None = None

    def accept(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        annotated: list[Slice],
        values: dict[str, int],
        *,
        segmentIds: list[str] | None = None,
        slices: list[Slice] | None = None,
        replaceAnnotated: bool = False,
        accepted: Path | None = None,
    ) -> None:
        """Copies the prediction of a segmentation into it.

        Args:
            volumeNode: The volume the prediction was made for.
            segmentationNode: The user's segmentation.
            annotated: Its annotated slices.
            values: Label values by segment ID, as for the export.
            segmentIds: Which segments; None for all that are predicted.
            slices: Which slices, as (array axis, index); None for the whole volume.
            replaceAnnotated: Change the annotated slices, too.
            accepted: Where to note how the labels are afterwards, for :class:`AnnotationLogic`.

        Raises:
            UserError: There is no prediction.
        """
        predicted = PredictionLogic.predicted(segmentationNode)
        if predicted is None or not predicted.GetSegmentation().GetNumberOfSegments():
            raise UserError(_("There is no prediction to accept yet."), _("Press Start first."))
        grid = VolumeGrid(volumeNode)
        chosen = [
            one
            for one in segmentationNode.GetSegmentation().GetSegmentIDs()
            if predicted.GetSegmentation().GetSegment(one) and (segmentIds is None or one in segmentIds)
        ]
        allowed = self._allowed(grid, annotated, slices, replaceAnnotated)
        changes = self._changes(grid, segmentationNode, predicted, chosen, allowed)
        self._prepare(volumeNode, segmentationNode)
        former = AnnotationLogic.manualSlices(segmentationNode)
        kept = accepted.read_bytes() if accepted is not None and accepted.is_file() else None
        self._before = (segmentationNode, former, accepted, kept)
        self._logic.SaveStateForUndo()
        self._apply(grid, segmentationNode, changes)
        AnnotationLogic.recordManual(segmentationNode, annotated)
        if accepted is not None:
            self._remember(accepted, grid, segmentationNode, values)
        self._after = (segmentationNode.GetID(), self._time(segmentationNode))

    def whyNoUndo(self, segmentationNode: Any) -> str:
        """Why Accept cannot be undone now; empty where it can."""
        if self._after is None or segmentationNode is None or self._after[0] != segmentationNode.GetID():
            return _("Nothing has been accepted yet.")
        if self._after[1] != self._time(segmentationNode):
            return _("The segmentation was changed after Accept; use Undo in the Segment Editor first.")
        return ""

    def undo(self, segmentationNode: Any) -> None:
        """Brings back the segmentation as it was before the last Accept.

        Raises:
            UserError: Something else changed it since, which would be lost.
        """
        reason = self.whyNoUndo(segmentationNode)
        if reason:
            raise UserError(reason)
        self._logic.Undo()
        self._after = None
        assert self._before is not None
        node, former, accepted, kept = self._before
        AnnotationLogic.recordManual(node, former)
        if accepted is not None:
            accepted.unlink(missing_ok=True)
            if kept is not None:
                accepted.write_bytes(kept)

    def forget(self) -> None:
        """Lets go of the scene's nodes, as when the scene is closed."""
        self._after = self._before = None
        self._logic.SetSegmentEditorNode(None)
        self._editor = None

    @staticmethod
    def _allowed(
        grid: VolumeGrid, annotated: list[Slice], slices: list[Slice] | None, replaceAnnotated: bool
    ) -> np.ndarray:
        allowed = np.full(grid.shape, slices is None)
        for axis, index in slices or []:
            allowed[_at(axis, index)] = True
        for axis, index in [] if replaceAnnotated else annotated:
            allowed[_at(axis, index)] = False
        return allowed

    @staticmethod
    def _changes(
        grid: VolumeGrid, segmentationNode: Any, predicted: Any, chosen: list[str], allowed: np.ndarray
    ) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """For each chosen segment: its ID, the voxels to take away and the voxels to add."""
        present, wanted = SegmentResampler(segmentationNode, grid), SegmentResampler(predicted, grid)
        free = allowed.copy()
        for segmentId in segmentationNode.GetSegmentation().GetSegmentIDs():
            if segmentId not in chosen:
                mask, start = present.mask(segmentId, strict=False)
                free[_box(mask, start)] &= ~mask
        changes = []
        for segmentId in chosen:
            old, new = (_whole(grid, *source.mask(segmentId, strict=False)) for source in (present, wanted))
            changes.append((segmentId, old & ~new & allowed, new & ~old & free))
        return changes

    def _prepare(self, volumeNode: Any, segmentationNode: Any) -> None:
        if self._editor is None or slicer.mrmlScene.GetNodeByID(self._editor.GetID()) is not self._editor:
            # its own node: the masking the user has set in the Segment Editor is for painting
            self._editor = slicer.mrmlScene.GetSingletonNode("ContrastiveSeg", "vtkMRMLSegmentEditorNode")
            if self._editor is None:
                node = slicer.vtkMRMLSegmentEditorNode()
                node.SetSingletonTag("ContrastiveSeg")
                node.SetHideFromEditors(True)
                self._editor = slicer.mrmlScene.AddNode(node)
            self._logic.SetSegmentEditorNode(self._editor)
        if self._logic.GetSegmentationNode() is not segmentationNode:
            self._logic.SetSegmentationNode(segmentationNode)
        self._logic.SetSourceVolumeNode(volumeNode)
        self._editor.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)

    def _apply(
        self,
        grid: VolumeGrid,
        segmentationNode: Any,
        changes: list[tuple[str, np.ndarray, np.ndarray]],
    ) -> None:
        logic = self._logic
        modifying = segmentationNode.StartModify()
        try:
            for remove in (True, False):  # first all that goes, so that nothing new is overwritten
                for segmentId, gone, new in changes:
                    mask = gone if remove else new
                    if mask.any():
                        mode = logic.ModificationModeRemove if remove else logic.ModificationModeAdd
                        image = self._modifier(grid, segmentationNode, mask)
                        logic.ModifySegmentByLabelmap(segmentationNode, segmentId, image, mode, False, False)
        finally:
            segmentationNode.EndModify(modifying)

    @staticmethod
    def _modifier(grid: VolumeGrid, segmentationNode: Any, mask: np.ndarray) -> Any:
        """The voxels in the segmentation's local space."""
        image = grid.orientedImage(mask.astype(np.uint8))
        volume, segmentation = grid.node.GetParentTransformNode(), segmentationNode.GetParentTransformNode()
        if volume is not segmentation:
            import vtk

            transform = vtk.vtkGeneralTransform()
            slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume, segmentation, transform)
            slicer.vtkOrientedImageDataResample.TransformOrientedImage(image, transform)
        return image

    @staticmethod
    def _remember(accepted: Path, grid: VolumeGrid, segmentationNode: Any, values: dict[str, int]) -> None:
        part = accepted.with_suffix(".part")
        with open(part, "wb") as file:
            np.save(file, SegmentResampler(segmentationNode, grid).labels(values).whole())
        part.replace(accepted)

    @staticmethod
    def _time(segmentationNode: Any) -> int:
        """Changes whenever any voxel of any segment does."""
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = segmentationNode.GetSegmentation()
        times = [segmentation.GetNumberOfSegments()]
        for segmentId in segmentation.GetSegmentIDs():
            image = segmentation.GetSegment(segmentId).GetRepresentation(name)
            times.append(image.GetMTime() if image is not None else 0)
        return hash(tuple(times))


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    return tuple(index if a == axis else slice(None) for a in range(3))


def _box(mask: np.ndarray, start: tuple[int, int, int]) -> tuple[slice, ...]:
    return tuple(slice(s, s + n) for s, n in zip(start, mask.shape, strict=True))


def _whole(grid: VolumeGrid, mask: np.ndarray, start: tuple[int, int, int]) -> np.ndarray:
    whole = np.zeros(grid.shape, bool)
    whole[_box(mask, start)] = mask
    return whole
