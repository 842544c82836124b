"""ContrastiveSeg: a few annotated slices become a segmented volume."""

from __future__ import annotations

import logging
import unittest

import slicer
import slicer.util
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class ContrastiveSeg(ScriptedLoadableModule):
    """Describes the module to the application."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("ContrastiveSeg")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["ContrastiveSeg contributors"]
        parent.helpText = _(
            "Paint a structure on a few slices, press Start, and see it segmented in the whole volume about "
            "a minute later. Everything runs on this computer; no image leaves it."
        )
        parent.acknowledgementText = _("The network is a U-Net trained with PyTorch and MONAI.")
        slicer.app.connect("startupCompleted()", self.registerSampleData)

    def registerSampleData(self):
        """Offers the volume to try the module on in Sample Data; called when the application is up."""
        from ContrastiveSegLib.Samples.SampleVolume import SampleVolume

        SampleVolume.register(self.resourcePath("Thumbnails/MRHead.png"))


class ContrastiveSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the panel and tells it about the scene; the work is in ContrastiveSegLib."""

    def __init__(self, parent=None):
        self.logic = self.panel = self._parameters = self._guiTag = self._height = None
        super().__init__(parent)  # calls setup() itself where there is no parent

    def setup(self):
        from ContrastiveSegLib.HeightKeeper import HeightKeeper
        from ContrastiveSegLib.Panels import Sections
        from ContrastiveSegLib.Panels.Panel import Panel

        super().setup()
        widget = Sections.load(self.resourcePath)
        self.layout.addWidget(widget)
        self._height = HeightKeeper(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.logic = ContrastiveSegLogic()
        self.panel = Panel(self.ui, self.logic.learning)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        if self._isShown():  # loaded again while it is shown; else the application calls enter()
            self.enter()

    def cleanup(self):
        """The application ends, or the module is loaded again: nothing may go on.

        May be called twice; the second call finds nothing to do.
        """
        self.removeObservers()
        if self.panel is not None:
            self._setParameters(None)
            self.panel.close()
        if self._height is not None:
            self._height.close()
        if self.logic is not None:
            self.logic.learning.close(wait=True)
        self.panel = self.logic = self._height = None

    def enter(self):
        if self.panel is not None:
            self.initializeParameterNode()
            self.panel.enter()

    def exit(self):
        if self.panel is not None:
            self.panel.exit()

    def onReload(self):
        """Also loads the package again, which the application would keep as it was."""
        import sys

        for name in [one for one in sys.modules if one.split(".")[0] == "ContrastiveSegLib"]:
            del sys.modules[name]
        super().onReload()

    def onSceneStartClose(self, caller=None, event=None):
        self._setParameters(None)
        self.panel.forgetScene()

    def onSceneEndClose(self, caller=None, event=None):
        if self._isShown():
            self.initializeParameterNode()

    def onSceneEndImport(self, caller=None, event=None):
        # the selectors heard of their nodes before these were there, and would stay at None
        self._setParameters(None)
        self.onSceneEndClose()

    def _isShown(self):
        """Whether the module is the one that is open; in a window of its own it always is.

        The panel is also made for those who only ask for the module's logic: then it must not choose
        nodes, show volumes, take keys or start a process.
        """
        return getattr(self.parent, "isEntered", True)

    def initializeParameterNode(self):
        """Takes the scene's choices, and chooses the only volume and segmentation where there is one."""
        if self._parameters is None or self._parameters.parameterNode.GetScene() is not slicer.mrmlScene:
            self._setParameters(self.logic.getParameterNode())
        self.panel.chooseDefaults()

    def _setParameters(self, parameters):
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
        self._parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
        self.panel.setParameters(parameters)


class ContrastiveSegLogic(ScriptedLoadableModuleLogic):
    """What scripts use: ``learning`` starts and stops, without any widget."""

    def __init__(self):
        from ContrastiveSegLib.LearningLogic import LearningLogic

        ScriptedLoadableModuleLogic.__init__(self)
        self.learning = LearningLogic()

    def getParameterNode(self):
        """The panel's choices in this scene."""
        from ContrastiveSegLib.Parameters import Parameters

        node = super().getParameterNode()
        Parameters.forgetUnknown(node)
        return Parameters(node)

    @staticmethod
    def chooseDefaults(parameters):
        """Chooses the volume that is shown and the first segmentation where nothing is chosen."""
        from ContrastiveSegLib.DefaultNodes import DefaultNodes

        DefaultNodes.choose(parameters)


class ContrastiveSegTest(ScriptedLoadableModuleTest):
    """Tests that need nothing but the application; the one that learns needs PyTorch, too."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self, **kwargs):
        """The tests below, and all of the repository's that need no stand-ins, where these are there."""
        for name in unittest.TestLoader().getTestCaseNames(type(self)):
            self.setUp()
            try:
                self.delayDisplay(name)
                getattr(self, name)()
            except unittest.SkipTest as reason:
                logging.warning("%s was skipped: %s", name, reason)
        slicer.mrmlScene.Clear()

    def test_annotatedSlicesAreFound(self):
        from ContrastiveSegLib.SelfTest import SelfTest

        SelfTest(self).annotatedSlicesAreFound()

    def test_predictionIsAcceptedAndTakenBack(self):
        from ContrastiveSegLib.SelfTest import SelfTest

        SelfTest(self).predictionIsAcceptedAndTakenBack()

    def test_panelSaysWhatIsMissing(self):
        from ContrastiveSegLib.SelfTest import SelfTest

        SelfTest(self).panelSaysWhatIsMissing(ContrastiveSegWidget)

    def test_learningFromAFewSlices(self):
        from ContrastiveSegLib.SelfTest import SelfTest

        SelfTest(self).learningFromAFewSlices(ContrastiveSegLogic)

    def test_sourceTests(self):
        from ContrastiveSegLib.SourceTests import SourceTests

        if reason := SourceTests.whyNot():
            self.skipTest(reason)
        SourceTests.run()
