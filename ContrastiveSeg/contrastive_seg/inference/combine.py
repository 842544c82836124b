"""From class scores of one or several views to labels on the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.finetuning.view import View
from contrastive_seg.inference.prediction import Prediction
from contrastive_seg.inference.volume_error import sum_of_doubt

OUTSIDE = -12.0
"""Score of every structure where no view looked: surely background."""

_SLAB_ELEMENTS = 12_000_000


@dataclass
class ViewScores:
    """Scores of foreground classes relative to background along one view.

    Attributes:
        view: Where they lie.
        scores: (C-1, slices, h, w) float16, on the view's inner grid.
        weight: Share in the combination, of all slices or of each, (slices,).
    """

    view: View
    scores: torch.Tensor
    weight: float | torch.Tensor = 1.0

    def weights(self, region: list[tuple[int, int]], slab: tuple[int, int]) -> torch.Tensor:
        """The weight in a slab of a region, to be broadcast to (z, y, x)."""
        whole = torch.as_tensor(self.weight, dtype=torch.float32).expand(self.view.count)
        begin, end = slab if self.view.axis == 0 else region[self.view.axis]
        shape = [1, 1, 1]
        shape[self.view.axis] = end - begin
        return whole[begin:end].view(shape)


def _region(views: list[View]) -> list[tuple[int, int]]:
    """Bounds along (z, y, x) of everything the views look at."""
    bounds: list[list[tuple[int, int]]] = [[], [], []]
    for view in views:
        plane_axes = [a for a in range(3) if a != view.axis]
        bounds[view.axis].append((0, view.count))
        bounds[plane_axes[0]].append((view.box.y0, view.box.y1))
        bounds[plane_axes[1]].append((view.box.x0, view.box.x1))
    return [(min(b[0] for b in axis), max(b[1] for b in axis)) for axis in bounds]


def _sample_linear(values: torch.Tensor, dim: int, positions: np.ndarray) -> torch.Tensor:
    """Linear interpolation along ``dim`` at fractional indices, clamped to the ends."""
    length = values.shape[dim]
    clipped = np.clip(positions, 0, length - 1)
    low = np.floor(clipped).astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    weight = torch.from_numpy((clipped - low).astype(np.float32))
    shape = [1] * values.ndim
    shape[dim] = len(positions)
    weight = weight.view(shape)
    lower = values.index_select(dim, torch.from_numpy(low)).float()
    if not weight.any():
        return lower
    upper = values.index_select(dim, torch.from_numpy(high)).float()
    return lower + (upper - lower) * weight


def _view_slab(
    item: ViewScores, region: list[tuple[int, int]], slab: tuple[int, int]
) -> tuple[torch.Tensor, tuple[slice, slice, slice]]:
    """Scores (C-1, z, y, x) of the part of a slab a view covers, and where in the slab it lies."""
    view = item.view
    plane_axes = [a for a in range(3) if a != view.axis]
    covered: list[tuple[int, int]] = [(0, 0), (0, 0), (0, 0)]
    covered[view.axis] = (0, view.count)
    covered[plane_axes[0]] = (view.box.y0, view.box.y1)
    covered[plane_axes[1]] = (view.box.x0, view.box.x1)
    values = item.scores
    where = []
    size = list(view.box.size)
    for axis in range(3):
        begin, end = covered[axis]
        if axis == 0:
            begin, end = max(begin, slab[0]), max(begin, min(end, slab[1]))
        start = slab[0] if axis == 0 else region[axis][0]
        where.append(slice(begin - start, end - start))
        if axis == 0 and view.axis == 0:
            values = values[:, begin:end]
        elif axis == 0:
            # Of an in-plane direction only the slab's rows are wanted.
            rows = np.arange(begin, end) - view.box.y0
            values = _sample_linear(values, 2, (rows + 0.5) * (view.inner[0] / size[0]) - 0.5)
            size[0] = end - begin
    values = values.float()
    if values.numel() == 0:  # the view does not reach into this slab
        values = torch.zeros(*values.shape[:2], *size)
    elif values.shape[-2:] != tuple(size):
        values = F.interpolate(values, tuple(size), mode="bilinear", align_corners=False)
    # (C-1, slices, h, w) of the view to (C-1, z, y, x).
    order = [view.axis, *plane_axes]
    values = values.permute(0, *(1 + order.index(a) for a in range(3)))
    return values, (where[0], where[1], where[2])


def combine(
    items: list[ViewScores],
    shape: tuple[int, int, int],
    values: tuple[int, ...],
    truth: np.ndarray | None = None,
) -> Prediction:
    """Weighted mean of the views' scores, and what follows from it.

    Slab by slab, so that memory stays bounded however large the volume and many the classes.

    Args:
        items: Scores by view, at least one.
        shape: Of the volume, (z, y, x).
        values: Label values by class, background (0) first.
        truth: Sparse labels; known voxels are taken over as they are.

    Returns:
        The prediction, without an estimate of Dice.
    """
    # A byte a voxel where it suffices: a large CT is kept several times. What is known may have other
    # values than what was learnt.
    largest = max(values) if truth is None else max(*values, *(int(part.max()) for part in truth))
    label_type = np.uint8 if largest < 256 else np.int16
    labels = np.zeros(shape, dtype=label_type)
    probability = np.zeros(shape, dtype=np.uint8)
    uncertainty = np.zeros(shape, dtype=np.uint8)
    region = _region([item.view for item in items])
    plane = (region[1][1] - region[1][0]) * (region[2][1] - region[2][0])
    thickness = max(1, _SLAB_ELEMENTS // (plane * len(values)))
    lookup = np.array(values, dtype=label_type)
    doubt = np.zeros(len(values) - 1)
    for begin in range(region[0][0], region[0][1], thickness):
        end = min(begin + thickness, region[0][1])
        size = (end - begin, region[1][1] - region[1][0], region[2][1] - region[2][0])
        scores = torch.zeros(len(values), *size)
        weights = [item.weights(region, (begin, end)) for item in items]
        total_weight = sum(weights, torch.zeros(1, 1, 1))
        for item, weight in zip(items, weights, strict=True):
            part, where = _view_slab(item, region, (begin, end))
            share = weight / total_weight
            if all(w.start == 0 and w.stop == s for w, s in zip(where, size, strict=True)):
                scores[1:] += part * share
                continue
            whole = torch.full((len(values) - 1, *size), OUTSIDE)
            whole[(slice(None), *where)] = part
            scores[1:] += whole * share
        shares = torch.softmax(scores, dim=0)
        best, index = shares.max(dim=0)
        target = (
            slice(begin, end),
            slice(region[1][0], region[1][1]),
            slice(region[2][0], region[2][1]),
        )
        unknown = None if truth is None else torch.from_numpy(truth[target] <= IGNORE)
        doubt += sum_of_doubt(shares, unknown)
        background = shares[0].clone()
        second = shares.scatter_(0, index[None], -1.0).amax(dim=0)
        labels[target] = lookup[index.numpy()]
        probability[target] = ((1 - background) * 100).round().to(torch.uint8).numpy()
        margin = 1 - (best - second)
        uncertainty[target] = (margin * 100).round().to(torch.uint8).numpy()
    if truth is not None:
        for z in range(shape[0]):
            known = truth[z] > IGNORE
            if known.any():
                labels[z][known] = truth[z][known]
                probability[z][known] = np.where(truth[z][known] > 0, 100, 0)
                uncertainty[z][known] = 0
    doubtful = {int(value): float(one) for value, one in zip(values[1:], doubt, strict=True)}
    return Prediction(labels, probability, uncertainty, doubtful_voxels=doubtful)
