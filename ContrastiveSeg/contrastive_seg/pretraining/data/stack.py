"""The slices of one volume, as the network will see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.pretraining.data.volumes import VolumeSource

PLANES: tuple[str, ...] = ("axial", "coronal", "sagittal")
PARTITIONS = 4

_SOMETHING = 0.1
"""A slice has something on it when its values spread more than this share of the volume's spread."""
_TOGETHER = 32
_LONGEST = 8192
"""Pixels along a side of a slice; more come of a pixel size that was mistyped, and fill the memory."""

Positions = Literal["relative", "mm"]


@dataclass(frozen=True)
class StackSettings:
    """How slices are made of a volume.

    Attributes:
        size: Height and width of what the network sees, pixels.
        plane: ``axial``, ``coronal``, ``sagittal``, or None for the plane in which a volume is sharpest.
        pixel: Millimetres; None for the finest at which the whole slice is seen, and never finer
            than the volume.
        positions: What a position is: ``relative``, (i+1)/n of n slices, or ``mm``, the place
            along the slices in the patient's coordinates.
        clip: Percentiles to which a volume is clipped.
        window: Values to which it is clipped instead, for example Hounsfield units.
        replace_nonfinite: Whether voxels that are not numbers are replaced, see
            :func:`~contrastive_seg.data.read.read_volume`.
    """

    size: int
    plane: str | None = None
    pixel: float | None = None
    positions: Positions = "relative"
    clip: tuple[float, float] = (0.5, 99.5)
    window: tuple[float, float] | None = None
    replace_nonfinite: bool = False


@dataclass(frozen=True)
class Stack:
    """Slices of a volume, normalised and resampled.

    Attributes:
        slices: (n, h, w) float16; h and w may be smaller or larger than what the network sees.
        positions: (n,) float64.
        partitions: (n,) int64, 1 to 4.
        kept: Slices that have something on them, ascending.
        plane: Along which it was cut.
        pixel: Millimetres.
    """

    slices: np.ndarray
    positions: np.ndarray
    partitions: np.ndarray
    kept: np.ndarray
    plane: str
    pixel: float


def load_stack(source: VolumeSource, settings: StackSettings, on_note: Callable[[str], None]) -> Stack:
    """Reads a volume and cuts it into slices.

    Raises:
        ContrastiveSegError: What :func:`~contrastive_seg.data.read.read_volume` finds, or
            ``bad-table`` when the wanted slices are not there; ``bad-setting`` for pixels far too small.
    """
    frames = [
        read_volume(path, replace_nonfinite=settings.replace_nonfinite, on_note=on_note)
        for path in source.frames or (source.path,)
    ]
    volume = _clip(source, frames) if source.frames else frames[0]
    orientation = Orientation.of(volume)
    turned = orientation.turn(volume)
    axis = slice_axis(turned, settings.plane)
    count = turned.shape[axis]
    end = count if source.last is None else source.last + 1
    if source.first >= count or end > count:
        raise ContrastiveSegError(
            "bad-table",
            f"'{source.name}' has {count} {PLANES[axis]} slices, but slices {source.first} to "
            f"{end - 1} are wanted.",
            "Slices are counted from 0 along the plane; correct the columns 'first' and 'last'.",
        )
    normalisation = normalisation_of(turned.array, settings.clip, settings.window)
    spacing = [s for a, s in enumerate(turned.spacing_zyx) if a != axis]
    planes = np.moveaxis(turned.array, axis, 0)[source.first : end]
    height, width = planes.shape[1:]
    pixel = settings.pixel
    if pixel is None:
        pixel = max(min(spacing), max(height * spacing[0], width * spacing[1]) / settings.size)
    inner = (max(1, round(height * spacing[0] / pixel)), max(1, round(width * spacing[1] / pixel)))
    if max(inner) > _LONGEST:
        raise ContrastiveSegError(
            "bad-setting",
            f"With pixels of {pixel:g} mm a slice of '{source.name}' has {inner[1]} x {inner[0]} of them.",
            f"Use a larger --pixel; no side may have more than {_LONGEST}.",
        )
    slices = _resampled(planes, normalisation, inner)
    spread = slices.reshape(len(slices), -1).astype(np.float32).std(axis=1)
    if settings.positions == "relative":
        positions = relative_positions(len(slices))
    else:
        positions = _millimetres(volume, orientation, axis)[source.first : end]
    kept = np.flatnonzero(spread > _SOMETHING)
    return Stack(slices, positions, partitions(len(slices)), kept, PLANES[axis], float(pixel))


