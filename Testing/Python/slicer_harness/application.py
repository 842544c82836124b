"""``slicer.app``, ``slicer.modules``, the scene and ``slicer.i18n``."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from slicer_harness import mrml_widgets


class Application:
    """The part of qSlicerApplication that extensions use; what it lacks raises.

    Properties are without parentheses, as PythonQt has them.
    """

    def __init__(self, folder: Path, logic: Any) -> None:
        from PySide6 import QtCore

        self._logic = logic
        self._manager = ModuleManager()
        self._settings = QtCore.QSettings(str(folder / "Slicer.ini"), QtCore.QSettings.Format.IniFormat)
        self._connections: list[tuple[str, Any]] = []
        self.slicerUserSettingsFilePath = str(folder / "Slicer.ini")
        self.temporaryPath = str(folder / "temporary")
        self.applicationName = "Slicer"
        self.majorVersion, self.minorVersion = 5, 13
        os.makedirs(self.temporaryPath, exist_ok=True)

    def __setattr__(self, name: str, value: Any) -> None:
        if callable(getattr(type(self), name, None)):
            raise AttributeError(f"Slot '{name}' can not be overwritten on {type(self).__name__} object")
        super().__setattr__(name, value)

    def applicationLogic(self) -> Any:
        return self._logic

    def moduleManager(self) -> ModuleManager:
        return self._manager

    def layoutManager(self) -> None:
        """There are no views here; in the application, too, None where it has no main window."""
        return None

    def topLevelWidgets(self) -> list[Any]:
        """No main window is among them."""
        return []

    def testingEnabled(self) -> bool:
        return True

    def userSettings(self) -> Any:
        return self._settings

    settings = userSettings

    def translate(self, context: str, text: str) -> str:
        return text

    def processEvents(self) -> None:
        import qt

        qt.QApplication.processEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        import qt

        qt.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        import qt

        qt.QApplication.restoreOverrideCursor()

    def commandOptions(self) -> Any:
        return SimpleNamespace(noMainWindow=True)

    def connect(self, signature: str, function: Any) -> bool:
        if signature not in ("startupCompleted()", "aboutToQuit()", "lastWindowClosed()"):
            raise ValueError(f"slicer.app has no signal '{signature}' here")
        self._connections.append((signature, function))
        return True

    def disconnect(self, signature: str, function: Any) -> bool:
        self._connections.remove((signature, function))
        return True

    def emit(self, signature: str) -> None:
        """For tests: what the application does on its own."""
        for name, function in list(self._connections):
            if name == signature:
                function()


class ModuleManager:
    """Tells modules that they are about to be unloaded."""

    def __init__(self) -> None:
        self._functions: list[Any] = []

    def connect(self, signature: str, function: Any) -> bool:
        if signature != "moduleAboutToBeUnloaded(QString)":
            raise ValueError(f"the module manager has no signal '{signature}' here")
        self._functions.append(function)
        return True

    def disconnect(self, signature: str, function: Any) -> bool:
        self._functions.remove(function)
        return True

    def unload(self, name: str) -> None:
        """For tests: what a reload does first."""
        for function in list(self._functions):
            function(name)


def make_python_slicer(folder: Path) -> Path:
    """A launcher called PythonSlicer, which starts Python as its child, as the application's does.

    So a test that kills only the launcher leaves its child behind, just as in the application.
    """
    launcher = folder / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n', encoding="utf-8")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return launcher


def install(slicer: Any) -> None:
    """Makes the scene and the names in ``slicer`` that need the application."""
    import vtk

    vtk.vtkObject.GlobalWarningDisplayOff()
    folder = Path(tempfile.mkdtemp(prefix="slicer "))  # the space is wanted: user folders have them
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    launchers = folder / "bin"
    launchers.mkdir()
    make_python_slicer(launchers)
    os.environ["PATH"] = f"{launchers}{os.pathsep}{os.environ.get('PATH', '')}"

    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkMRMLApplicationLogic()
    logic.SetMRMLScene(scene)
    slicer.mrmlScene = scene
    slicer.app = Application(folder, logic)
    slicer.modules = make_modules(slicer, scene, logic)
    mrml_widgets.install(slicer)
    _install_translation()


def make_modules(slicer: Any, scene: Any, application_logic: Any) -> SimpleNamespace:
    """``slicer.modules`` with the logics the extension asks for."""

    def module(class_name: str) -> SimpleNamespace:
        logic = getattr(slicer, class_name)()
        if hasattr(logic, "SetMRMLApplicationLogic"):
            logic.SetMRMLApplicationLogic(application_logic)
        logic.SetMRMLScene(scene)
        return SimpleNamespace(logic=lambda: logic)

    modules = SimpleNamespace(
        colors=module("vtkSlicerColorLogic"),
        terminologies=module("vtkSlicerTerminologiesModuleLogic"),
        subjecthierarchy=module("vtkSlicerSubjectHierarchyModuleLogic"),
        segmentations=module("vtkSlicerSegmentationsModuleLogic"),
        volumes=module("vtkSlicerVolumesLogic"),
        plots=module("vtkSlicerPlotsLogic"),
    )
    application_logic.SetColorLogic(modules.colors.logic())
    return modules


def _install_translation() -> None:
    module = ModuleType("slicer.i18n")

    def tr(text: str) -> str:
        if not isinstance(text, str):
            raise TypeError("only a text can be translated")
        return text

    module.tr = tr  # type: ignore[attr-defined]
    module.translate = lambda context, text: text  # type: ignore[attr-defined]
    sys.modules["slicer.i18n"] = module
