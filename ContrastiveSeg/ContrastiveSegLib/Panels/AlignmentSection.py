"""The part of the panel that warns of slice views in which painting would spread over many slices."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

_LOOK_AGAIN_MS = 100
_WARNING = "background: #fff4e0; color: #5f3b00; border-radius: 3px; padding: 4px;"  # in both themes


class AlignmentSection(Section, VTKObservationMixin):
    """Says so while a view is oblique to the volume, as the Segment Editor does, and turns the views.

    A volume that was acquired obliquely is shown obliquely to its own slices: a stroke in such a view falls
    on many of them, and each would count as completely painted.
    """

    def __init__(self, panel: Any) -> None:
        Section.__init__(self, panel)
        VTKObservationMixin.__init__(self)
        self._entered = False
        self._timer = qt.QTimer()  # views change with each turn of the mouse wheel
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_AGAIN_MS)
        self._timer.connect("timeout()", self.update)
        self.ui.alignButton.connect("clicked(bool)", self._onAlign)
        self.ui.alignButton.toolTip = _(
            "Turns the slice views to the nearest planes of the volume. They stay where they are."
        )
        self.ui.alignLabel.styleSheet = _WARNING
        self._show("", False)

    def enter(self) -> None:
        """Views are watched while the panel is shown."""
        self._entered = True

    def update(self) -> None:
        """Says what is oblique."""
        if self._entered:
            self._watch()
        volume, segmentation = self.panel.nodes()
        if Readiness.whyNotPaint(volume, segmentation):
            self._show("", False)
            return
        try:
            grid = VolumeGrid(volume)
        except UserError:  # no voxels; it is said elsewhere
            self._show("", False)
            return
        name, painted = volume.GetName(), segmentation.GetName()
        if SliceViews.oblique(grid, segmentation):
            words = _(
                "A slice view is oblique to '{name}': what you paint there falls on many of its slices, and "
                "each would count as completely painted. Align the views before you paint."
            )
            self._show(words.format(name=name), True)
        elif SliceViews.isGridOblique(grid, segmentation):
            words = _(
                "The voxels of '{segmentation}' are oblique to those of '{name}': what you paint falls on "
                "many slices. Press New for a segmentation on the grid of the volume."
            )
            self._show(words.format(name=name, segmentation=painted), False)
        else:
            self._show("", False)

    def exit(self) -> None:
        """Views are somebody else's again."""
        self._entered = False
        self._timer.stop()
        self.removeObservers()

    def forgetScene(self) -> None:
        """The views' nodes may go with the scene."""
        self._timer.stop()
        self.removeObservers()

    def close(self) -> None:
        """Lets go of everything."""
        self.exit()
        self.ui.alignButton.disconnect("clicked(bool)", self._onAlign)

    def _watch(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            if not self.hasObserver(node, vtk.vtkCommand.ModifiedEvent, self._onView):
                self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onView)

    def _onView(self, caller: Any, event: Any) -> None:
        self._timer.start()

    def _show(self, words: str, canAlign: bool) -> None:
        self.ui.alignLabel.text = words
        self.ui.alignLabel.visible = bool(words)
        self.ui.alignButton.visible = canAlign

    def _onAlign(self, checked: bool = False) -> None:
        with self.panel.explained():
            volume, segmentation = self.panel.nodes()
            if volume is not None:
                SliceViews.align(VolumeGrid(volume), segmentation)