def relative_positions(count: int) -> np.ndarray:
    """(i+1)/n of n slices, float64."""
    return np.arange(1, count + 1, dtype=np.float64) / max(1, count)


def partitions(count: int) -> np.ndarray:
    """Quarter of the volume in which each slice lies, int64, 1 to 4.

    A quarter has n/4 slices, halves rounded up and at least one; what is left is in the last.
    """
    quarter = max(1, (count + PARTITIONS // 2) // PARTITIONS)
    return np.minimum(np.arange(count) // quarter, PARTITIONS - 1) + 1


def slice_axis(volume: Volume, plane: str | None) -> int:
    """Array axis that counts the slices; a single slice is what it is, whatever plane is asked for."""
    flat = [axis for axis, length in enumerate(volume.shape) if length == 1]
    if len(flat) == 1:
        return flat[0]
    if plane is not None:
        return PLANES.index(plane)
    return max(range(3), key=lambda axis: (round(volume.spacing_zyx[axis], 3), -axis))


def normalisation_of(
    array: np.ndarray, clip: tuple[float, float] | None, window: tuple[float, float] | None
) -> Normalisation:
    """The normalisation of a volume: clipped to a window, to percentiles, or to neither."""
    if window is not None:
        return Normalisation.windowed(array, *window)
    return Normalisation.of(array, *(clip or (0.0, 100.0)))


def _resampled(planes: np.ndarray, normalisation: Normalisation, inner: tuple[int, int]) -> np.ndarray:
    """Normalised slices of the wanted size, some at a time so that a large volume is never float32."""
    height, width = planes.shape[1:]
    shrinks = inner[0] <= height and inner[1] <= width
    result = np.empty((len(planes), *inner), np.float16)
    for begin in range(0, len(planes), _TOGETHER):
        part = torch.from_numpy(normalisation.apply(planes[begin : begin + _TOGETHER]))[:, None]
        if (height, width) != inner:
            part = F.interpolate(part, inner, mode="area" if shrinks else "bilinear")
        # A window far from a volume's mean can give values that float16 does not hold.
        result[begin : begin + _TOGETHER] = part[:, 0].clamp(-1e4, 1e4).numpy()
    return result


def _millimetres(volume: Volume, orientation: Orientation, axis: int) -> np.ndarray:
    """Coordinate of each slice's middle along S, A or R, float64, ascending."""
    source = orientation.order[axis]
    index = (np.array(volume.shape, dtype=float) - 1) / 2
    indices = np.repeat(index[None], volume.shape[source], axis=0)
    indices[:, source] = np.arange(volume.shape[source])
    matrix = np.asarray(volume.ijk_to_ras, dtype=float)
    points = indices[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
    along: np.ndarray = points[:, 2 - axis]
    return along[::-1].copy() if orientation.flipped[axis] else along.copy()


def _clip(source: VolumeSource, frames: list[Volume]) -> Volume:
    """2D images one after the other."""
    for path, frame in zip(source.frames, frames, strict=True):
        if frame.shape[0] != 1 or frame.shape != frames[0].shape:
            raise ContrastiveSegError(
                "unreadable-file",
                f"'{path}' has the size {' x '.join(str(n) for n in reversed(frame.shape))} and cannot be "
                f"a frame of the clip '{source.name}', whose first frame has "
                f"{' x '.join(str(n) for n in reversed(frames[0].shape))}.",
                "Give the clip 2D images of the same size.",
            )
    return Volume(np.concatenate([frame.array for frame in frames]), frames[0].ijk_to_ras, source.name)
