"""The qMRML widgets that the panel uses: a widget that knows the scene, and a node selector."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal

from slicer_harness import segment_editor_widget
from slicer_harness.ctk_module import _strict


class _Widget(QtWidgets.QWidget):
    """Hands the scene on to those of its children that the .ui file connects to it."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._receivers: list[Any] = []

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for child in self._receivers:
            child.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._scene


def _option(name: str, kind: Any = bool) -> Property:
    return Property(kind, lambda self: self._options[name], lambda self, value: self._set(name, value))


class NodeFilter:
    """Which nodes a selector leaves out."""

    __slots__ = ("_ids", "_selector")

    def __init__(self, selector: Any) -> None:
        self._ids: tuple[str, ...] = ()
        self._selector = selector

    @property
    def hiddenNodeIDs(self) -> tuple[str, ...]:
        return self._ids

    @hiddenNodeIDs.setter
    def hiddenNodeIDs(self, ids: Any) -> None:
        self._ids = tuple(ids)
        self._selector._fill()


class _NodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of some classes and keeps one of them selected."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox(self)
        layout.addWidget(self._box)
        self._scene: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._options: dict[str, Any] = {
            "nodeTypes": [], "hideChildNodeTypes": [],
            "noneEnabled": False, "addEnabled": True, "removeEnabled": True,
            "editEnabled": False, "renameEnabled": False, "noneDisplay": "None", "showChildNodeTypes": True,
            "showHidden": False, "selectNodeUponCreation": True, "baseName": "",
        }  # fmt: skip
        self._ids: list[str] = []
        self._model = NodeFilter(self)
        self._box.currentIndexChanged.connect(self._changed)

    def setMRMLScene(self, scene: Any) -> None:
        for sender, tag in self._tags:
            sender.RemoveObserver(tag)
        self._tags = []
        self._scene = scene
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._tags.append((scene, scene.AddObserver(event, lambda *_: self._fill())))
            removed = scene.AddObserver(scene.NodeRemovedEvent, lambda *_: self._fill(removed=True))
            self._tags.append((scene, removed))
        self._fill()

    def sortFilterProxyModel(self) -> Any:
        return self._model

    def _fill(self, removed: bool = False) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return  # while a scene is loaded the list stays as it is
        selected = self.currentNodeID
        self._box.blockSignals(True)
        self._box.clear()
        self._ids = []
        if self._options["noneEnabled"] or self._scene is None:
            self._box.addItem(self._options["noneDisplay"])
            self._ids.append("")
        if self._scene is not None:
            for index in range(self._scene.GetNumberOfNodes()):
                node = self._scene.GetNthNode(index)
                if self._suits(node):
                    self._box.addItem(node.GetName() or "")
                    self._ids.append(node.GetID())
        # where the selected node is removed, the application's selector takes another one
        other = len(self._ids) - 1 if removed and selected else 0
        self._box.setCurrentIndex(self._ids.index(selected) if selected in self._ids else other)
        self._box.blockSignals(False)
        if self.currentNodeID != selected:
            self._changed()

    def _suits(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._options["showHidden"]:
            return False
        if node.GetID() in self._model.hiddenNodeIDs:
            return False
        if any(node.IsA(kind) for kind in self._options["hideChildNodeTypes"]):
            return False
        if self._options["showChildNodeTypes"]:
            return any(node.IsA(kind) for kind in self._options["nodeTypes"])
        return node.GetClassName() in self._options["nodeTypes"]

    def _changed(self, *_: Any) -> None:
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(self.currentNodeID)

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene and self.currentNodeID else None

    def setCurrentNode(self, node: Any) -> None:
        self._select("" if node is None else node.GetID())

    def _select(self, node_id: str) -> None:
        if node_id in self._ids:
            self._box.setCurrentIndex(self._ids.index(node_id))
        else:  # also one that it does not list
            self._box.setCurrentIndex(0 if self._options["noneEnabled"] else -1)

    def _id(self) -> str:
        index = self._box.currentIndex()
        return self._ids[index] if 0 <= index < len(self._ids) else ""

    def addNode(self) -> Any:
        """What the entry "Create new ..." does."""
        node = self._scene.AddNewNodeByClass(self._options["nodeTypes"][0])
        self.setCurrentNode(node)
        return node

    def nodeCount(self) -> int:
        return len([one for one in self._ids if one])

    def _set(self, name: str, value: Any) -> None:
        self._options[name] = list(value) if isinstance(value, list | tuple) else value
        self._fill()

    currentNodeID = Property(str, _id, _select)
    nodeTypes = _option("nodeTypes", "QStringList")
    hideChildNodeTypes = _option("hideChildNodeTypes", "QStringList")
    noneEnabled, noneDisplay = _option("noneEnabled"), _option("noneDisplay", str)
    addEnabled, removeEnabled = _option("addEnabled"), _option("removeEnabled")
    editEnabled, renameEnabled = _option("editEnabled"), _option("renameEnabled")
    showChildNodeTypes, showHidden = _option("showChildNodeTypes"), _option("showHidden")
    selectNodeUponCreation, baseName = _option("selectNodeUponCreation"), _option("baseName", str)


def install(slicer: Any) -> None:
    """Adds the widgets to the module ``slicer``."""
    slicer.qMRMLWidget = _strict(_Widget, "qMRMLWidget")
    slicer.qMRMLNodeComboBox = _strict(_NodeComboBox, "qMRMLNodeComboBox")
    segment_editor_widget.install(slicer)
