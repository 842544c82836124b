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
import vtk

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Resources" / "Screenshots"
WINDOW = (1440, 900)
COLORS = [(0.9, 0.63, 0.24), (0.31, 0.64, 0.88), (0.85, 0.33, 0.31), (0.61, 0.44, 0.82), (0.36, 0.72, 0.36),
          (0.27, 0.78, 0.75)]  # fmt: skip
CENTER = (16.0, 0.0, 8.0)
"""MNI millimetres, through the deep structures."""
SLICES = 5
FIELD = 150.0
"""Millimetres from the left to the right of a slice view."""


def main() -> None:
    """Draws them all."""
    slicer.util.selectModule("ContrastiveSeg")
    slicer.util.mainWindow().resize(*WINDOW)
    slicer.util.findChild(slicer.util.mainWindow(), "PanelDockWidget").setMinimumWidth(430)
    widget = slicer.util.getModuleWidget("ContrastiveSeg")
    volume, segmentation, middle = _scene()
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


def _scene() -> tuple[Any, Any, float]:
    """The brain with five painted coronal slices, an empty one beyond each end; where the middle one is."""
    from contrastive_seg import demo_data
    from contrastive_seg.data.read import read_volume
    from ContrastiveSegLib.AnnotationLogic import AnnotationLogic

    root = demo_data._package_folder()
    image = read_volume(root / demo_data._TEMPLATE)
    truth = demo_data._structures(root / demo_data._ATLAS, root / demo_data._TEMPLATE)
    volume = slicer.util.addVolumeFromArray(np.ascontiguousarray(image.array), name="MNI152 T1")
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(image.ijk_to_ras, float).ravel())
    volume.SetIJKToRASMatrix(matrix)
    volume.CreateDefaultDisplayNodes()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Deep structures")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    extent = np.flatnonzero((truth > 0).any(axis=(0, 2)))
    inside = np.linspace(extent[0], extent[-1], SLICES + 2).round().astype(int)[1:-1]
    for (value, name), color in zip(demo_data.STRUCTURES.items(), COLORS, strict=True):
        kept = np.zeros(truth.shape, np.uint8)
        kept[:, inside] = truth[:, inside] == value
        segmentation.GetSegmentation().AddEmptySegment(name, name, color)
        slicer.util.updateSegmentBinaryLabelmapFromArray(kept, segmentation, name, volume)
    for index in (extent[0] - 1, extent[-1] + 1):
        AnnotationLogic.setEmpty(segmentation, (1, int(index)))
    middle = matrix.MultiplyPoint((0.0, float(inside[SLICES // 2]), 0.0, 1.0))[1]
    return volume, segmentation, float(middle)


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
