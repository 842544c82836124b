"""The views of a step, drawn so that they depend on seed and step alone, not on who draws them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.settings import GROUP, PretrainSettings
from contrastive_seg.transforms.draws import GroupedGenerator, Randomness
from contrastive_seg.transforms.views import (
    IntensityViews,
    MACLIntensity,
    MoCoViews,
    SimCLRViews,
    SpatialViews,
    UprightViews,
)

Transform = Callable[[torch.Tensor, Randomness], torch.Tensor]
_LISTS: dict[str, Callable[[], Transform]] = {
    "spatial": SpatialViews,
    "simclr": SimCLRViews,
    "moco": MoCoViews,
    "intensity": IntensityViews,
    "upright": UprightViews,
}


class ViewDrawer:
    """Makes the views of one step.

    Slices are drawn in groups with a generator each, so that several processes that share a batch
    draw what one process would.

    Args:
        settings: Which list.
        processes: Who else draws.
        step: Number of the step.
    """

    def __init__(self, settings: PretrainSettings, processes: Processes, step: int) -> None:
        self._transform = _LISTS[settings.views]()
        self._invariant: Transform | None = MACLIntensity() if settings.intensity else None
        self._seed, self._step = settings.seed, step
        self._first = processes.share(settings.batch).start // GROUP
        self._calls = 0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """One view of every image, (B, C, H, W)."""
        return self._draw(images, self._transform)

    def invariant(self, images: torch.Tensor) -> torch.Tensor:
        """One view of every image in which everything stays in its place."""
        return images if self._invariant is None else self._draw(images, self._invariant)

    def _draw(self, images: torch.Tensor, transform: Transform) -> torch.Tensor:
        self._calls += 1
        groups = range(self._first, self._first - (-len(images) // GROUP))
        keys = [_mixed((self._seed, self._step, self._calls, group)) for group in groups]
        generators = [torch.Generator().manual_seed(key) for key in keys]
        return transform(images, GroupedGenerator(generators, GROUP))


def _mixed(numbers: tuple[int, ...]) -> int:
    """A 63-bit seed of several numbers; the same in every process, unlike hash() of a text."""
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = ((value ^ (number + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 31
    return value >> 1
