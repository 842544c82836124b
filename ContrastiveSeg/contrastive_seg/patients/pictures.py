"""Slices of an image with the outlines of what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import PLANES
from contrastive_seg.data.volume import Volume

Colour = tuple[float, float, float]

PALETTE: tuple[Colour, ...] = (
    (0.90, 0.63, 0.24), (0.31, 0.64, 0.88), (0.85, 0.33, 0.31), (0.36, 0.72, 0.36), (0.61, 0.44, 0.82),
    (0.27, 0.78, 0.75), (0.93, 0.84, 0.35), (0.91, 0.49, 0.68),
)  # fmt: skip
"""Colours of structures that have none of their own."""

_LETTERS = ("IS", "PA", "LR")  # below and above zero, across the slices of each plane
_SHOWN = (0.2, 0.5, 0.8)  # of what was found lies below, within and above the three slices
_MARGIN = 0.6
_LEAST_SHARE = 0.35
_SAMPLED = 200_000


@dataclass(frozen=True)
class Picture:
    """A slice as it is shown.

    Attributes:
        pixels: uint8 (rows, columns, 3).
        caption: Plane and position, such as ``axial, S 35.0 mm``.
    """

    pixels: np.ndarray
    caption: str


class CasePictures:
    """Draws slices of one case, seen as radiologists see them: the patient's right on the left.

    Args:
        volume: The image.
        labels: Label values (z, y, x) on its grid.
        axis: Plane of the slices in the common orientation: 0 axial, 1 coronal, 2 sagittal.
        colours: By label value.
    """

    def __init__(self, volume: Volume, labels: np.ndarray, axis: int, colours: Mapping[int, Colour]) -> None:
        self._volume, self._axis, self._colours = volume, axis, colours
        self._orientation = Orientation.of(volume)
        self._image = np.moveaxis(self._orientation.apply(volume.array), axis, 0)
        self._labels = np.moveaxis(self._orientation.apply(labels), axis, 0)
        spacing = [volume.spacing_zyx[a] for a in self._orientation.order]
        self._pixel = tuple(s for a, s in enumerate(spacing) if a != axis)
        self._counts = np.array([int(np.count_nonzero(one)) for one in self._labels])
        self._window = _window(volume.array)

    def slices(self) -> list[int]:
        """Three slices through what was found, different ones where there are as many."""
        found = np.flatnonzero(self._counts)
        if not len(found):
            return sorted({round(share * (len(self._counts) - 1)) for share in (0.25, 0.5, 0.75)})
        share = np.cumsum(self._counts) / self._counts.sum()
        chosen = {int(np.searchsorted(share, part)) for part in _SHOWN}
        for index in (*found[:1], *found[-1:]):  # of a structure on few slices, its ends too
            if len(chosen) < min(len(_SHOWN), len(found)):
                chosen.add(int(index))
        return sorted(chosen)

    def middle(self) -> int:
        """The slice with half of what was found on either side."""
        if not self._counts.any():
            return len(self._counts) // 2
        return int(np.searchsorted(np.cumsum(self._counts), self._counts.sum() / 2))

    def draw(self, index: int, size: int, line: int = 1) -> Picture:
        """A slice with outlines, cut to what was found with room around it.

        Args:
            index: Of the slice, in the common orientation.
            size: Pixels of the longer side.
            line: Width of the outlines in pixels.
        """
        rows, columns = self._region()
        image = np.asarray(self._image[index, rows, columns])[::-1, ::-1].astype(np.float32)
        labels = np.asarray(self._labels[index, rows, columns])[::-1, ::-1]
        high, wide = image.shape[0] * self._pixel[0], image.shape[1] * self._pixel[1]
        scale = size / max(high, wide)
        shape = (max(1, round(high * scale)), max(1, round(wide * scale)))
        low, top = self._window
        grey = np.clip((_bilinear(image, shape) - low) / max(top - low, 1e-6), 0, 1)
        pixels = np.repeat((255 * grey)[..., np.newaxis], 3, axis=2)
        fine = _nearest(labels, shape)
        for value in np.unique(fine[fine > 0]):
            colour = self._colours.get(int(value), PALETTE[(int(value) - 1) % len(PALETTE)])
            pixels[_outline(fine == value, line)] = 255 * np.array(colour)
        return Picture(pixels.round().astype(np.uint8), self._caption(index))

    def _region(self) -> tuple[slice, slice]:
        """Rows and columns that are shown, the same for all slices of the case."""
        flat = np.zeros(self._labels.shape[1:], bool)
        for part in self._labels:
            flat |= part > 0
        found = []
        for axis in range(2):
            count: int = flat.shape[axis]
            inside = np.flatnonzero(flat.any(axis=1 - axis))
            if not len(inside):
                return slice(None), slice(None)
            length = int(inside[-1]) + 1 - int(inside[0])
            wanted = max(length * (1 + 2 * _MARGIN), _LEAST_SHARE * count, 16)
            begin = (int(inside[0]) + int(inside[-1]) + 1 - wanted) / 2
            begin = min(max(0.0, begin), max(0.0, count - wanted))
            found.append(slice(int(begin), min(count, int(np.ceil(begin + wanted)))))
        return found[0], found[1]

    def _caption(self, index: int) -> str:
        place = [0.0, 0.0, 0.0, 1.0]  # i, j, k
        for new, old in enumerate(self._orientation.order):
            count = self._volume.array.shape[old]
            at = index if new == self._axis else (count - 1) / 2
            place[2 - old] = count - 1 - at if self._orientation.flipped[new] else at
        ras = np.asarray(self._volume.ijk_to_ras, dtype=float) @ np.array(place)
        position = float(ras[2 - self._axis])
        letter = _LETTERS[self._axis][int(position >= 0)]
        return f"{PLANES[self._axis]}, {letter} {abs(position):.1f} mm"


def _window(array: np.ndarray) -> tuple[float, float]:
    """The grey values that are shown as black and as white."""
    low, high = np.percentile(sampled(array), (0.5, 99.5))
    return float(low), float(high)


def sampled(array: np.ndarray) -> np.ndarray:
    """Some voxels from all over the image, float32; all of a small one."""
    step = max(1, int(np.ceil((array.size / _SAMPLED) ** (1 / 3))))
    flat = array[:: min(step, array.shape[0]), ::step, ::step]
    return np.asarray(flat, np.float32).ravel()


def _bilinear(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    for axis, count in enumerate(shape):
        have: int = image.shape[axis]
        at = np.clip((np.arange(count) + 0.5) * have / count - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        weight = (at - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        high = np.minimum(low + 1, have - 1)
        image = np.asarray(image.take(low, axis) * (1 - weight) + image.take(high, axis) * weight)
    return image


def _nearest(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = ((np.arange(n) * have // n) for n, have in zip(shape, labels.shape, strict=True))
    return labels[np.ix_(rows, columns)]


def _outline(mask: np.ndarray, line: int) -> np.ndarray:
    """The inner border of a mask, so many pixels wide."""
    inner = mask
    for _ in range(line):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: np.ndarray = mask & ~inner
    return edge
