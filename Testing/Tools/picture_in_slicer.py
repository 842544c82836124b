"""Draws the pictures of 3D Slicer itself: its main window with the panel, before and after learning.

    Slicer --no-splash --ignore-slicerrc --additional-module-path ContrastiveSeg \
        --python-script Testing/Tools/picture_in_slicer.py

Slicer's Python needs what the panel installs, and the packages of the demo (``pip install ".[demo]"``). Five
coronal slices of the MNI152 brain play the painting, as in render_pictures.py. Writes ``slicer_*.png`` into
Resources/Screenshots and ends Slicer.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
import slicer.util

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / one) for one in ("Testing/Python", "Testing/Tools")]

from painted_brain import CENTER, painted_brain  # noqa: E402

from ContrastiveSegLib.VolumeGrid import VolumeGrid  # noqa: E402

FOLDER = ROOT / "Resources" / "Screenshots"
WINDOW = (1440, 900)
FIELD = 150.0
"""Millimetres from the left to the right of a slice view."""


def main() -> None:
    """Draws them all."""
    slicer.util.selectModule("ContrastiveSeg")
    slicer.util.mainWindow().resize(*WINDOW)
    slicer.util.findChild(slicer.util.mainWindow(), "PanelDockWidget").setMinimumWidth(430)
    widget = slicer.util.getModuleWidget("ContrastiveSeg")
    volume, segmentation, index = painted_brain()
    middle = float((VolumeGrid(volume).ijkToWorld() @ np.array([0.0, index, 0.0, 1.0]))[1])
    parameters = widget.logic.getParameterNode()
    parameters.volume, parameters.segmentation = volume, segmentation
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    _aim(middle)
    slicer.util.setDataProbeVisible(False)
    _wait(lambda: widget.ui.startButton.enabled, 60)
    _grab("slicer_painted")
    widget.ui.startButton.click()
    machine = widget.panel.learning.machine
    _wait(lambda: machine.state.isBusy, 10)
    _wait(lambda: not machine.state.isBusy, 600)
    segmentation.GetDisplayNode().SetVisibility(False)  # what was painted lies within
    widget.ui.show3DCheckBox.checked = True
    _wait(lambda: False, 5)
    slicer.util.resetThreeDViews()
    for _time in range(4):
        slicer.app.layoutManager().threeDWidget(0).threeDView().zoomIn()
    _aim(middle + 4)  # a slice that nobody painted
    _show(widget.ui.resultCollapsibleButton)
    _grab("slicer_found")
    widget.ui.curveButton.click()
    _wait(lambda: False, 3)
    _show(widget.ui.learningCollapsibleButton)
    _grab("slicer_curve")


def _aim(along: float) -> None:
    for name in slicer.app.layoutManager().sliceViewNames():
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        right = CENTER[0] if node.GetOrientation() == "Sagittal" else 0.0
        x, y, z = node.GetFieldOfView()
        if x > FIELD:
            node.SetFieldOfView(FIELD, FIELD * y / x, z)
        node.JumpSliceByCentering(right, along, CENTER[2])


def _show(section: Any) -> None:
    """Scrolls the panel to a section."""
    area = slicer.util.findChild(slicer.util.mainWindow(), "ScrollArea")
    _wait(lambda: False, 0.5)
    area.verticalScrollBar().setValue(section.mapTo(area.widget(), qt.QPoint(0, 0)).y())


def _grab(name: str) -> None:
    _wait(lambda: False, 2)
    slicer.util.forceRenderAllViews()
    FOLDER.mkdir(parents=True, exist_ok=True)
    slicer.util.mainWindow().grab().save(str(FOLDER / f"{name}.png"))


def _wait(done: Callable[[], bool], seconds: float) -> None:
    clock = qt.QElapsedTimer()
    clock.start()
    while not done() and clock.elapsed() < 1000 * seconds:
        slicer.app.processEvents()
        time.sleep(0.02)  # or Slicer would take from the worker what it needs


status = 1
try:
    main()
    status = 0
except Exception:
    traceback.print_exc()
sys.stdout.flush()
slicer.util.exit(status)
