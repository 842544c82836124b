"""The segment editor that modules embed: its nodes, its keys and how it looks, not its effects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Property

from slicer_harness.ctk_module import _strict

EFFECTS = [
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices",
    "Margin", "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
]  # fmt: skip


class SegmentEditor(QtWidgets.QWidget):
    """Keeps the nodes in the parameter node, as the application's widget does.

    For tests, ``_hasKeys`` and ``_watchesViews`` say whether keys and mouse in the views reach it.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._effect = ""
        import slicer

        self._history = slicer.vtkSegmentationHistory()
        self._hasKeys = self._watchesViews = False
        self._options: dict[str, Any] = {
            "segmentationNodeSelectorVisible": True, "sourceVolumeNodeSelectorVisible": True,
            "switchToSegmentationsButtonVisible": True, "unorderedEffectsVisible": True,
            "effectColumnCount": 2,
        }  # fmt: skip
        self._order: list[str] = []
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._segments = QtWidgets.QListWidget(self)
        self._segments.setMaximumHeight(64)
        layout.addWidget(self._segments)
        self._buttons = QtWidgets.QGridLayout()
        layout.addLayout(self._buttons)
        self.updateEffectList()

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self._show()

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is not None and not node.IsA("vtkMRMLSegmentEditorNode"):
            raise ValueError("the parameter node must be a vtkMRMLSegmentEditorNode")
        self._node = node
        self._show()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is not None:
            self._node.SetAndObserveSegmentationNode(node)
        self._effect = ""
        self._keepHistory()
        self._show()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None and self._scene else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is not None:
            self._node.SetAndObserveSourceVolumeNode(node)
        import slicer.util

        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if node is not None else []:
            if node.GetID() not in (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()):
                view.SetBackgroundVolumeID(node.GetID())
                view.SetForegroundVolumeID(None)
                view.SetLabelVolumeID(None)

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None and self._scene else None

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        assert count > 0
        self._history.SetMaximumNumberOfStates(count)

    def _keepHistory(self) -> None:
        node = self.segmentationNode()
        self._history.SetSegmentation(node.GetSegmentation() if node is not None else None)

    def saveStateForUndo(self) -> None:
        self._keepHistory()
        self._history.SaveState()

    def undo(self) -> None:
        self._history.RestorePreviousState()

    def redo(self) -> None:
        self._history.RestoreNextState()

    def setEffectNameOrder(self, names: list[str]) -> None:
        self._order = list(names)
        self.updateEffectList()

    def availableEffectNames(self) -> tuple[str, ...]:
        return tuple(EFFECTS)

    def updateEffectList(self) -> None:
        import qt

        while self._buttons.count():
            former = self._buttons.takeAt(0).widget()
            former.hide()
            former.deleteLater()
        others = [one for one in EFFECTS if one not in self._order]
        shown = [one for one in self._order if one in EFFECTS]
        shown += others if self._options["unorderedEffectsVisible"] else []
        for number, name in enumerate(shown):
            button = qt.QToolButton(self)
            button.setText(name)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
            columns = self._options["effectColumnCount"]
            self._buttons.addWidget(button, number // columns, number % columns)

    def setActiveEffect(self, effect: Any) -> None:
        if effect is not None:
            raise ValueError("there are no effects here")
        self._effect = ""

    def setActiveEffectByName(self, name: str) -> None:
        if name not in EFFECTS:
            raise ValueError(f"there is no effect {name}")
        self._effect = name

    def activeEffect(self) -> Any:
        return SimpleNamespace(name=self._effect) if self._effect else None

    def setCurrentSegmentID(self, segmentId: str) -> None:
        node = self.segmentationNode()
        if node is None or node.GetSegmentation().GetSegment(segmentId) is None:
            raise ValueError(f"there is no segment {segmentId}")
        self._node.SetSelectedSegmentID(segmentId)

    def currentSegmentID(self) -> str:
        return self._node.GetSelectedSegmentID() or ""

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        self._hasKeys = True

    def uninstallKeyboardShortcuts(self) -> None:
        self._hasKeys = False

    def setupViewObservations(self) -> None:
        self._watchesViews = True

    def removeViewObservations(self) -> None:
        self._watchesViews = False

    def updateWidgetFromMRML(self) -> None:
        self._show()

    def _show(self) -> None:
        self._segments.clear()
        node = self.segmentationNode()
        if node is not None:
            segments = node.GetSegmentation()
            for index in range(segments.GetNumberOfSegments()):
                self._segments.addItem(segments.GetNthSegment(index).GetName())
        self.setEnabled(node is not None)

    def _option(name: str, kind: Any = bool) -> Property:  # type: ignore[misc]
        def write(self: Any, value: Any) -> None:
            self._options[name] = value
            self.updateEffectList()

        return Property(kind, lambda self: self._options[name], write)

    segmentationNodeSelectorVisible = _option("segmentationNodeSelectorVisible")
    sourceVolumeNodeSelectorVisible = _option("sourceVolumeNodeSelectorVisible")
    switchToSegmentationsButtonVisible = _option("switchToSegmentationsButtonVisible")
    unorderedEffectsVisible = _option("unorderedEffectsVisible")
    effectColumnCount = _option("effectColumnCount", int)


def install(slicer: Any) -> None:
    """Adds the widget to the module ``slicer``."""
    slicer.qMRMLSegmentEditorWidget = _strict(SegmentEditor, "qMRMLSegmentEditorWidget")
