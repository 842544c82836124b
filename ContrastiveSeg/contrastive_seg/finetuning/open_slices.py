"""Annotated slices that leave something open: they say nothing about structures painted on other slices.

Somebody paints the liver on some slices and later the spleen on others. On the first ones the spleen is
there, too, but nobody has said where. Around the place where it may be such slices are OPEN, while all
else is truth on them. They tell as much about the liver as any other; what they do not tell about the
spleen is carried there from the slices that show it.
"""

from __future__ import annotations

import numpy as np
import torch

from contrastive_seg.data.sparse_labels import OPEN
from contrastive_seg.finetuning.view import View
from contrastive_seg.priors.propagation import Propagator
from contrastive_seg.priors.shape import FAR

_OTHERWISE = -0.5
"""Largest distance, in pixels, of a structure where another one, or background, is truth."""


def unsaid(labels: np.ndarray, axis: int, slices: list[int], values: tuple[int, ...]) -> dict[int, list[int]]:
    """On which slices nothing is said about a structure, by class.

    Those with open voxels that do not show it, between two that do; and where there are such slices, those
    beyond the outermost that show it, too, up to one that says that it is not there.

    Args:
        labels: Of the volume.
        axis: Array axis that counts the slices.
        slices: The annotated ones, sorted.
        values: Label values by class, background first.
    """
    planes = {index: np.take(labels, index, axis=axis) for index in slices}
    is_open = {index for index, plane in planes.items() if (plane == OPEN).any()}
    found: dict[int, list[int]] = {}
    for c, value in enumerate(values):
        if c == 0 or not is_open:
            continue
        shown = {index for index, plane in planes.items() if (plane == value).any()}
        said = [index for index in slices if index in shown or index not in is_open]
        sides: dict[int, int] = {}
        for index in sorted(is_open - shown):
            beside = [one for one in said if one < index][-1:] + [one for one in said if one > index][:1]
            sides[index] = len(shown.intersection(beside))
        if 2 in sides.values():
            found[c] = [index for index, count in sides.items() if count]
    return found


def filled(
    propagator: Propagator,
    view: View,
    labels: np.ndarray,
    open_: dict[int, list[int]],
    values: tuple[int, ...],
) -> dict[int, torch.Tensor]:
    """The signed distances of annotated slices, with what they do not say carried from others.

    Args:
        propagator: With the distances as they are painted.
        view: Of the slices.
        labels: Of the volume.
        open_: As :func:`unsaid` gives it.
        values: Label values by class, background first.

    Returns:
        Signed distances (C-1, H, W) in pixels by slice, as :class:`Propagator` takes them.
    """
    own = dict(propagator.annotated)
    for c, indices in open_.items():
        carried = propagator.propagate(leave_out=indices, only=indices)
        for index in indices:
            known = view.soft_labels(labels, index, values)[-1] > 0.5
            distance = carried[index].distance[c - 1]
            own[index] = own[index].clone()
            own[index][c - 1] = torch.where(known, distance.clamp(max=_OTHERWISE), distance)
    return own


def carried(own: dict[int, torch.Tensor], open_: dict[int, list[int]]) -> dict[int, torch.Tensor]:
    """Of open slices, the signed distances of what they do not say; what they say is far, (C-1, H, W)."""
    found: dict[int, torch.Tensor] = {}
    for c, indices in open_.items():
        for index in indices:
            found.setdefault(index, torch.full_like(own[index], -FAR))[c - 1] = own[index][c - 1]
    return found


def settled(view: View, soft: torch.Tensor, distance: torch.Tensor, margin: float) -> torch.Tensor:
    """Truth of an open slice with background where no carried contour is near.

    Without it a network is told of no background beside structures that are open on every slice, and
    paints over all of it.

    Args:
        view: Of the slice.
        soft: Its truth, see :meth:`View.soft_labels`.
        distance: What is carried, see :func:`carried`.
        margin: Pixels from the contours within which nothing is said.
    """
    far = (soft[-1] <= 0.5) & (distance.amax(dim=0) < -margin)
    far[view.inner[0] :] = False  # padding is not truth
    far[:, view.inner[1] :] = False
    soft = torch.where(far, torch.zeros_like(soft), soft)
    soft[0][far] = soft[-1][far] = 1
    return soft
