"""Class scores of slices from the network and from the prior."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.samples import pack_prior
from contrastive_seg.finetuning.view import View
from contrastive_seg.priors.propagation import Ends, SlicePrior
from contrastive_seg.priors.vote import PRIOR_LIMIT, PRIOR_WEIGHT, prior_scores

NETWORK_LIMIT = 6.0
"""Logit differences beyond this add no knowledge, only overconfidence."""

_WINDOW = 320
_BATCH_PIXELS = 400_000


_TRUSTED_AFTER = 300
"""Steps after which the network speaks with its full weight, for a few structures."""

_A_FEW = 6
"""Structures beyond which each takes steps of its own."""


def trust_after(steps: int, classes: int = 2) -> float:
    """How far a network is to be trusted after so many training steps, 0 to 1.

    One that has hardly begun is sure of the background everywhere: small structures would vanish
    between the annotated slices. The more structures, the less it has seen of each.

    Args:
        steps: That it was trained.
        classes: Number of classes, background included.
    """
    return min(1.0, steps / (_TRUSTED_AFTER * max(1.0, (classes - 1) / _A_FEW)))


@dataclass
class Looked:
    """What the network did for a prediction.

    Attributes:
        slices: It looked at so many,
        seconds: in so long.
    """

    slices: int = 0
    seconds: float = 0.0

    def for_all(self, slices: int) -> float:
        """Seconds that so many slices would have taken more."""
        return self.seconds * max(0.0, slices / self.slices - 1) if self.slices else 0.0


class Stopped(Exception):
    """Raised inside long work when the user asked to stop."""


def network_scores(logits: torch.Tensor) -> torch.Tensor:
    """Foreground relative to background, limited, (B, C-1, H, W), from logits (B, C, H, W)."""
    return (logits[:, 1:] - logits[:, :1]).clamp(-NETWORK_LIMIT, NETWORK_LIMIT)


def run_network(network: nn.Module, inputs: torch.Tensor, compute: Compute) -> torch.Tensor:
    """Logits (B, C, H, W), float32 on the CPU; large slices by MONAI's sliding window."""
    inputs = inputs.to(compute.device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), compute.autocast():
        if max(inputs.shape[-2:]) > _WINDOW:
            from monai.inferers import sliding_window_inference

            window = (min(_WINDOW, inputs.shape[-2]), min(_WINDOW, inputs.shape[-1]))
            logits = sliding_window_inference(inputs, window, 2, network, overlap=0.125, mode="gaussian")
        else:
            logits = network(inputs)
    assert isinstance(logits, torch.Tensor)
    return logits.float().cpu()


def score_view(
    network: nn.Module | None,
    view: View,
    priors: dict[int, SlicePrior],
    classes: int,
    compute: Compute,
    should_stop: Callable[[], bool] = lambda: False,
    on_fraction: Callable[[float], None] = lambda fraction: None,
    ends: Ends | None = None,
    trust: float | torch.Tensor = 1.0,
    patience: float | None = None,
    looked: Looked | None = None,
) -> torch.Tensor:
    """Scores (C-1, slices, h, w), float16, of every slice of a view.

    Args:
        network: None for a preview from the prior alone.
        view: What to look at.
        priors: By slice; empty when the volume has no annotated slice.
        classes: Number of classes.
        compute: Where to run.
        should_stop: True raises :class:`Stopped`.
        on_fraction: Told the share of slices done.
        ends: What is said about slices out of the priors' reach.
        trust: Weight of the network beside a prior, 0 to 1, for all classes or (C-1, 1, 1).
        patience: Seconds the network may take, about; where all slices would take longer it looks
            at every n-th and what it says of the others is interpolated. None: as long as it takes.
        looked: Told how many slices the network looked at, and for how long.
    """
    inner = (slice(0, view.inner[0]), slice(0, view.inner[1]))
    scores = torch.empty(classes - 1, view.count, *view.inner, dtype=torch.float16)
    if network is None:
        scores.fill_(-NETWORK_LIMIT)
    else:
        _fill(scores, network, view, priors, compute, should_stop, on_fraction, patience, looked or Looked())
    for index in range(view.count):
        if index in priors:
            mine = prior_scores(priors[index].distance[(slice(None), *inner)])
            if network is not None:
                mine += scores[:, index].float() * _say(trust, mine)
            scores[:, index] = mine.half()
        elif network is not None and ends is not None:
            scores[ends.absent(index), index] -= PRIOR_LIMIT * PRIOR_WEIGHT
    return scores


def _say(trust: float | torch.Tensor, prior: torch.Tensor) -> float | torch.Tensor:
    """Weight of the network on a slice, (C-1, h, w) or one for all.

    Where a prior (C-1, h, w) names a structure about which the network is not to be heard, it is not heard
    about the structures that compete for these pixels either.
    """
    if not isinstance(trust, torch.Tensor):
        return trust
    best, winner = prior.max(dim=0)
    there = torch.where(best > 0, trust.flatten()[winner], torch.ones(()))
    return torch.minimum(trust, there)


def _fill(
    scores: torch.Tensor,
    network: nn.Module,
    view: View,
    priors: dict[int, SlicePrior],
    compute: Compute,
    should_stop: Callable[[], bool],
    on_fraction: Callable[[float], None],
    patience: float | None,
    looked: Looked,
) -> None:
    """What the network says of every slice."""
    network.eval()
    classes, count = scores.shape[0] + 1, view.count
    height, width = view.size
    batch = max(1, min(32, _BATCH_PIXELS // (height * width)))
    todo, done = list(range(count)), [-1]
    while todo:
        if should_stop():
            raise Stopped
        begun = time.monotonic()
        some, todo = todo[:batch], todo[batch:]
        packed = torch.stack([pack_prior(priors.get(i), classes, view.size) for i in some])
        logits = run_network(network, torch.cat([view.context(some), packed], dim=1), compute)
        found = network_scores(logits)[:, :, : view.inner[0], : view.inner[1]]
        scores[:, some] = found.transpose(0, 1).half()
        looked.slices += len(some)
        looked.seconds += time.monotonic() - begun
        if patience is not None and len(done) == 1:
            todo = _every(todo, math.ceil(looked.seconds / looked.slices * len(todo) / patience))
        for index in some:
            for between in range(done[-1] + 1, index):
                share = (between - done[-1]) / (index - done[-1])
                scores[:, between] = torch.lerp(scores[:, done[-1]].float(), scores[:, index].float(), share)
            done.append(index)
        on_fraction(done[-1] / max(1, count - 1))


def _every(indices: list[int], stride: int) -> list[int]:
    """Every so many of them, the last one in any case."""
    if stride <= 1 or not indices:
        return indices
    return sorted({*indices[stride - 1 :: stride], indices[-1]})
