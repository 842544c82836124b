"""Overlay pictures of the demo: grey image, the truth's outline, the prediction as a fill.

Radiological convention: the patient's right is on the left of the picture, anterior is up on axial
slices and on the left of sagittal ones. Distances are true: a pixel of the picture is as many mm
high as wide.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrastive_seg.atomic import make_folder, replacing
from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.volume import Volume

PLANES = ("axial", "coronal", "sagittal")
"""Anatomical planes, by array axis once the volume is turned to Superior, Anterior, Right."""
_LETTERS = {"axial": tuple("RLAP"), "coronal": tuple("RLSI"), "sagittal": tuple("APSI")}
"""What is at the left, right, top and bottom of a picture."""
_SIDES = (("S", "I"), ("A", "P"), ("R", "L"))
"""By array axis: where a positive and a negative position of a slice lies."""
_COLOURS = ("#e41a1c", "#4daf4a", "#ff9f1c", "#b15be0", "#1fa8e0", "#ffe119", "#f781bf", "#a6761d")
_AIR = -300.0
_SOFT_TISSUE = (-160.0, 240.0)
"""Hounsfield units."""
_MARGIN_MM = 12.0
_COLUMNS = 5
_FILL = 0.5
_FINE = 4
_CELL = 2.8
"""Longer side of a slice in inches."""
_GAP, _TITLE_LINE, _LEGEND_ROW = 0.06, 0.2, 0.2
_LEGEND_COLUMN = 1.75
_DPI = 120
_LEGEND_ENTRIES = 22


@dataclass(frozen=True)
class _Scene:
    """Everything in the common orientation, cropped to what is to be seen.

    Attributes:
        window: Intensities shown as black and as white.
        titles: By array axis and slice, its number in the file and its place in the patient.
        axis: Array axis that counts the annotated slices.
        annotated: Those slices, as indices of the cropped arrays.
    """

    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    spacing: tuple[float, float, float]
    window: tuple[float, float]
    titles: tuple[list[str], list[str], list[str]]
    axis: int
    annotated: frozenset[int]

    def cut(self, array: np.ndarray, plane: int, index: int) -> np.ndarray:
        """A slice the way round it is shown."""
        flat: np.ndarray = np.take(array, index, axis=plane)[::-1, ::-1]
        return flat

    def size_mm(self, plane: int) -> tuple[float, float]:
        """Height and width of a slice."""
        rows, columns = (a for a in range(3) if a != plane)
        shape = self.image.shape
        return shape[rows] * self.spacing[rows], shape[columns] * self.spacing[columns]


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_overlays(
    volume: Volume,
    truth: np.ndarray,
    prediction: np.ndarray,
    names: Mapping[int, str],
    axis: int,
    annotated: Sequence[int],
    folder: Path,
) -> list[Path]:
    """Writes ``overlay-axial.png``, ``overlay-coronal.png`` and ``overlay-sagittal.png``.

    Args:
        volume: The image.
        truth: Label map of its shape.
        prediction: Label map of its shape.
        names: Names of the label values that are drawn.
        axis: Array axis (z, y, x) of the image that counts the annotated slices.
        annotated: Those slices.
        folder: Where to write.

    Returns:
        The files, in the order of :data:`PLANES`.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    make_folder(folder)
    scene = _scene(volume, truth, prediction, names, axis, annotated)
    return [
        _draw(scene, number, names, folder / f"overlay-{plane}.png") for number, plane in enumerate(PLANES)
    ]


