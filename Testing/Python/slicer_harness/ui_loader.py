"""Reads .ui files into the stand-ins, qMRML and ctk widgets included."""

from __future__ import annotations

from types import ModuleType
from typing import Any

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
            widget = super().load(file)
            if widget is None:
                raise RuntimeError(f"the .ui file cannot be read: {self.errorString()}")
            return widget

    return QUiLoader
