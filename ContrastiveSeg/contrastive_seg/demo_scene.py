"""What the demo's pictures show: a volume and its labels turned, cropped and windowed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.volume import Volume

PLANES = ("axial", "coronal", "sagittal")
"""Anatomical planes, by array axis once the volume is turned to Superior, Anterior, Right."""
_SIDES = (("S", "I"), ("A", "P"), ("R", "L"))
"""By array axis: where a positive and a negative position of a slice lies."""
_AIR = -300.0
_SOFT_TISSUE = (-160.0, 240.0)
_WIDEST = 700.0
"""Hounsfield units."""
_MARGIN_MM = 12.0
_COLUMNS = 5


@dataclass(frozen=True)
class Scene:
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


def make_scene(
    volume: Volume,
    truth: np.ndarray,
    prediction: np.ndarray,
    names: Mapping[int, str],
    axis: int,
    annotated: Sequence[int],
) -> Scene:
    """Turns everything to the common orientation and crops it.

    Args:
        volume: The image.
        truth: Label map of its shape.
        prediction: Label map of its shape.
        names: Names of the label values that are drawn.
        axis: Array axis (z, y, x) of the image that counts the annotated slices.
        annotated: Those slices.
    """
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
    return Scene(
        image,
        true[box],
        predicted[box],
        turned.spacing_zyx,
        _window(image, true[box] > 0),
        (titles[0], titles[1], titles[2]),
        new_axis,
        frozenset(shown),
    )


def _window(image: np.ndarray, structures: np.ndarray) -> tuple[float, float]:
    """Intensities for black and white: soft tissue on CT, nearly the whole range otherwise.

    On CT with contrast agent as much wider as bright structures need.
    """
    lowest, highest = float(image.min()), float(image.max())
    if lowest < _AIR and highest > -_AIR:
        bright = float(np.percentile(image[structures], 90)) if structures.any() else 0.0
        return _SOFT_TISSUE[0], min(max(_SOFT_TISSUE[1], bright), _WIDEST)
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


def shown_slices(scene: Scene, plane: int) -> list[int]:
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