def _scene(
    volume: Volume,
    truth: np.ndarray,
    prediction: np.ndarray,
    names: Mapping[int, str],
    axis: int,
    annotated: Sequence[int],
) -> _Scene:
    orientation = Orientation.of(volume)
    turned = orientation.turn(volume)
    known = list(names)
    true, predicted = (orientation.apply(np.where(np.isin(a, known), a, 0)) for a in (truth, prediction))
    box = _box((true > 0) | (predicted > 0), turned.spacing_zyx)
    image = np.asarray(turned.array[box], dtype=np.float32)
    titles: list[list[str]] = [[], [], []]
    shown = set()
    new_axis = orientation.order.index(axis)
    for new, part in enumerate(box):
        for i in range(part.start, part.stop):
            number = turned.shape[new] - 1 - i if orientation.flipped[new] else i
            position = _position(volume, orientation.order[new], number, 2 - new)
            side = _SIDES[new][position < 0]
            titles[new].append(f"{PLANES[new]} {number}, {side} {abs(position):.0f} mm")
            if new == new_axis and number in annotated:
                shown.add(i - part.start)
    return _Scene(
        image,
        true[box],
        predicted[box],
        turned.spacing_zyx,
        _window(image),
        (titles[0], titles[1], titles[2]),
        new_axis,
        frozenset(shown),
    )


def _window(image: np.ndarray) -> tuple[float, float]:
    """Intensities for black and white: soft tissue on CT, nearly the whole range otherwise."""
    lowest, highest = float(image.min()), float(image.max())
    if lowest < _AIR and highest > -_AIR:
        return _SOFT_TISSUE
    inside = image[image > lowest]  # without the black around a head or a body
    low, high = np.percentile(inside, (1, 99.5)) if inside.size else (0.0, 0.0)
    if not high > low:  # few values, as in a mask
        return lowest, max(highest, lowest + 1e-6)
    return float(low), float(high)


def _position(volume: Volume, axis: int, number: int, world: int) -> float:
    """Millimetres along a world axis (R, A, S) of the middle of a slice."""
    middle = [(n - 1) / 2 for n in volume.shape]
    middle[axis] = number
    place = np.asarray(volume.ijk_to_ras, dtype=float) @ np.array([*reversed(middle), 1.0])
    return float(place[world])


def _box(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    parts = []
    for axis, size in enumerate(spacing):
        where = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(where):
            parts.append(slice(0, mask.shape[axis]))
            continue
        margin = max(1, round(_MARGIN_MM / size))
        parts.append(
            slice(max(0, int(where[0]) - margin), min(mask.shape[axis], int(where[-1]) + 1 + margin))
        )
    return parts[0], parts[1], parts[2]


def _chosen(scene: _Scene, plane: int) -> list[int]:
    """Slices to show: across the annotated plane evenly, along it in the gaps and one annotated."""
    shown = np.flatnonzero((scene.truth > 0).any(axis=tuple(a for a in range(3) if a != plane)))
    if not len(shown):
        return [scene.truth.shape[plane] // 2]
    even = np.linspace(shown[0], shown[-1], _COLUMNS + 2)[1:-1].round().astype(int)
    if plane != scene.axis:
        return sorted({int(i) for i in even})
    annotated = sorted(i for i in scene.annotated if shown[0] <= i <= shown[-1])
    edges = [int(shown[0]), *annotated, int(shown[-1])]
    middles = [(a + b) // 2 for a, b in itertools.pairwise(edges) if b - a > 1]
    picked = {middles[round(i)] for i in np.linspace(0, len(middles) - 1, _COLUMNS - 1)} if middles else set()
    return sorted({*picked, *annotated[len(annotated) // 2 :][:1]})


def _draw(scene: _Scene, plane: int, names: Mapping[int, str], path: Path) -> Path:
    """A row of bare images above the same slices with the overlay."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    slices = _chosen(scene, plane)
    height, width = scene.size_mm(plane)
    scale = _CELL / max(height, width)
    cell = (width * scale, height * scale)
    colours = {value: _COLOURS[n % len(_COLOURS)] for n, value in enumerate(names)}
    handles = _legend({names[value]: colour for value, colour in colours.items()})
    width = max(len(slices) * (cell[0] + _GAP) + _GAP, 2 * _LEGEND_COLUMN)
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
        x, y = _GAP + column * (cell[0] + _GAP), below + (1 - row) * (cell[1] + _GAP)
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


def _draw_image(axes: Any, scene: _Scene, plane: int, index: int) -> None:
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


def _draw_labels(axes: Any, scene: _Scene, plane: int, index: int, colours: Mapping[int, str]) -> None:
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
