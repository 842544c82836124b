"""Copies a prediction into the user's segmentation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels, Snapshot
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentChange import SegmentChange
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.VoxelDigest import VoxelDigest

_MOST_UNDONE = 5
_SLAB_VOXELS = 250_000


@dataclass(frozen=True)
class _State:
    """A segmentation at one moment: its voxels, and what is said of them."""

    voxels: VoxelDigest
    manual: str | None
    accepted: Snapshot | None


@dataclass(frozen=True)
class _Accepted:
    """What is needed to take an acceptance back."""

    node: Any
    before: _State
    after: _State
    history: Any


class AcceptLogic:
    """Accepts predictions through Slicer's segment editor logic, so that Undo brings back what was.

    What a person has drawn is left alone: annotated slices keep their voxels, and so does every
    segment that is not accepted. Of slices that are not complete, what is painted stays, and the rest
    is filled. Elsewhere the accepted segments become what was predicted, so that accepting again
    replaces what was accepted before.
    """

    def __init__(self) -> None:
        self._logic = self._made()
        self._editor: Any = None
        self._done: list[_Accepted] = []
        self._seen: tuple[Any, ...] = ()
        self._isRunning = False

    @staticmethod
    def _made() -> Any:
        logic = slicer.vtkSlicerSegmentEditorLogic()
        logic.SetMRMLScene(slicer.mrmlScene)
        logic.SetMaximumNumberOfUndoStates(0)  # each acceptance has a history of its own
        return logic

    def accept(self, *arguments: Any, **options: Any) -> None:
        """Copies the prediction of a segmentation into it, at once; :meth:`steps` tells the arguments."""
        for _step in self.steps(*arguments, **options):
            pass

    def steps(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        annotated: list[Slice],
        *,
        segmentIds: list[str] | None = None,
        slices: list[Slice] | None = None,
        replaceAnnotated: bool = False,
        opened: Mapping[Slice, Collection[str]] | None = None,
        asOwn: bool = False,
    ) -> Iterator[None]:
        """Copies the prediction of a segmentation into it, part by part.

        Nothing else may change the segmentation before the last step. Where they do not come to their
        end, the segmentation is as it was.

        Args:
            volumeNode: The volume the prediction was made for.
            segmentationNode: The user's segmentation.
            annotated: Its annotated slices.
            segmentIds: Which segments; None for all that are predicted.
            slices: Which slices, as (array axis, index); None for the whole volume.
            replaceAnnotated: Change the annotated slices, too.
            opened: By annotated slice, the IDs of the segments about which it says nothing.
            asOwn: Whether ``slices`` count as annotated from now on: the user answers for them.

        Raises:
            UserError: There is no prediction, or none of these segments.
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
        if not chosen:
            raise UserError(
                _("What was predicted is no segment of '{name}' any more.").format(
                    name=segmentationNode.GetName()
                ),
                _("Press Start to learn its segments as they are now."),
            )
        partial = [one for one in AnnotationLogic.partialSlices(segmentationNode, grid) if one in annotated]
        opened = {one: ids for one, ids in (opened or {}).items() if one not in partial}
        persons = yield from SegmentChange.persons(
            grid, segmentationNode, [] if replaceAnnotated else [*partial, *opened]
        )
        changes = []
        for segmentId in chosen:
            kept = [one for one in annotated if one not in partial and segmentId not in opened.get(one, ())]
            kept = [] if replaceAnnotated else kept
            change = yield from SegmentChange.steps(
                grid, segmentationNode, predicted, segmentId, chosen, slices, kept, persons
            )
            changes.append(change)
            yield
        self._prepare(volumeNode, segmentationNode)
        accepted = AcceptedLabels(segmentationNode)
        voxels = yield from VoxelDigest.steps(segmentationNode)
        before = _State(voxels, AnnotationLogic.manualText(segmentationNode), accepted.snapshot())
        history = self._history(segmentationNode)
        is3D = self._isShown3D(segmentationNode)
        if is3D:  # Slicer would make it anew with each slab
            segmentationNode.RemoveClosedSurfaceRepresentation()
        self._isRunning, isDone = True, False
        try:
            # before voxels look like a person's
            own = {*annotated, *((slices or []) if asOwn else [])}
            AnnotationLogic.recordManual(segmentationNode, sorted(own), grid)
            if asOwn:
                AnnotationLogic.addCorrected(segmentationNode, slices or [], grid)
            yield
            for remove in (True, False):  # first all that goes, so that nothing new is overwritten
                for change in changes:
                    yield from self._apply(grid, segmentationNode, change, remove)
            yield from accepted.take(persons, grid)
            voxels = yield from VoxelDigest.steps(segmentationNode)
            after = _State(voxels, AnnotationLogic.manualText(segmentationNode), accepted.snapshot())
            self._done = [*self._done, _Accepted(segmentationNode, before, after, history)][-_MOST_UNDONE:]
            isDone = True
        finally:
            self._isRunning = False
            if not isDone:
                history.RestorePreviousState()
                self._mark(segmentationNode, before)
            self._setShown3D(segmentationNode, is3D)

    def whyNoUndo(self, segmentationNode: Any) -> str:
        """Why Accept cannot be undone now; empty where it can."""
        last = self._last(segmentationNode)
        if last is None:
            return _("Nothing has been accepted yet.")
        now = self._now(segmentationNode)
        if now == last.after.voxels:
            return ""
        if now == last.before.voxels:
            return _("What was accepted last was taken back in the Segment Editor already.")
        return _("The segmentation was changed after Accept; use Undo in the Segment Editor first.")

    def undo(self, segmentationNode: Any) -> None:
        """Brings back the segmentation as it was before the last Accept; again, before the one before.

        Raises:
            UserError: Something else changed it since, which would be lost.
        """
        reason = self.whyNoUndo(segmentationNode)
        if reason:
            raise UserError(reason)
        last = self._last(segmentationNode)
        assert last is not None
        is3D = self._isShown3D(segmentationNode)
        last.history.RestorePreviousState()
        self._setShown3D(segmentationNode, is3D)
        self._mark(segmentationNode, last.before)
        self._done.remove(last)

    def follow(self, segmentationNode: Any) -> None:
        """After Undo or Redo in a Segment Editor, says of the slices what was said of them then.

        An Accept that was taken back there must leave no marks behind, or what it had brought would look
        as if a person had erased it.
        """
        if self._isRunning or segmentationNode is None:
            return
        now = self._now(segmentationNode)
        if now is None:
            return
        for one in reversed(self._done):
            for state in (one.after, one.before):
                if one.node is segmentationNode and state.voxels == now:
                    self._mark(segmentationNode, state)
                    return

    def forget(self) -> None:
        """Lets go of the scene's nodes, as when the scene is closed."""
        for one in self._done:
            one.history.SetSegmentation(None)
        self._done, self._seen = [], ()
        AcceptedLabels.forget()
        self._logic.SetSegmentEditorNode(None)
        self._logic = self._made()  # the former one would keep the last segmentation in memory
        self._editor = None

    def _last(self, segmentationNode: Any) -> _Accepted | None:
        return next((one for one in reversed(self._done) if one.node is segmentationNode), None)

    def _now(self, segmentationNode: Any) -> VoxelDigest | None:
        """The voxels, where they are those before or after one of the acceptances."""
        known = [
            state.voxels
            for one in self._done
            if one.node is segmentationNode
            for state in (one.before, one.after)
        ]
        if not known:
            return None
        stamp = (segmentationNode, len(self._done), VoxelDigest.stamp(segmentationNode))
        if not self._seen or self._seen[0] != stamp:
            self._seen = (stamp, VoxelDigest.of(segmentationNode, known))
        return self._seen[1]  # type: ignore[no-any-return]

    @staticmethod
    def _mark(segmentationNode: Any, state: _State) -> None:
        accepted = AcceptedLabels(segmentationNode)
        AnnotationLogic.putManualText(segmentationNode, state.manual)
        if accepted.snapshot() != state.accepted:
            accepted.put(state.accepted)

    @staticmethod
    def _history(segmentationNode: Any) -> Any:
        """Keeps the segments as they are now.

        Not the history of the segment editor logic: that counts all changes of the segments, also those
        of another editor, and then would bring back another state than that of Accept.
        """
        history = slicer.vtkSegmentationHistory()
        history.SetMaximumNumberOfStates(2)
        history.SetSegmentation(segmentationNode.GetSegmentation())
        history.SaveState()
        return history

    @staticmethod
    def _isShown3D(segmentationNode: Any) -> bool:
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        return bool(segmentationNode.GetSegmentation().ContainsRepresentation(name))

    @classmethod
    def _setShown3D(cls, segmentationNode: Any, shown: bool) -> None:
        """Makes the user's 3D surfaces again, or removes those that came back with an older state."""
        if slicer.mrmlScene.IsNodePresent(segmentationNode) and shown != cls._isShown3D(segmentationNode):
            if shown:
                PredictionLogic.makeSurfaces(segmentationNode, AcceptedLabels(segmentationNode).node)
            else:
                segmentationNode.RemoveClosedSurfaceRepresentation()

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
        self, grid: VolumeGrid, segmentationNode: Any, change: SegmentChange, remove: bool
    ) -> Iterator[None]:
        """Takes voxels away or adds them, a slab at a time."""
        mask = change.gone if remove else change.new
        part = LabelBox.bounds(mask)
        mask = mask[part]
        if not mask.size:
            return
        start = tuple(s + one.start for s, one in zip(change.start, part, strict=True))
        logic = self._logic
        mode = logic.ModificationModeRemove if remove else logic.ModificationModeAdd
        for slab in LabelBox.slabs(mask.shape, _SLAB_VOXELS):
            if mask[slab].any():
                place = (start[0] + slab.start, start[1], start[2])
                image = self._modifier(grid, segmentationNode, mask[slab], place)
                logic.ModifySegmentByLabelmap(segmentationNode, change.segmentId, image, mode, False, False)
                yield

    @staticmethod
    def _modifier(
        grid: VolumeGrid, segmentationNode: Any, mask: np.ndarray, start: tuple[int, int, int]
    ) -> Any:
        """The voxels in the segmentation's local space."""
        image = grid.orientedImage(mask.astype(np.uint8), start)
        grid.moveInto(image, segmentationNode)
        return image
