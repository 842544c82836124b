"""Reads .ui files into the stand-ins, qMRML and ctk widgets included."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets


def make_loader(qt: ModuleType) -> type:
    """The class ``qt.QUiLoader``; a widget class it does not know is an error, as in the application."""

    class QUiLoader(QtUiTools.QUiLoader):
        def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> QtWidgets.QWidget:
            import ctk
            import slicer

            for module, prefix in ((qt, "Q"), (ctk, "ctk"), (slicer, "qMRML")):
                if class_name.startswith(prefix) and class_name in vars(module):
                    widget = getattr(module, class_name)(parent)
                    widget.setObjectName(name)
                    return widget
            raise RuntimeError(f"the .ui file asks for a {class_name}, for which there is no stand-in")

        def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
            text, receivers = _without_scene_connections(bytes(file.readAll().data()))
            buffer = QtCore.QBuffer()
            buffer.setData(text)
            widget = super().load(buffer)
            if widget is None:
                raise RuntimeError(f"the .ui file cannot be read: {self.errorString()}")
            _check_properties(widget, text)
            if receivers:
                widget._receivers = [widget.findChild(QtWidgets.QWidget, name) for name in receivers]
            return widget

    return QUiLoader


def _without_scene_connections(text: bytes) -> tuple[bytes, list[str]]:
    """The .ui file without the connections that hand the scene on, and who they hand it to.

    PySide cannot declare a signal with a vtkMRMLScene, so the stand-in hands it on itself, to those
    widgets alone which the file connects: one that is forgotten has no scene, as in the application.
    """
    root = ElementTree.fromstring(text)
    connections = root.find("connections")
    receivers = []
    for one in list(connections) if connections is not None else []:
        if one.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)":
            assert one.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
            receivers.append(one.findtext("receiver") or "")
            connections.remove(one)  # type: ignore[union-attr]
    return ElementTree.tostring(root), receivers


def _check_properties(widget: QtWidgets.QWidget, text: bytes) -> None:
    """Raises where the .ui file sets a property that a widget does not have; Qt only ignores it."""
    for described in ElementTree.fromstring(text).iter("widget"):
        name = described.get("name", "")
        found = widget if widget.property("objectName") == name else widget.findChild(QtWidgets.QWidget, name)
        for one in described.findall("property"):
            known = found.metaObject().indexOfProperty(one.get("name", "")) >= 0
            if one.get("stdset") != "0" and not known:
                raise RuntimeError(f"the .ui file sets '{one.get('name')}' of '{name}', which it lacks")
