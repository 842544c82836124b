"""Loads a scripted module as the application does, and holds its panel."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property

from slicer_harness.ctk_module import _strict


class ModuleDescription:
    """``parent`` of a ScriptedLoadableModule: what the module selector shows."""

    __slots__ = (
        "_lists",
        "_widget",
        "acknowledgementText",
        "helpText",
        "hidden",
        "icon",
        "name",
        "path",
        "title",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.path, self.name = str(path), path.stem
        self._widget: Any = None
        self._lists: dict[str, tuple[str, ...]] = {}

    def _list(name: str) -> Any:  # type: ignore[misc]
        def write(self: Any, value: Any) -> None:
            self._lists[name] = tuple(value)  # a list of texts comes back as a tuple from Qt

        return property(lambda self: self._lists.get(name, ()), write)

    categories, contributors, dependencies = _list("categories"), _list("contributors"), _list("dependencies")
    del _list

    def widgetRepresentation(self) -> Any:
        """The panel, made and set up when it is first asked for."""
        import slicer

        if self._widget is None:
            self._widget = ModulePanel()
            self._widget._begin(self.path, slicer.mrmlScene)
            self._widget.setup()
        return self._widget

    def forget(self) -> None:
        """For tests: the panel is destroyed, and the next ``widgetRepresentation()`` makes a new one.

        Its selectors stop looking at the scene: hundreds of forgotten ones make each new node slow.
        """
        if self._widget is not None:
            self._widget.hide()
            for child in self._widget.findChildren(QtWidgets.QWidget):
                if hasattr(child, "setMRMLScene"):
                    child.setMRMLScene(None)
            self._widget.deleteLater()
            QtCore.QCoreApplication.sendPostedEvents(self._widget, QtCore.QEvent.Type.DeferredDelete)
        self._widget = None


class _ModulePanel(QtWidgets.QWidget):
    """The application's side of a panel: calls setup, enter and exit of the module's widget class."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._layout = QtWidgets.QVBoxLayout(self)
        self._source, self._self, self._scene, self._entered = "", None, None, False

    def _begin(self, source: str, scene: Any) -> None:
        self._source, self._scene = source, scene
        self._instantiate()

    def _instantiate(self) -> None:
        import slicer

        name = Path(self._source).stem
        self._self = getattr(sys.modules[name], f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._self)

    def mrmlScene(self) -> Any:
        return self._scene

    def self(self) -> Any:
        return self._self

    def setup(self) -> None:
        self._self.setup()

    def enter(self) -> None:
        self._entered = True
        self._self.enter()

    def exit(self) -> None:
        self._entered = False
        self._self.exit()

    def reload(self) -> None:
        """What slicer.util.reloadScriptedModule ends with."""
        self._instantiate()
        self.setup()

    isEntered = Property(bool, lambda self: self._entered)


ModulePanel = _strict(_ModulePanel, "qSlicerScriptedLoadableModuleWidget")


def load_module(path: Path) -> ModuleDescription:
    """Makes a module known to ``slicer.modules``; its panel comes with ``widgetRepresentation()``."""
    import slicer

    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    description = ModuleDescription(path)
    module = importlib.import_module(path.stem)
    instance = getattr(module, path.stem)(description)
    setattr(slicer.modules, path.stem.lower(), description)
    setattr(slicer.modules, f"{path.stem}Instance", instance)
    slicer.app.emit("startupCompleted()")
    return description
