"""What the edges of the image say between annotated slices: a watershed grown from them.

Meyer and Beucher, "Morphological segmentation", J Vis Commun Image Represent 1990. Carrying contours
from slice to slice is the better guess where slices are close; across wide gaps, and where a
structure runs on beyond its last annotated slice, following the edges in three dimensions is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from contrastive_seg.priors.propagation import SlicePrior
from contrastive_seg.priors.registration import gaussian_smooth
from contrastive_seg.priors.vote import PRIOR_WEIGHT, prior_scores

LARGEST_SHARE = 0.5
"""Weight of the flooding where the nearest annotated slice is far."""

FAR_MM = 12.0
"""Distance of the nearest annotated slice from which the weight is whole."""

_MARGIN = 14.0
"""Pixels from any propagated contour beyond which there is background."""

_EDGE = 1.0
"""Smoothing of the image before its gradient, pixels."""

_SOFT = 1.0
"""Smoothing of the flooded borders, pixels."""

_LEAST = 0.004
"""Probability that the flooding leaves to all the classes that it did not choose."""

_LEAST_SIDE = 4
"""Voxels along each side that the smoothing needs."""

_MOST_VOXELS = 1_500_000
"""Beyond this the flood runs on every second pixel of each slice."""


class Flooding:
    """Floods the slices between and beyond annotated ones.

    Args:
        stack: Images (n, H, W), about zero mean and unit deviation.
        annotated: Class + 1 of every pixel of each annotated slice, (H, W), 0 where not known.
        priors: What was propagated; where it is sure of background, nothing is flooded.
        slice_pixels: Distance of neighbouring slices, in pixels.
    """

    def __init__(
        self,
        stack: torch.Tensor,
        annotated: Mapping[int, np.ndarray],
        priors: Mapping[int, SlicePrior],
        slice_pixels: float,
    ) -> None:
        self.annotated = dict(annotated)
        self.first, self.last = min(priors), max(priors)
        self.slice_pixels = slice_pixels
        part = stack[self.first : self.last + 1]
        self._stride = 2 if part.numel() > _MOST_VOXELS else 1
        self._size = (int(part.shape[1]), int(part.shape[2]))
        if self._stride > 1:
            part = F.avg_pool2d(part.float()[:, None], self._stride, ceil_mode=True)[:, 0]
        self._edges = self._gradient(part.cpu().numpy().astype(np.float32))
        self._far = np.zeros(self._edges.shape, bool)
        for index, prior in priors.items():
            self._far[index - self.first] = self._beyond(prior)

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
            leave_out: Annotated slice to pretend unknown; then only what it changes is flooded,
                the slices of its :meth:`gap`.
            without: What is propagated to those when it is unknown.
        """
        if min(self._edges.shape) < _LEAST_SIDE:
            return {}
        known = sorted(i for i in self.annotated if i != leave_out and self.first <= i <= self.last)
        bounds = [self.first, *known, self.last]
        found: dict[int, np.ndarray] = {}
        # Annotated slices are walls: what lies between two of them is flooded by itself.
        for low, high in itertools.pairwise(bounds):
            if leave_out is not None and not low <= leave_out <= high:
                continue
            if high > low:
                found |= self._between(low, high, leave_out, without)
        return found

    def _gradient(self, stack: np.ndarray) -> np.ndarray:
        """Its length, of the smoothed image."""
        if min(stack.shape) < _LEAST_SIDE:
            return stack  # nothing to smooth
        image = sitk.GetImageFromArray(stack)
        image.SetSpacing((float(self._stride), float(self._stride), float(self.slice_pixels)))
        edges: np.ndarray = sitk.GetArrayFromImage(
            sitk.GradientMagnitudeRecursiveGaussian(image, _EDGE * self._stride)
        )
        return edges

    def _beyond(self, prior: SlicePrior) -> np.ndarray:
        """Pixels far from every propagated contour."""
        far: np.ndarray = (prior.distance.amax(dim=0) < -_MARGIN).cpu().numpy()
        return far[:: self._stride, :: self._stride]

    def _between(
        self, low: int, high: int, leave_out: int | None, without: Mapping[int, SlicePrior] | None
    ) -> dict[int, np.ndarray]:
        inside = slice(low - self.first, high - self.first + 1)
        seeds = self._far[inside].astype(np.uint16)
        for index, prior in (without or {}).items():
            if low <= index <= high:
                seeds[index - low] = self._beyond(prior)
        for index in (low, high):
            if index in self.annotated and index != leave_out:
                known = self.annotated[index][:: self._stride, :: self._stride]
                seeds[index - low] = np.where(known > 0, known, seeds[index - low])
        if not seeds.any():
            return {}
        edges, markers = sitk.GetImageFromArray(self._edges[inside]), sitk.GetImageFromArray(seeds)
        flooded = sitk.MorphologicalWatershedFromMarkers(edges, markers, markWatershedLine=False)
        classes = np.maximum(sitk.GetArrayFromImage(flooded).astype(np.int64) - 1, 0)
        return {low + k: self._enlarged(one) for k, one in enumerate(classes)}

    def _enlarged(self, classes: np.ndarray) -> np.ndarray:
        if self._stride == 1:
            return classes
        whole = classes.repeat(self._stride, axis=0).repeat(self._stride, axis=1)
        return whole[: self._size[0], : self._size[1]]


def mixed(prior: SlicePrior, flooded: np.ndarray, pixel: float) -> SlicePrior:
    """The prior with what the flooding says, the more of it the farther annotated slices are.

    Probabilities are mixed, not distances: where the two name different structures, distances would
    cancel and leave background.

    Args:
        prior: What was propagated.
        flooded: Classes (H, W).
        pixel: Millimetres.
    """
    share = LARGEST_SHARE * min(1.0, prior.gap * pixel / FAR_MM)
    if share <= 0:
        return prior
    scores = prior_scores(prior.distance)
    carried = torch.softmax(torch.cat([torch.zeros_like(scores[:1]), scores]), dim=0)
    classes = carried.shape[0]
    chosen = F.one_hot(torch.from_numpy(flooded), classes).movedim(-1, 0)[:, None].to(carried)
    soft = gaussian_smooth(chosen, _SOFT)[:, 0].clamp(0, 1) * (1 - _LEAST) + _LEAST / classes
    both = (1 - share) * carried + share * soft
    distance = (both[1:].log() - both[:1].log()) / PRIOR_WEIGHT
    return SlicePrior(distance, prior.disagreement, prior.gap)
