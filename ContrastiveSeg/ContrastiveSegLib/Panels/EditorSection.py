"""The segment editor within the panel."""

from __future__ import annotations

from typing import Any

import slicer
import slicer.util

from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Readiness import Readiness

_TAG = "ContrastiveSegPaint"
# What works on the slice that is shown. What changes many slices at once (thresholds, Grow from seeds,
# Scissors, which cut through all slices unless told otherwise) would make each of them count as
# annotated; it is in the Segment Editor.
_EFFECTS = ["Paint", "Draw", "Erase", "Level tracing"]
_UNDO_STATES = 10


class EditorSection(Section):
    """Embeds the application's segment editor and keeps it on the chosen nodes.

    Its settings (brush, masking) are in a parameter node of its own, saved with the scene, so that
    neither the Segment Editor's nor those of accepting a prediction change them. Its keys work while the
    panel is shown.
    """

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.editor: Any = None
        self._entered = self._isLocked = False

    def enter(self) -> None:
        """Makes the editor the first time, and lets its keys work."""
        if not hasattr(slicer, "qMRMLSegmentEditorWidget"):
            self.ui.editorCollapsibleButton.visible = False
            return
        if self.editor is None:
            self._make()
        self._entered = True
        self._chooseParameterNode()
        self._chooseNodes()
        self._setKeys(not self._isLocked)
        self.editor.setupViewObservations()

    def update(self) -> None:
        """Takes the nodes that are chosen now; nobody paints while a prediction is being accepted."""
        if self.editor is None or not self._entered:
            return
        self._chooseNodes()
        isLocked = bool(self.panel.result.whyBusy)
        if isLocked is not self._isLocked:
            self._isLocked = isLocked
            if isLocked:
                self.editor.setActiveEffect(None)
            self._setKeys(not isLocked)

    def keepForUndo(self) -> None:
        """Lets Undo in the editors bring back what is there now, and not what was before the last stroke."""
        _volume, segmentation = self.panel.nodes()
        ownModule = getattr(slicer.modules, "SegmentEditorWidget", None)
        for editor in (self.editor, getattr(ownModule, "editor", None)):
            if editor is not None and editor.segmentationNode() is segmentation is not None:
                editor.saveStateForUndo()

    def goOnPainting(self, segmentId: str) -> None:
        """Takes the brush, unless another tool is in the hand already."""
        if self.editor is None or not self._entered:
            return
        if segmentId:
            self.editor.setCurrentSegmentID(segmentId)
        if self.editor.activeEffect() is None:
            self.editor.setActiveEffectByName(_EFFECTS[0])

    def exit(self) -> None:
        """Nobody paints any more, and keys belong to other modules again."""
        self._entered = False
        if self.editor is not None:
            self.editor.setActiveEffect(None)
            self.editor.uninstallKeyboardShortcuts()
            self.editor.removeViewObservations()

    def forgetScene(self) -> None:
        """Lets go of the nodes; the parameter node goes with the scene."""
        if self.editor is not None:
            self.editor.setActiveEffect(None)
            self.editor.setSegmentationNode(None)
            self.editor.removeViewObservations()

    def close(self) -> None:
        """Lets go of everything."""
        self.exit()
        if self.editor is not None:
            self.editor.setMRMLSegmentEditorNode(None)
            self.editor.setMRMLScene(None)
            self.editor.deleteLater()
            self.editor = None

    def _setKeys(self, areOn: bool) -> None:
        if not areOn:
            self.editor.uninstallKeyboardShortcuts()
        elif slicer.util.mainWindow() is not None:
            self.editor.installKeyboardShortcuts()

    def _make(self) -> None:
        self.editor = editor = slicer.qMRMLSegmentEditorWidget()
        editor.setMaximumNumberOfUndoStates(_UNDO_STATES)
        editor.setEffectNameOrder(_EFFECTS)
        editor.unorderedEffectsVisible = False
        editor.segmentationNodeSelectorVisible = False  # they are chosen above
        editor.sourceVolumeNodeSelectorVisible = False
        editor.switchToSegmentationsButtonVisible = False
        # before the scene, so that what the widget chooses by itself is kept there
        self._chooseParameterNode()
        editor.setMRMLScene(slicer.mrmlScene)
        self.ui.editorCollapsibleButton.layout().addWidget(editor)

    def _chooseParameterNode(self) -> None:
        node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            made = slicer.vtkMRMLSegmentEditorNode()
            made.SetSingletonTag(_TAG)
            made.SetHideFromEditors(True)
            node = slicer.mrmlScene.AddNode(made)
        if (node.GetActiveEffectName() or "") not in _EFFECTS:  # of a scene of an earlier release
            node.SetActiveEffectName("")
        if self.editor.mrmlSegmentEditorNode() is not node:
            self.editor.setMRMLSegmentEditorNode(node)

    def _chooseNodes(self) -> None:
        volume, segmentation = self.panel.nodes()
        whyNot = Readiness.whyNotPaint(volume, segmentation)
        if whyNot:
            volume = segmentation = None
        elif slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode") is None:
            self._chooseParameterNode()
        if self.editor.segmentationNode() is not segmentation:
            self.editor.setSegmentationNode(segmentation)
        if self.editor.sourceVolumeNode() is not volume:
            self.editor.setSourceVolumeNode(volume)
        whyNot = whyNot or self.panel.result.whyBusy  # the nodes stay, and with them the editor's Undo
        self.ui.editorCollapsibleButton.enabled = not whyNot
        self.ui.editorCollapsibleButton.toolTip = PlainText.shown(whyNot)
