"""The base classes of a scripted module, with the behaviour that modules rely on."""

from __future__ import annotations

import os
import sys
import unittest
from types import ModuleType
from typing import Any


class ScriptedLoadableModule:
    """Describes a module to the application through ``parent``."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors, parent.helpText, parent.acknowledgementText = [], "", ""

    def resourcePath(self, filename: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        module = sys.modules[type(self).__module__]
        getattr(module, f"{self.moduleName}Test")().runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """A module's panel; without a parent it makes its own window and sets itself up."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        import qt
        import slicer

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        own = parent is None
        if own:
            parent = slicer.qMRMLWidget()
            parent.setLayout(qt.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = self.parent.layout()
        if own:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename: str) -> str:
        import slicer.util

        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self) -> None:
        """In the application, shows the buttons for developers."""

    def onReload(self) -> None:
        import slicer.util

        slicer.util.reloadScriptedModule(self.moduleName)

    def cleanup(self) -> None:
        """Overridden by modules."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        import slicer

        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """Keeps the module's one parameter node in the scene."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        import slicer

        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Runs its methods whose names begin with ``test``."""

    def runTest(self) -> None:
        type(self).setUpClass()
        for name in [one for one in dir(self) if one.startswith("test")]:
            self.setUp()
            try:
                getattr(self, name)()
            finally:
                self.tearDown()
        type(self).tearDownClass()

    def delayDisplay(self, message: str, requestedDelay: Any = None, msec: Any = None) -> None:
        import slicer

        slicer.app.processEvents()


def install(slicer: Any) -> None:
    """Puts ``slicer.ScriptedLoadableModule`` in place."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    names = ["", "Widget", "Logic", "Test"]
    module.__all__ = [f"ScriptedLoadableModule{name}" for name in names]  # type: ignore[attr-defined]
    for name in module.__all__:
        setattr(module, name, globals()[name])
    sys.modules["slicer.ScriptedLoadableModule"] = module
    slicer.ScriptedLoadableModule = module
