"""What a volume offers by itself: annotated slices propagated to their neighbours.

Between two annotated slices the signed distances of both are carried along the anatomy, by
composing the registrations of neighbouring slices, and blended by distance. Where the image gives
nothing to follow this is shape interpolation, with round ends instead of pointed ones; where it does,
the contour follows the image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from contrastive_seg.priors.registration import gaussian_smooth, register_pairs, warp
from contrastive_seg.priors.shape import FAR, round_profile, vanishing_distance

REACH = 24
"""Slices beyond the first and last annotated one that the prior still speaks about."""

_CHUNK_PIXELS = 600_000


@dataclass
class SlicePrior:
    """What the annotated slices say about one slice.

    Attributes:
        distance: Signed distance in pixels by foreground class, (C-1, H, W).
        disagreement: |from below - from above| in pixels, largest over classes, (H, W).
        gap: Distance to the nearest annotated slice, in pixels.
    """

    distance: torch.Tensor
    disagreement: torch.Tensor
    gap: float


@dataclass
class Ends:
    """What the outermost annotated slices say about everything beyond them.

    A structure that is absent from the outermost annotated slice has ended before it.

    Attributes:
        first: Lowest annotated slice.
        last: Highest annotated slice.
        absent_below: By foreground class, whether it is absent from ``first``, (C-1,) bool.
        absent_above: Likewise for ``last``.
    """

    first: int
    last: int
    absent_below: torch.Tensor
    absent_above: torch.Tensor

    def absent(self, index: int) -> torch.Tensor:
        """Classes that cannot be on a slice, (C-1,) bool; none between the ends."""
        if index < self.first:
            return self.absent_below
        if index > self.last:
            return self.absent_above
        return torch.zeros_like(self.absent_below)


class Propagator:
    """Propagates annotated slices through a stack.

    Args:
        stack: Images (n, H, W), about zero mean and unit deviation.
        annotated: Signed distances (C-1, H, W) in pixels by index of annotated slice.
        slice_pixels: Distance of neighbouring slices, in pixels.
        should_stop: Asked between chunks; True ends the registration early (identity from there).
        previous: Of an earlier round on the same stack; its registrations are taken over where they
            reach far enough.
    """

    def __init__(
        self,
        stack: torch.Tensor,
        annotated: dict[int, torch.Tensor],
        slice_pixels: float = 1.0,
        should_stop: Callable[[], bool] = lambda: False,
        previous: Propagator | None = None,
    ) -> None:
        self.slice_pixels = slice_pixels
        self.size = stack.shape[-2:]
        self.count = stack.shape[0]
        self.annotated = annotated
        self._depths = {i: one.flatten(1).amax(dim=1).clamp(min=0) for i, one in annotated.items()}
        self.first = max(0, min(annotated) - REACH)
        self.last = min(self.count - 1, max(annotated) + REACH)
        self.complete = True
        self.down: torch.Tensor
        self.up: torch.Tensor
        if previous is not None and previous.covers(stack, self.first, self.last):
            self.first, self.last = previous.first, previous.last
            self.down, self.up = previous.down, previous.up
        else:
            self.down, self.up = self._register(stack, should_stop)

    def covers(self, stack: torch.Tensor, first: int, last: int) -> bool:
        """Whether its registrations serve for slices first..last of a stack."""
        same = self.count == stack.shape[0] and self.size == stack.shape[-2:]
        return self.complete and same and self.first <= first and last <= self.last

    @property
    def ends(self) -> Ends:
        """What is said about the slices out of reach."""
        first, last = min(self.annotated), max(self.annotated)
        return Ends(first, last, self._depths[first] <= 0, self._depths[last] <= 0)

    def _register(
        self, stack: torch.Tensor, should_stop: Callable[[], bool]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Displacements from each slice to the one below (index - 1) and to the one above."""
        part = stack[self.first : self.last + 1].float()[:, None]
        # Only edges matter: two units over the central intensity range suit the demons force.
        part = gaussian_smooth(part.clamp(-3, 3), 0.7) / 2
        down = torch.zeros(part.shape[0], 2, *self.size, device=part.device)
        up = torch.zeros_like(down)
        pixels = self.size[0] * self.size[1]
        chunk = max(1, _CHUNK_PIXELS // pixels)
        for start in range(1, part.shape[0], chunk):
            if should_stop():
                self.complete = False
                break
            stop = min(start + chunk, part.shape[0])
            above, below = part[start:stop], part[start - 1 : stop - 1]
            down[start:stop] = self._pairs(above, below)
            up[start - 1 : stop - 1] = self._pairs(below, above)
        return down, up

    def _pairs(self, fixed: torch.Tensor, moving: torch.Tensor) -> torch.Tensor:
        if min(self.size) < 8:
            return torch.zeros(fixed.shape[0], 2, *self.size, device=fixed.device)
        return register_pairs(fixed, moving)

    def _distances(self, indices: Sequence[int]) -> dict[int, torch.Tensor]:
        """Distances by annotated slice, classes absent from it replaced by a vanishing shape."""
        result: dict[int, torch.Tensor] = {}
        for position, index in enumerate(indices):
            own = self.annotated[index]
            planes = []
            for c in range(own.shape[0]):
                if float(self._depths[index][c]) > 0:
                    planes.append(own[c])
                    continue
                beside = [
                    self.annotated[indices[p]][c].cpu().numpy()
                    for p in (position - 1, position + 1)
                    if 0 <= p < len(indices)
                ]
                shape = (int(self.size[0]), int(self.size[1]))
                planes.append(torch.from_numpy(vanishing_distance(beside, shape)).to(own.device))
            result[index] = torch.stack(planes)
        return result

    def _carry(self, distance: torch.Tensor, start: int, stop: int) -> dict[int, torch.Tensor]:
        """``distance`` of slice ``start`` carried slice by slice to ``stop`` (exclusive of start)."""
        step = 1 if stop > start else -1
        fields = self.down if step > 0 else self.up
        total = torch.zeros(1, 2, *self.size, device=distance.device)
        carried: dict[int, torch.Tensor] = {start: distance}
        for index in range(start + step, stop + step, step):
            field = fields[index - self.first][None]
            total = field + warp(total, field)
            carried[index] = warp(distance[None], total)[0]
        return carried

    def propagate(
        self, leave_out: Sequence[int] = (), only: Sequence[int] | None = None
    ) -> dict[int, SlicePrior]:
        """Priors by slice index.

        Args:
            leave_out: Annotated slices to pretend unknown.
            only: The slices that are wanted; None for all slices in reach.

        Returns:
            Empty when no annotated slice is left.
        """
        indices = sorted(set(self.annotated) - set(leave_out))
        if not indices:
            return {}
        distances = self._distances(indices)
        wanted = range(self.first, self.last + 1) if only is None else only
        result: dict[int, SlicePrior] = {}
        bounds = [None, *indices, None]
        for low, high in itertools.pairwise(bounds):
            begin = self.first if low is None else low
            end = self.last if high is None else high
            inside = [i for i in wanted if begin <= i <= end and i not in result]
            if not inside:
                continue
            below = self._carry(distances[low], low, max(inside)) if low is not None else None
            above = self._carry(distances[high], high, min(inside)) if high is not None else None
            for index in inside:
                result[index] = self._blend(index, low, high, below, above)
        return result

    def _blend(
        self,
        index: int,
        low: int | None,
        high: int | None,
        below: dict[int, torch.Tensor] | None,
        above: dict[int, torch.Tensor] | None,
    ) -> SlicePrior:
        if below is not None and above is not None and low is not None and high is not None:
            way = (index - low) / (high - low)
            share, more = round_profile(self._depths[low], self._depths[high], way)
            distance = torch.lerp(below[index], above[index], share[:, None, None]) + more[:, None, None]
            disagreement = (below[index] - above[index]).abs().amax(dim=0) * 2 * min(way, 1 - way)
            gap = min(index - low, high - index) * self.slice_pixels
            return SlicePrior(distance, disagreement, gap)
        carried = below if below is not None else above
        nearest = low if low is not None else high
        assert carried is not None and nearest is not None
        gap = abs(index - nearest) * self.slice_pixels
        # Beyond the last annotated slice nobody knows where the structure ends: it fades.
        distance = (carried[index] - 0.5 * gap).clamp(-FAR, FAR)
        return SlicePrior(distance, torch.full_like(distance[0], gap), gap)
