"""Where a person should look first: the regions of a prediction that are most in doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

DOUBTFUL = 50
"""Percent of uncertainty from which a voxel counts: the two best answers are less than half apart."""

_MOST_BLOCKS = 1_500_000
_REACH = 0.08
_FEWEST_SHARE = 0.05
_EVERYWHERE = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class DoubtfulPlace:
    """A region of connected doubtful voxels.

    Attributes:
        index: Voxel (x, y, z) to look at: the most doubtful of the region.
        value: Label value of the structure it belongs to, 0 where none is near.
        voxels: Number of doubtful voxels.
    """

    index: tuple[int, int, int]
    value: int
    voxels: int


def doubtful_places(
    uncertainty: np.ndarray, labels: np.ndarray, spacing: tuple[float, float, float], most: int = 12
) -> list[DoubtfulPlace]:
    """Regions of high uncertainty, the one with the largest sum first, none beside another.

    The rim of a structure is one long region; it is cut into places of about a twelfth of the size
    of everything that is doubtful, so that each can be looked at in one go.

    Args:
        uncertainty: uint8 (z, y, x), percent; annotated voxels are 0.
        labels: What was predicted, (z, y, x).
        spacing: Of the voxels along (z, y, x), mm.
        most: Number of places at most.

    Returns:
        None where nothing is in doubt.
    """
    box = _box(uncertainty)
    if box is None:
        return []
    inside, painted = uncertainty[box], labels[box]
    factors = _factors(inside.shape, spacing)
    sums, counts = _blocks(inside, factors)
    steps = np.array([f * s for f, s in zip(factors, spacing, strict=True)])
    extent = float(np.linalg.norm(np.array(sums.shape) * steps))
    reach = max(_REACH * extent, 1.5 * float(steps.max()))
    regions, _count = ndimage.label(sums > 0, _EVERYWHERE)
    # a sum over the neighbourhood tells which places weigh most, once for all of them
    width = [max(1, 2 * int(reach / step) + 1) for step in steps]
    weight = ndimage.uniform_filter(sums.astype(np.float32), width, mode="constant")
    weight[sums == 0] = 0
    found: list[tuple[float, DoubtfulPlace]] = []
    while len(found) < most:
        peak = np.unravel_index(int(weight.argmax()), weight.shape)
        if weight[peak] <= 0:
            break
        near = _near(peak, sums.shape, steps, reach)
        region = (regions[near.box] == regions[peak]) & near.within(1.0)
        total = float(sums[near.box][region].sum())
        if found and total < _FEWEST_SHARE * found[0][0]:
            break
        index, value = _describe(inside, painted, near.box, region & (sums[near.box] > 0), factors)
        at = [int(i + part.start) for i, part in zip(index, box, strict=True)]
        number = int(counts[near.box][region].sum())
        found.append((total, DoubtfulPlace((at[2], at[1], at[0]), value, number)))
        wide = _near(peak, sums.shape, steps, 2 * reach)
        weight[wide.box][wide.within(1.0)] = 0
    return [place for _total, place in sorted(found, key=lambda one: -one[0])]


@dataclass(frozen=True)
class _Near:
    """The blocks around one, as a box, and how far each is from it in units of the reach."""

    box: tuple[slice, ...]
    distance: np.ndarray

    def within(self, reaches: float) -> np.ndarray:
        return self.distance <= reaches


def _near(peak: tuple[np.intp, ...], shape: tuple[int, ...], steps: np.ndarray, reach: float) -> _Near:
    box, squares = [], []
    for axis in range(3):
        radius = math.ceil(reach / steps[axis])
        low, high = max(0, int(peak[axis]) - radius), min(shape[axis], int(peak[axis]) + radius + 1)
        box.append(slice(low, high))
        along = (np.arange(low, high) - int(peak[axis])) * steps[axis] / reach
        squares.append((along**2).reshape([-1 if a == axis else 1 for a in range(3)]))
    return _Near(tuple(box), np.sqrt(squares[0] + squares[1] + squares[2]))


def _box(uncertainty: np.ndarray) -> tuple[slice, ...] | None:
    """Bounds of all doubtful voxels; None where there is none."""
    seen: list[np.ndarray] = [np.zeros(n, bool) for n in uncertainty.shape]
    for z, plane in enumerate(uncertainty):  # slice by slice, without a mask of the whole volume
        if int(plane.max(initial=0)) < DOUBTFUL:
            continue
        doubtful = plane >= DOUBTFUL
        seen[0][z] = True
        seen[1] |= doubtful.any(axis=1)
        seen[2] |= doubtful.any(axis=0)
    if not seen[0].any():
        return None
    ends = [np.flatnonzero(one)[[0, -1]] for one in seen]
    return tuple(slice(int(a), int(b) + 1) for a, b in ends)


def _factors(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> tuple[int, ...]:
    """Voxels per block: one where that is not too many, else blocks that are about cubes."""
    factors = [1, 1, 1]
    while math.prod(math.ceil(n / f) for n, f in zip(shape, factors, strict=True)) > _MOST_BLOCKS:
        sizes = [f * s for f, s in zip(factors, spacing, strict=True)]
        factors[sizes.index(min(sizes))] += 1
    return tuple(factors)


def _blocks(inside: np.ndarray, factors: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the doubtful percents, and number of doubtful voxels, of each block."""
    starts = [np.arange(0, n, f) for n, f in zip(inside.shape, factors, strict=True)]
    sums = np.zeros([len(one) for one in starts], np.uint32)
    counts = np.zeros_like(sums)
    for z, plane in enumerate(inside):
        doubtful = plane >= DOUBTFUL
        for target, values in ((sums, np.where(doubtful, plane, 0)), (counts, doubtful)):
            rows = np.add.reduceat(values.astype(np.uint32), starts[1], axis=0)
            target[z // factors[0]] += np.add.reduceat(rows, starts[2], axis=1)
    return sums, counts


def _describe(
    inside: np.ndarray,
    painted: np.ndarray,
    box: tuple[slice, ...],
    region: np.ndarray,
    factors: tuple[int, ...],
) -> tuple[tuple[int, ...], int]:
    """The voxel to look at, and the structure most of the region belongs to."""
    part = tuple(
        slice(one.start * f, min(one.stop * f, n))
        for one, f, n in zip(box, factors, inside.shape, strict=True)
    )
    voxels = region
    for axis, factor in enumerate(factors):
        voxels = voxels.repeat(factor, axis=axis) if factor > 1 else voxels
    percent, nearby = inside[part], painted[part]
    voxels = voxels[tuple(slice(0, n) for n in percent.shape)] & (percent >= DOUBTFUL)
    # the middle of the most doubtful voxels rather than a corner of the region
    middle = [float(one.mean()) for one in np.nonzero(voxels)]
    best = np.argwhere(voxels & (percent >= percent[voxels].max() - 5))
    index = best[int(((best - middle) ** 2).sum(axis=1).argmin())]
    values = nearby[voxels & (nearby > 0)]
    if not values.size:
        values = nearby[nearby > 0]
    value = int(np.bincount(values.astype(np.int64)).argmax()) if values.size else 0
    return tuple(int(i) + one.start for i, one in zip(index, part, strict=True)), value
