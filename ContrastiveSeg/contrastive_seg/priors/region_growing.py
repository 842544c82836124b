"""What the image says between annotated slices: regions that grow from them in three dimensions.

Carrying contours from slice to slice is the better guess where slices are close. Across wide gaps, and
where there are many structures, it is better to follow the intensities.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.priors.geodesic import nearest_seeds
from contrastive_seg.priors.propagation import SlicePrior
from contrastive_seg.priors.registration import gaussian_smooth
from contrastive_seg.priors.vote import PRIOR_WEIGHT, prior_scores

LARGEST_SHARE = 0.8
"""Weight of what has grown where the nearest annotated slice is far."""

FAR_MM = 10.0
"""Distance of the nearest annotated slice from which the weight is whole."""

_MARGIN = 14.0
"""Pixels from any propagated contour beyond which there is background, outside of all annotated slices."""

_LIMIT = 3.0
"""Deviations beyond which intensities are taken for equal."""

_SOFT = 1.0
"""Smoothing of the borders, pixels."""

_LEAST = 0.004
"""Probability that is left to all the classes that have not grown somewhere."""

_MOST_VOXELS = 1_500_000
"""Beyond this regions grow on every second pixel of each slice."""


class RegionGrowing:
    """Grows what annotated slices show into the slices between and beyond them.

    Args:
        stack: Images (n, H, W), about zero mean and unit deviation.
        annotated: Class + 1 of every pixel of each annotated slice, (H, W), 0 where not known.
        priors: What was propagated. Beyond the outermost annotated slices, where it is sure of
            background, nothing grows.
        slice_pixels: Distance of neighbouring slices, in pixels.
        crossing: The same of other slices, of which only some pixels are known, such as those that
            slices of another plane cross.
    """

    def __init__(
        self,
        stack: torch.Tensor,
        annotated: Mapping[int, np.ndarray],
        priors: Mapping[int, SlicePrior],
        slice_pixels: float,
        crossing: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        self.annotated = dict(annotated)
        self._crossing = crossing or {}
        self.first, self.last = min(priors), max(priors)
        part = stack[self.first : self.last + 1].float()
        self._stride = 2 if part.numel() > _MOST_VOXELS else 1
        self._size = (int(part.shape[1]), int(part.shape[2]))
        self._spacing = (float(slice_pixels), float(self._stride), float(self._stride))
        if self._stride > 1:
            part = F.avg_pool2d(part[:, None], self._stride, ceil_mode=True)[:, 0]
        self._image = part.clamp(-_LIMIT, _LIMIT).cpu()
        self._priors = priors

    def gap(self, index: int) -> range:
        """The slices between an annotated slice's neighbours, both included."""
        others = sorted(i for i in self.annotated if i != index)
        low = max((i for i in others if i < index), default=self.first)
        high = min((i for i in others if i > index), default=self.last)
        return range(low, high + 1)

    def labels(
        self, leave_out: int | None = None, without: Mapping[int, SlicePrior] | None = None
    ) -> dict[int, np.ndarray]:
        """Classes (H, W) by slice, all slices in reach of the priors.

        Args:
            leave_out: Annotated slice to pretend unknown; then only what it changes is grown, the
                slices of its :meth:`gap`.
            without: What is propagated to those when it is unknown.
        """
        known = sorted(i for i in self.annotated if i != leave_out and self.first <= i <= self.last)
        bounds = [self.first, *known, self.last]
        found: dict[int, np.ndarray] = {}
        # Annotated slices are walls: what lies between two of them grows by itself.
        for low, high in itertools.pairwise(bounds):
            if leave_out is not None and not low <= leave_out <= high:
                continue
            if high > low:
                found |= self._between(low, high, leave_out, self._priors if without is None else without)
        return found

    def _between(
        self, low: int, high: int, leave_out: int | None, priors: Mapping[int, SlicePrior]
    ) -> dict[int, np.ndarray]:
        image = self._image[low - self.first : high - self.first + 1]
        seeds = np.zeros(image.shape, np.int64)
        walls = [i for i in (low, high) if i in self.annotated and i != leave_out]
        if len(walls) < 2:
            # Nothing stops a structure where nobody said that it ends: the fading contours do.
            for index in range(low, high + 1):
                if index in priors:
                    seeds[index - low] = self._beyond(priors[index])
        told = {i: self._crossing[i] for i in range(low, high + 1) if i in self._crossing}
        for index, known in (told | {i: self.annotated[i] for i in walls}).items():
            some = self._reduced(known)
            seeds[index - low] = np.where(some > 0, some, seeds[index - low])
        if not seeds.any():
            return {}
        classes = np.maximum(nearest_seeds(image, seeds, self._spacing) - 1, 0)
        return {low + k: self._enlarged(one) for k, one in enumerate(classes)}

    def _beyond(self, prior: SlicePrior) -> np.ndarray:
        """Pixels far from every propagated contour."""
        far: np.ndarray = (prior.distance.amax(dim=0) < -_MARGIN).cpu().numpy()
        return far[:: self._stride, :: self._stride]

    def _reduced(self, known: np.ndarray) -> np.ndarray:
        """What is known on the pixels on which regions grow; a line of single pixels is not lost."""
        reduced: np.ndarray = known[:: self._stride, :: self._stride].copy()
        for y, x in itertools.product(range(self._stride), repeat=2):
            other = known[y :: self._stride, x :: self._stride]
            part = reduced[: other.shape[0], : other.shape[1]]
            np.copyto(part, other, where=part == 0)
        return reduced

    def _enlarged(self, classes: np.ndarray) -> np.ndarray:
        if self._stride == 1:
            return classes
        whole = classes.repeat(self._stride, axis=0).repeat(self._stride, axis=1)
        return whole[: self._size[0], : self._size[1]]


def mixed(prior: SlicePrior, grown: np.ndarray, pixel: float) -> SlicePrior:
    """The prior with what has grown, the more of it the farther annotated slices are.

    Probabilities are mixed, not distances: where the two name different structures, distances would
    cancel and leave background.

    Args:
        prior: What was propagated.
        grown: Classes (H, W).
        pixel: Millimetres.
    """
    share = LARGEST_SHARE * min(1.0, prior.gap * pixel / FAR_MM)
    if share <= 0:
        return prior
    scores = prior_scores(prior.distance)
    carried = torch.softmax(torch.cat([torch.zeros_like(scores[:1]), scores]), dim=0)
    classes = carried.shape[0]
    chosen = F.one_hot(torch.from_numpy(grown), classes).movedim(-1, 0)[:, None].to(carried)
    soft = gaussian_smooth(chosen, _SOFT)[:, 0].clamp(0, 1) * (1 - _LEAST) + _LEAST / classes
    both = (1 - share) * carried + share * soft
    distance = (both[1:].log() - both[:1].log()) / PRIOR_WEIGHT
    return SlicePrior(distance, prior.disagreement, prior.gap)
