"""Overlay pictures of the demo: grey image, the truth's outline, the prediction as a fill.

Radiological convention: the patient's right is on the left of the picture, anterior is up on axial
slices and on the left of sagittal ones. Distances are true: a pixel of the picture is as many mm
high as wide.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contrastive_seg.atomic import make_folder, replacing
from contrastive_seg.demo_scene import PLANES, Scene, shown_slices

_LETTERS = {"axial": tuple("RLAP"), "coronal": tuple("RLSI"), "sagittal": tuple("APSI")}
"""What is at the left, right, top and bottom of a picture."""
_COLOURS = ("#e41a1c", "#4daf4a", "#ff9f1c", "#b15be0", "#1fa8e0", "#ffe119", "#f781bf", "#a6761d")
_FILL = 0.5
_FINE = 4
_CELL = 2.8
"""Longer side of a slice in inches."""
_GAP, _TITLE_LINE, _LEGEND_ROW = 0.06, 0.2, 0.2
_LEGEND_COLUMN = 1.75
_TITLE_WIDTH = 1.6
_DPI = 120
_LEGEND_ENTRIES = 22


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_overlays(scene: Scene, names: Mapping[int, str], folder: Path) -> list[Path]:
    """Writes ``overlay-axial.png``, ``overlay-coronal.png`` and ``overlay-sagittal.png``.

    Args:
        scene: What is drawn, of :func:`~contrastive_seg.demo_scene.make_scene`.
        names: Names of the label values that are drawn.
        folder: Where to write.

    Returns:
        The files, in the order of :data:`PLANES`.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    make_folder(folder)
    return [
        _draw(scene, number, names, folder / f"overlay-{plane}.png") for number, plane in enumerate(PLANES)
    ]


def _draw(scene: Scene, plane: int, names: Mapping[int, str], path: Path) -> Path:
    """A row of bare images above the same slices with the overlay."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    slices = shown_slices(scene, plane)
    height, width = scene.size_mm(plane)
    scale = _CELL / max(height, width)
    cell = (width * scale, height * scale)
    colours = {value: _COLOURS[n % len(_COLOURS)] for n, value in enumerate(names)}
    handles = _legend({names[value]: colour for value, colour in colours.items()})
    pitch = max(cell[0], _TITLE_WIDTH) + _GAP
    width = max(len(slices) * pitch + _GAP, 2 * _LEGEND_COLUMN)
    per_row = max(1, min(len(handles), int(width / _LEGEND_COLUMN)))
    rows = math.ceil(len(handles) / per_row)
    per_row = math.ceil(len(handles) / rows)
    below = (rows + 1) * _LEGEND_ROW
    above = _TITLE_LINE * (2.5 if plane == scene.axis else 1.5)
    total = (width, 2 * (cell[1] + _GAP) + above + below)
    figure = Figure(figsize=total, facecolor="black")
    FigureCanvasAgg(figure)
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=per_row,
        fontsize=9,
        frameon=False,
        labelcolor="white",
        borderaxespad=0.2,
    )

    def place(row: int, column: int) -> Any:
        """Axes for a slice, in inches from the lower left corner."""
        x, y = (pitch - cell[0] + _GAP) / 2 + column * pitch, below + (1 - row) * (cell[1] + _GAP)
        box = (x / total[0], y / total[1], cell[0] / total[0], cell[1] / total[1])
        return figure.add_axes(box)

    for column, index in enumerate(slices):
        bare, overlay = place(0, column), place(1, column)
        for axes in (bare, overlay):
            _draw_image(axes, scene, plane, index)
        title = scene.titles[plane][index]
        if plane == scene.axis:
            title += "\nannotated" if index in scene.annotated else "\nnot annotated"
        bare.set_title(title, color="white", fontsize=10)
        _draw_labels(overlay, scene, plane, index, colours)
    with replacing(path, durable=False) as part:
        figure.savefig(part, dpi=_DPI, facecolor="black")
    return path


def _draw_image(axes: Any, scene: Scene, plane: int, index: int) -> None:
    from matplotlib.patheffects import withStroke

    height, width = scene.size_mm(plane)
    axes.imshow(
        scene.cut(scene.image, plane, index),
        cmap="gray",
        vmin=scene.window[0],
        vmax=scene.window[1],
        extent=(0.0, width, height, 0.0),
        interpolation="bilinear",
    )
    axes.set_axis_off()
    left, right, top, bottom = _LETTERS[PLANES[plane]]
    for letter, x, y in ((left, 0.04, 0.5), (right, 0.96, 0.5), (top, 0.5, 0.95), (bottom, 0.5, 0.05)):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color="#ffd24a",
            fontsize=9,
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=2, foreground="black")],
        )


def _draw_labels(axes: Any, scene: Scene, plane: int, index: int, colours: Mapping[int, str]) -> None:
    from matplotlib.colors import to_rgb

    height, width = scene.size_mm(plane)
    prediction = scene.cut(scene.prediction, plane, index)
    truth = scene.cut(scene.truth, plane, index)
    fill = np.zeros((*prediction.shape, 4))
    for value, colour in colours.items():
        fill[prediction == value] = (*to_rgb(colour), _FILL)
    axes.imshow(fill, extent=(0.0, width, height, 0.0), interpolation="nearest")
    rows, columns = truth.shape
    # Each voxel several times, so that the outline follows the voxels' edges.
    fine = np.kron(truth, np.ones((_FINE, _FINE), truth.dtype))
    y = (np.arange(rows * _FINE) + 0.5) * height / (rows * _FINE)
    x = (np.arange(columns * _FINE) + 0.5) * width / (columns * _FINE)
    for value, colour in colours.items():
        mask = fine == value
        if mask.any() and min(mask.shape) > 1:
            axes.contour(x, y, mask.astype(float), [0.5], colors=[colour], linewidths=1.1)


def _legend(colours: Mapping[str, str]) -> list[Any]:
    """What the colours, the line and the fill mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = list(colours.items())[:_LEGEND_ENTRIES]
    handles: list[Any] = [Patch(facecolor=colour, label=name) for name, colour in shown]
    if more := len(colours) - len(shown):
        handles.append(Patch(alpha=0.0, label=f"and {more} more"))
    handles.append(Line2D([], [], color="white", linewidth=1.1, label="line: truth"))
    handles.append(Patch(facecolor="white", alpha=_FILL, label="fill: prediction"))
    return handles
