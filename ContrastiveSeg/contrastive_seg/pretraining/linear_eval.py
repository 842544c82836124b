"""Linear evaluation: what frozen features know, asked with one 1x1 convolution.

All levels of the encoder (and the decoder's features, where it was pretrained) are brought to the
resolution of the image and standardised; the convolution on top of them is all that is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.losses.masked import MaskedDiceCELoss
from contrastive_seg.networks.build import build_network
from contrastive_seg.pretraining.data.stack import normalisation_of, slice_axis
from contrastive_seg.weights.card import Preprocessing, WeightCard
from contrastive_seg.weights.load import load_into

_CROP = 160
_BATCH = 8
_RATE = 1e-2


class LinearProbe(nn.Module):
    """Frozen features and a 1x1 convolution.

    Args:
        card: Of the weights; None for random features, to compare with.
        tensors: The weights.
        classes: Output channels.
        network: Where there is no card: which one.
        width: Where there is no card: of the U-Net.
        in_channels: Where there is no card: image channels.
        decodes: Where there is no card: whether the decoder's features count, too.
    """

    def __init__(
        self,
        card: WeightCard | None,
        tensors: dict[str, torch.Tensor],
        classes: int,
        network: str = "unet",
        width: int | None = None,
        in_channels: int = 1,
        decodes: bool = False,
    ) -> None:
        super().__init__()
        if card is not None:
            network, width, in_channels = card.network, card.width, card.in_channels
            decodes = "decoder" in card.parts
        self.in_channels = in_channels
        self.body = build_network(network, in_channels, classes, width)
        self.decodes = decodes
        if card is not None:
            load_into(self.body, card, tensors)
        self.body.requires_grad_(False)
        with torch.no_grad():
            channels = self.features(torch.zeros(1, in_channels, 64, 64)).shape[1]
        self.standardise = nn.BatchNorm2d(channels, affine=False)
        self.head = nn.Conv2d(channels, classes, 1)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, channels of all levels, H, W)."""
        self.body.eval()
        maps = list(self.body.get_submodule("encoder")(images))
        if self.decodes:
            maps.append(self.body.get_submodule("decoder")(maps))
        size = images.shape[-2:]
        return torch.cat([F.interpolate(m.float(), size, mode="bilinear") for m in maps], dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, H, W) of images (B, in_channels, H, W)."""
        with torch.no_grad():
            found = self.features(images)
        logits: torch.Tensor = self.head(self.standardise(found))
        return logits


@dataclass(frozen=True)
class Labelled:
    """A volume with its complete label map, both (z, y, x)."""

    volume: Volume
    labels: np.ndarray


@dataclass(frozen=True)
class _Seen:
    """A labelled volume as the network sees it."""

    view: View
    truth: torch.Tensor

    @classmethod
    def of(cls, case: Labelled, values: tuple[int, ...], prepared: Preprocessing) -> _Seen:
        """Prepared as it was for the pretraining, where its card says how."""
        orientation = Orientation.of(case.volume)
        turned = orientation.turn(case.volume)
        labels = orientation.apply(case.labels)
        axis = slice_axis(turned, prepared.plane)
        spacing = [s for a, s in enumerate(turned.spacing_zyx) if a != axis]
        view = View(
            turned,
            normalisation_of(turned.array, prepared.clip_percentiles, prepared.window),
            axis,
            whole_plane(turned, axis),
            prepared.pixel_mm or min(spacing),
        )
        soft = torch.stack([view.soft_labels(labels, index, values) for index in range(view.count)])
        return cls(view, soft.half())

    def images(self, indices: Sequence[int], channels: int) -> torch.Tensor:
        context = self.view.context(indices)
        return context if channels == 3 else context[:, 1:2].expand(-1, channels, -1, -1)


def linear_eval(
    card: WeightCard | None,
    tensors: dict[str, torch.Tensor],
    train: Sequence[Labelled],
    test: Sequence[Labelled],
    compute: Compute,
    *,
    steps: int = 300,
    seed: int = 0,
    like: WeightCard | None = None,
    on_fraction: Callable[[float], None] = lambda fraction: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[int, float]:
    """Trains the probe and scores it.

    Args:
        card: Of the weights; None for random features.
        tensors: The weights.
        train: Volumes to train on.
        test: Other volumes.
        compute: Where to run.
        steps: Optimiser steps.
        seed: Of every random choice.
        like: With random features: the card whose network they are to have.
        on_fraction: Told the share of the work that is done.
        should_stop: True ends the training early.

    Returns:
        Mean Dice over the test volumes by label value; volumes without the label are left out.

    Raises:
        ContrastiveSegError: ``no-annotation`` when the training volumes show one class only.
    """
    found: set[int] = set()
    for case in train:
        found.update(int(value) for value in np.unique(case.labels) if value not in (0, IGNORE))
    if not found:
        raise ContrastiveSegError(
            "no-annotation", "No structure is labelled in the volumes to train on.", "Add their label maps."
        )
    values = (0, *sorted(found))
    torch.manual_seed(seed)
    shape = card or like
    like_shape = (
        (shape.network, shape.width, shape.in_channels, "decoder" in shape.parts) if shape is not None else ()
    )
    probe = LinearProbe(card, tensors, len(values), *like_shape).to(compute.device)
    prepared = shape.preprocessing if shape is not None else Preprocessing()
    seen = [_Seen.of(case, values, prepared) for case in train]
    optimizer = torch.optim.Adam(probe.head.parameters(), _RATE)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss, rng = MaskedDiceCELoss(), np.random.default_rng(seed)
    probe.train()
    for step in range(steps):
        if should_stop():
            break
        images, truth = _batch(seen, probe.in_channels, rng)
        with compute.autocast():
            logits = probe(images.to(compute.device))
        shares = truth.to(compute.device)
        value = loss(logits, shares[:, :-1], (shares[:, -1:] > 0.5).float())
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        scheduler.step()
        on_fraction(0.7 * (step + 1) / steps)
    probe.eval()
    scores: dict[int, list[float]] = {value: [] for value in values[1:]}
    for number, case in enumerate(test):
        _score(probe, _Seen.of(case, values, prepared), values, compute, scores)
        on_fraction(0.7 + 0.3 * (number + 1) / len(test))
    return {value: float(np.mean(found)) for value, found in scores.items() if found}


def _batch(seen: list[_Seen], channels: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Random parts of random slices, all of one size."""
    chosen = [seen[int(rng.integers(len(seen)))] for _ in range(_BATCH)]
    height = min(_CROP, *(one.view.size[0] for one in chosen))
    width = min(_CROP, *(one.view.size[1] for one in chosen))
    images, truth = [], []
    for one in chosen:
        index = int(rng.integers(one.view.count))
        top = int(rng.integers(one.view.size[0] - height + 1))
        left = int(rng.integers(one.view.size[1] - width + 1))
        window = (slice(None), slice(top, top + height), slice(left, left + width))
        images.append(one.images([index], channels)[0][window])
        truth.append(one.truth[index].float()[window])
    return torch.stack(images), torch.stack(truth)


@torch.inference_mode()
def _score(
    probe: LinearProbe,
    seen: _Seen,
    values: tuple[int, ...],
    compute: Compute,
    scores: dict[int, list[float]],
) -> None:
    overlap, total = torch.zeros(len(values)), torch.zeros(len(values))
    for begin in range(0, seen.view.count, _BATCH):
        indices = list(range(begin, min(begin + _BATCH, seen.view.count)))
        with compute.autocast():
            logits = probe(seen.images(indices, probe.in_channels).to(compute.device))
        predicted = logits.float().cpu().argmax(dim=1)
        shares = seen.truth[indices].float()
        known, truth = shares[:, -1] > 0.5, shares[:, :-1].argmax(dim=1)
        for c in range(1, len(values)):
            mine, theirs = (predicted == c) & known, (truth == c) & known
            overlap[c] += 2 * (mine & theirs).sum()
            total[c] += mine.sum() + theirs.sum()
    for c in range(1, len(values)):
        if total[c] > 0:
            scores[values[c]].append(float(overlap[c] / total[c]))
