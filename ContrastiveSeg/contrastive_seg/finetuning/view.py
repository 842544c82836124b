"""One case seen along one plane, resampled to the network's pixel size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.priors.shape import FAR, signed_distance

MULTIPLE = 16
"""Height and width of what the network sees are multiples of this (four poolings)."""


@dataclass(frozen=True)
class Box:
    """In-plane region of the image, native pixels, end exclusive."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in native pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    def contains(self, other: Box) -> bool:
        """Whether the other one lies within it."""
        rows = self.y0 <= other.y0 and other.y1 <= self.y1
        return rows and self.x0 <= other.x0 and other.x1 <= self.x1


def _round_up(n: int) -> int:
    return max(2 * MULTIPLE, -(-n // MULTIPLE) * MULTIPLE)


class View:
    """Slices of a volume along ``axis`` within ``box``, at ``pixel`` mm.

    Slices are resampled in plane only; their number and position stay those of the image, so that
    a prediction along the slices needs no interpolation between them.

    Args:
        volume: The image.
        normalisation: Of the image.
        axis: Array axis (z, y, x) that counts the slices.
        box: Region of interest in the plane.
        pixel: Pixel size of the network in mm, both directions.
    """

    def __init__(
        self, volume: Volume, normalisation: Normalisation, axis: int, box: Box, pixel: float
    ) -> None:
        self.volume = volume
        self.normalisation = normalisation
        self.axis = axis
        self.box = box
        self.pixel = pixel
        spacing = list(volume.spacing_zyx)
        self.slice_spacing = spacing.pop(axis)
        self.native_pixel = (spacing[0], spacing[1])
        height, width = box.size
        self.inner = (
            max(1, round(height * spacing[0] / pixel)),
            max(1, round(width * spacing[1] / pixel)),
        )
        self.size = (_round_up(self.inner[0]), _round_up(self.inner[1]))
        self._cache: torch.Tensor | None = None

    @property
    def count(self) -> int:
        """Number of slices."""
        return int(self.volume.array.shape[self.axis])

    @property
    def slice_pixels(self) -> float:
        """Distance of neighbouring slices in network pixels."""
        return self.slice_spacing / self.pixel

    def _native(self, array: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Slices begin..end within the box, (n, h, w), without reading the rest of the array."""
        moved = np.moveaxis(array, self.axis, 0)
        return moved[begin:end, self.box.y0 : self.box.y1, self.box.x0 : self.box.x1]

    def _resample(self, planes: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) native to (n, c, H, W) of the network, replicated beyond the box."""
        shrinks = self.inner[0] <= planes.shape[-2] and self.inner[1] <= planes.shape[-1]
        if planes.shape[-2:] != self.inner:
            planes = F.interpolate(planes, self.inner, mode="area" if shrinks else "bilinear")
        pad = (0, self.size[1] - self.inner[1], 0, self.size[0] - self.inner[0])
        return F.pad(planes, pad, mode="replicate")

    def images(self, begin: int = 0, end: int | None = None) -> torch.Tensor:
        """Normalised slices begin..end, (n, H, W) float32; slices outside the volume repeat the
        outermost one."""
        end = self.count if end is None else end
        if self._cache is not None:
            indices = torch.arange(begin, end).clamp(0, self.count - 1)
            return self._cache[indices]
        parts = []
        for start in range(begin, end, 32):
            indices_np = np.clip(np.arange(start, min(start + 32, end)), 0, self.count - 1)
            low = int(indices_np[0])
            native = self._native(self.volume.array, low, int(indices_np[-1]) + 1)
            normalised = self.normalisation.apply(native)
            parts.append(self._resample(torch.from_numpy(normalised)[:, None])[indices_np - low, 0])
        return torch.cat(parts)

    def context(self, indices: Sequence[int]) -> torch.Tensor:
        """Slices with the one below and the one above each, (n, 3, H, W)."""
        low = min(indices) - 1
        if self._cache is None and max(indices) - low > len(indices) + 1:
            return torch.stack([self.images(i - 1, i + 2) for i in indices])
        stack = self.images(low, max(indices) + 2)
        middle = torch.tensor(indices) - low
        return torch.stack([stack[middle - 1], stack[middle], stack[middle + 1]], dim=1)

    def cache(self) -> torch.Tensor:
        """All slices, kept in memory from now on."""
        if self._cache is None:
            self._cache = self.images()
        return self._cache

    def soft_labels(self, labels: np.ndarray, index: int, values: tuple[int, ...]) -> torch.Tensor:
        """Truth of a slice: a share (0..1) by class and, last, the known share, (C+1, H, W)."""
        native = self._native(labels, index, index + 1)[0]
        planes = np.stack([*(native == v for v in values), native > IGNORE]).astype(np.float32)
        soft = self._resample(torch.from_numpy(planes)[None])[0]
        # Padding is not truth.
        soft[-1, self.inner[0] :, :] = 0
        soft[-1, :, self.inner[1] :] = 0
        return soft

    def known_pixels(self, labels: np.ndarray, index: int, values: tuple[int, ...]) -> np.ndarray:
        """Class + 1 of every pixel in which a voxel is known, 0 elsewhere, (H, W) int16.

        Unlike :meth:`soft_labels` it keeps lines that are thinner than a pixel.
        """
        native = self._native(labels, index, index + 1)[0]
        y, x = np.nonzero(native > IGNORE)
        classes = np.zeros(max(*values, int(native.max())) + 1, np.int16)
        classes[list(values)] = np.arange(len(values)) + 1
        found = np.zeros(self.size, np.int16)
        (height, width), (rows, columns) = self.inner, native.shape
        found[y * height // rows, x * width // columns] = classes[native[y, x]]
        return found

    def distances(self, labels: np.ndarray, index: int, values: tuple[int, ...]) -> torch.Tensor:
        """Signed distance by foreground class of an annotated slice, (C-1, H, W), pixels; open is outside."""
        native = self._native(labels, index, index + 1)[0]
        unit = (self.native_pixel[0] / self.pixel, self.native_pixel[1] / self.pixel)
        planes = [signed_distance(native == v, unit) for v in values if v != 0]
        stacked = torch.from_numpy(np.stack(planes))[None].clamp(-FAR, FAR)
        return self._resample(stacked)[0]


def region_of_interest(labels: np.ndarray, axis: int) -> Box:
    """Box around everything painted, with a generous margin: a quarter of it, at least 16 pixels.

    The whole plane when nothing but background is painted.
    """
    plane_shape = [s for a, s in enumerate(labels.shape) if a != axis]
    painted: np.ndarray = np.any(labels > 0, axis=axis)
    if not painted.any():
        return Box(0, plane_shape[0], 0, plane_shape[1])
    bounds = []
    for other, length in ((1, plane_shape[0]), (0, plane_shape[1])):
        found = np.flatnonzero(np.any(painted, axis=other))
        margin = max(16, (int(found[-1]) - int(found[0])) // 4)
        bounds.append((max(0, int(found[0]) - margin), min(length, int(found[-1]) + 1 + margin)))
    return Box(bounds[0][0], bounds[0][1], bounds[1][0], bounds[1][1])


def whole_plane(volume: Volume, axis: int) -> Box:
    """Box of the complete slice."""
    height, width = (s for a, s in enumerate(volume.array.shape) if a != axis)
    return Box(0, height, 0, width)
