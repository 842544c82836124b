"""Training slices with their truth and with what other annotated slices say about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from contrastive_seg.finetuning.view import View
from contrastive_seg.priors.propagation import SlicePrior
from contrastive_seg.priors.registration import warp

CONTEXT = 3
"""Input images: the slice and its two neighbours."""

OUTSIDE_SHARE, OUTSIDE_UNTOLD = 0.125, 0.4
"""Share of training patches that come from anywhere on a slice: beside slices that tell what is on their
neighbours, and where nothing is told, since what is learnt then has to find the structure on whole slices."""

ONE_CONTRAST = 2.0
"""Volumes up to which all patches get another contrast; two images of one patient look alike."""


def prior_channels(classes: int) -> int:
    """Input channels of the prior: disagreement, gap, and a distance by foreground class."""
    return classes + 1


def pack_prior(prior: SlicePrior | None, classes: int, size: tuple[int, int]) -> torch.Tensor:
    """Network input (C+1, H, W): disagreement, gap, distance by foreground class.

    Zeros, with a gap of -1, where nothing is known: the network is trained with that too, so that
    it also segments volumes without a single annotated slice.
    """
    packed = torch.zeros(prior_channels(classes), *size)
    if prior is None:
        packed[1] = -1.0
        return packed
    packed[0] = (prior.disagreement / 5).clamp(0, 2)
    packed[1] = min(prior.gap, 15.0) / 5
    packed[2:] = torch.tanh(prior.distance / 5)
    return packed


@dataclass
class TrainingSlice:
    """An annotated slice.

    Attributes:
        view: Where it lies.
        index: Which slice.
        soft: Truth, (C+1, H, W), see :meth:`View.soft_labels`; float16.
        left_out: Priors of this slice computed from the other annotated slices.
        own: Its own signed distances (C-1, H, W), from which priors of smaller gaps are imitated;
            None when the slice is only partly painted.
        largest_gap: Largest gap, in pixels, that a slice of this view has.
        held_out: Never trained on; kept for the estimate.
        classes: Class indices present.
    """

    view: View
    index: int
    soft: torch.Tensor
    left_out: list[SlicePrior] = field(default_factory=list)
    own: torch.Tensor | None = None
    largest_gap: float = 0.0
    held_out: bool = False
    classes: tuple[int, ...] = ()

    def imitated_prior(self, rng: np.random.Generator) -> SlicePrior | None:
        """A prior as it would be at a random gap: the truth, deformed the more the larger the gap.

        The priors left in ``left_out`` bridge twice the gap that slices to be predicted have;
        without imitations the network would learn to distrust the prior.
        """
        if self.own is None or self.largest_gap <= 0:
            return None
        gap = float(rng.uniform(0, self.largest_gap))
        height, width = self.own.shape[-2:]
        cells = (max(2, height // 12), max(2, width // 12))
        noise = rng.standard_normal((1, 3, *cells), dtype=np.float32)
        smooth = F.interpolate(torch.from_numpy(noise), (height, width), mode="bicubic")
        distance = warp(self.own[None], smooth[:, :2] * (0.5 * gap))[0]
        distance = distance + float(rng.standard_normal()) * 0.2 * gap
        disagreement = (smooth[0, 2] * gap * 0.5 + float(rng.standard_normal()) * 0.5 * gap).abs()
        return SlicePrior(distance, disagreement, gap)

    def draw_prior(self, rng: np.random.Generator, drop: float) -> SlicePrior | None:
        """None with probability ``drop``, else half imitated, half from the other slices."""
        if rng.random() < drop:
            return None
        if self.left_out and (self.own is None or rng.random() < 0.5):
            return self.left_out[int(rng.integers(len(self.left_out)))]
        return self.imitated_prior(rng)


def context_images(view: View, index: int) -> torch.Tensor:
    """The slice and its neighbours, (CONTEXT, H, W)."""
    half = CONTEXT // 2
    return view.images(index - half, index + half + 1)


def crop_window(
    sample: TrainingSlice, size: tuple[int, int], rng: np.random.Generator
) -> tuple[slice, slice]:
    """Window of ``size`` within the slice, two times in three centred on a painted pixel."""
    height, width = sample.soft.shape[-2:]
    centre = (int(rng.integers(height)), int(rng.integers(width)))
    foreground = [c for c in sample.classes if c > 0]
    if foreground and (height > size[0] or width > size[1]) and rng.random() < 0.67:
        chosen = foreground[int(rng.integers(len(foreground)))]
        rows, columns = torch.nonzero(sample.soft[chosen] > 0.5, as_tuple=True)
        if len(rows):
            pick = int(rng.integers(len(rows)))
            centre = (int(rows[pick]), int(columns[pick]))
    y = int(np.clip(centre[0] - size[0] // 2, 0, max(0, height - size[0])))
    x = int(np.clip(centre[1] - size[1] // 2, 0, max(0, width - size[1])))
    return slice(y, y + size[0]), slice(x, x + size[1])


class SliceSampler:
    """Draws batches; every class is drawn equally often, so that small structures are learnt.

    Args:
        samples: Training slices, held-out ones are never drawn.
        classes: Number of classes, background included.
        drop: Probability of hiding the prior.
        outside: Whole slices, drawn now and then without a prior and from anywhere.

    ``vary_crops`` says whether crops should differ in size: where nothing is known from other
    slices of the volume, what is learnt must hold for volumes of any size. ``contrasts`` is the share
    of patches whose contrast should differ, there too: the fewer volumes, the fewer contrasts they show.
    """

    def __init__(
        self,
        samples: list[TrainingSlice],
        classes: int,
        drop: float = 0.15,
        outside: list[TrainingSlice] | None = None,
    ) -> None:
        self.samples = [s for s in samples if not s.held_out]
        self.classes = classes
        self.drop = drop
        self.vary_crops = not any(s.left_out for s in self.samples)
        volumes = len({id(s.view.volume) for s in self.samples})
        self.contrasts = min(1.0, ONE_CONTRAST / max(1, volumes)) if self.vary_crops else 0.0
        self.outside = outside or []
        self.outside_share = OUTSIDE_UNTOLD if self.vary_crops else OUTSIDE_SHARE
        self.by_class = {
            c: [s for s in self.samples if c in s.classes]
            for c in range(1, classes)
            if any(c in s.classes for s in self.samples)
        }

    def draw(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> torch.Tensor:
        """Batch (count, CONTEXT + C + 1 + C + 1, *size): images, prior, truth and known share."""
        rows = []
        for _ in range(count):
            sample, prior_drawn = self._draw_one(rng)
            prior = pack_prior(prior_drawn, self.classes, (sample.soft.shape[1], sample.soft.shape[2]))
            row = torch.cat([context_images(sample.view, sample.index), prior, sample.soft.float()])
            window = crop_window(sample, size, rng)
            row = row[:, window[0], window[1]]
            missing = (size[0] - row.shape[1], size[1] - row.shape[2])
            if missing[0] or missing[1]:
                row = F.pad(row[None], (0, missing[1], 0, missing[0]), mode="replicate")[0]
                row[-1, size[0] - missing[0] :, :] = 0
                row[-1, :, size[1] - missing[1] :] = 0
            rows.append(row)
        return torch.stack(rows)

    def _draw_one(self, rng: np.random.Generator) -> tuple[TrainingSlice, SlicePrior | None]:
        """A slice and what it is told by the others."""
        if self.outside and rng.random() < self.outside_share:
            return self.outside[int(rng.integers(len(self.outside)))], None
        pool = self.samples
        groups = list(self.by_class.values())
        if groups and rng.random() < 0.75:
            pool = groups[int(rng.integers(len(groups)))]
        sample = pool[int(rng.integers(len(pool)))]
        return sample, sample.draw_prior(rng, self.drop)
