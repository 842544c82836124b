"""How much a volume differs from those that were learnt on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.volume import Volume
from contrastive_seg.patients.pictures import sampled

_PIXEL = 1.8
_SLICE = 2.5
_FIELD = 1.8
_CONTRAST = 4.0


@dataclass(frozen=True)
class Look:
    """What of a volume a network notices.

    Attributes:
        spacing: mm to Superior, Anterior, Right.
        field: Size of the image in mm, likewise.
        low: The intensity below which 1 % of the voxels lie,
        high: above which 1 % lie; None for both where it is not known.
    """

    spacing: tuple[float, float, float]
    field: tuple[float, float, float]
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, volume: Volume) -> Look:
        """Looks at a volume; of a large one at some of its voxels."""
        order = Orientation.of(volume).order
        low, high = np.percentile(sampled(volume.array), (1, 99))
        return cls._in(order, volume.spacing_zyx, volume.shape, float(low), float(high))

    @classmethod
    def stored(cls, case: dict[str, Any]) -> Look:
        """What provenance says of a volume that is not there any more.

        Raises:
            KeyError, TypeError, ValueError: It says nothing.
        """
        spacing, shape = (tuple(case[key]) for key in ("spacing_zyx_mm", "shape_zyx"))
        return cls._in((0, 1, 2), spacing, shape, None, None)

    @classmethod
    def _in(
        cls, order: Sequence[int], spacing: Sequence[float], shape: Sequence[int], *range_: float | None
    ) -> Look:
        turned = tuple(float(spacing[a]) for a in order)
        field = tuple(float(spacing[a]) * int(shape[a]) for a in order)
        return cls(turned, field, *range_)  # type: ignore[arg-type]


def differences(look: Look, learnt: Sequence[Look], axis: int) -> list[str]:
    """Sentences about what differs much; none where nothing does.

    Args:
        look: Of the volume.
        learnt: Of the volumes that were learnt on; none where they are not known.
        axis: Across which the slices lie: 0 axial, 1 coronal, 2 sagittal.
    """
    found: list[str] = []
    if not learnt:
        return found
    nearest = min(learnt, key=lambda one: _distance(look, one, axis))
    within = [a for a in range(3) if a != axis]
    if any(_ratio(look.spacing[a], nearest.spacing[a]) > _PIXEL for a in within) or (
        _ratio(look.spacing[axis], nearest.spacing[axis]) > _SLICE
    ):
        found.append(f"Voxels of {_size(look.spacing)} mm; learnt on {_size(nearest.spacing)} mm.")
    if any(_ratio(look.field[a], nearest.field[a]) > _FIELD for a in within):
        mine, theirs = ([round(one.field[a]) for a in within] for one in (look, nearest))
        found.append(
            f"The slices are {mine[1]} x {mine[0]} mm large; learnt on {theirs[1]} x {theirs[0]} mm."
        )
    if None not in (look.low, look.high, nearest.low, nearest.high):
        mine_, theirs_ = (look.low, look.high), (nearest.low, nearest.high)
        apart = mine_[0] > theirs_[1] or mine_[1] < theirs_[0]  # type: ignore[operator]
        if apart or _ratio(mine_[1] - mine_[0], theirs_[1] - theirs_[0]) > _CONTRAST:  # type: ignore[operator]
            found.append(
                f"Intensities from {mine_[0]:g} to {mine_[1]:g}; learnt on {theirs_[0]:g} to {theirs_[1]:g}."
            )
    return found


def _distance(first: Look, second: Look, axis: int) -> float:
    pairs = [*zip(first.spacing, second.spacing, strict=True), *zip(first.field, second.field, strict=True)]
    return float(sum(np.log(_ratio(a, b)) for a, b in pairs))


def _ratio(first: float, second: float) -> float:
    low, high = sorted((abs(first), abs(second)))
    return high / low if low > 0 else float("inf") if high > 0 else 1.0


def _size(spacing: Sequence[float]) -> str:
    return " x ".join(f"{one:.2g}" for one in reversed(spacing))
