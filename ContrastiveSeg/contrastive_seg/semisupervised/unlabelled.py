"""Patches of slices that nobody has painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.case_data import PreparedView
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.prepared_case import PreparedCase
from contrastive_seg.finetuning.samples import context_images, pack_prior
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.priors.propagation import SlicePrior

_MOST_PIXELS = 300_000_000
"""Of all unpainted slices that are kept in memory, float32."""


@dataclass(frozen=True)
class UnlabelledSlice:
    """A slice without truth.

    Attributes:
        view: Where it lies.
        index: Which slice.
        prior: What the annotated slices of its volume say about it; None in other volumes.
    """

    view: View
    index: int
    prior: SlicePrior | None = None


def unlabelled_slices(prepared: Sequence[PreparedView]) -> list[UnlabelledSlice]:
    """All slices of the views of which nothing is known; those held out for the estimate too.

    What is held out lends its image only: nobody tells its truth.
    """
    found = []
    for one in prepared:
        painted = {sample.index for sample in one.samples if not sample.held_out}
        rest = (i for i in range(one.view.count) if i not in painted)
        found += [UnlabelledSlice(one.view, index, one.priors.get(index)) for index in rest]
    return found


def sampler_of(
    cases: Sequence[PreparedCase], volumes: Sequence[Volume], architecture: Architecture
) -> UnlabelledSampler | None:
    """A sampler of everything that is not painted; None where all of it is.

    Args:
        cases: Of which some slices are painted.
        volumes: Of which nothing is.
        architecture: Of the network: its planes and pixel size.
    """
    found = unlabelled_slices([view for case in cases for view in case.views])
    room = _MOST_PIXELS - sum(one.view.size[0] * one.view.size[1] for one in found)
    for volume in volumes:
        turned = Orientation.of(volume).turn(volume)
        normalisation = Normalisation.of(turned.array)
        for axis in architecture.axes:
            view = View(turned, normalisation, axis, whole_plane(turned, axis), architecture.pixel)
            room -= view.count * view.size[0] * view.size[1]
            if room > 0:
                view.cache()
            found += [UnlabelledSlice(view, index) for index in range(view.count)]
    return UnlabelledSampler(found, len(architecture.values)) if found else None


class UnlabelledSampler:
    """Draws patches, every slice equally often.

    Args:
        slices: At least one.
        classes: Number of classes, background included.
        drop: Probability of hiding the prior.
    """

    def __init__(self, slices: Sequence[UnlabelledSlice], classes: int, drop: float = 0.15) -> None:
        self.slices = list(slices)
        self.classes = classes
        self.drop = drop

    def draw(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> torch.Tensor:
        """Batch (count, CONTEXT + C + 1, *size): images and prior."""
        rows = []
        for _ in range(count):
            chosen = self.slices[int(rng.integers(len(self.slices)))]
            height, width = chosen.view.size
            prior = None if rng.random() < self.drop else chosen.prior
            packed = pack_prior(prior, self.classes, (height, width))
            row = torch.cat([context_images(chosen.view, chosen.index), packed])
            y = int(rng.integers(max(0, height - size[0]) + 1))
            x = int(rng.integers(max(0, width - size[1]) + 1))
            row = row[:, y : y + size[0], x : x + size[1]]
            missing = (size[0] - row.shape[1], size[1] - row.shape[2])
            if missing[0] or missing[1]:
                row = F.pad(row[None], (0, missing[1], 0, missing[0]), mode="replicate")[0]
            rows.append(row)
        return torch.stack(rows)
