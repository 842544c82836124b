"""Class scores of slices from the network and from the prior."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.samples import pack_prior
from contrastive_seg.finetuning.view import View
from contrastive_seg.priors.propagation import Ends, SlicePrior

NETWORK_LIMIT = 6.0
"""Logit differences beyond this add no knowledge, only overconfidence."""

PRIOR_WEIGHT = 0.5
"""Score added for every pixel inside the propagated contour; see Docs/benchmarks.md."""

_PRIOR_LIMIT = 12.0
_WINDOW = 320
_BATCH_PIXELS = 400_000


_TRUSTED_AFTER = 300
"""Steps after which the network speaks with its full weight."""


def trust_after(steps: int) -> float:
    """How far a network is to be trusted after so many training steps, 0 to 1.

    One that has hardly begun is sure of the background everywhere: small structures would vanish
    between the annotated slices.
    """
    return min(1.0, steps / _TRUSTED_AFTER)


class Stopped(Exception):
    """Raised inside long work when the user asked to stop."""


def fuse(network: torch.Tensor | None, prior: torch.Tensor | None) -> torch.Tensor:
    """Scores of foreground classes relative to background.

    The network knows the appearance, the prior the position; where both are sure and disagree the
    sum is near zero, which is what the uncertainty map shows.

    Args:
        network: Logits (B, C, H, W) or None.
        prior: Signed distances (B, C-1, H, W) in pixels, or None.
    """
    parts = []
    if network is not None:
        parts.append((network[:, 1:] - network[:, :1]).clamp(-NETWORK_LIMIT, NETWORK_LIMIT))
    if prior is not None:
        parts.append(prior.clamp(-_PRIOR_LIMIT, _PRIOR_LIMIT) * PRIOR_WEIGHT)
    if not parts:
        raise ValueError("fuse needs a network's logits or a prior.")
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


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
    trust: float = 1.0,
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
        trust: Weight of the network beside a prior, 0 to 1 (see :func:`trust_after`).
    """
    height, width = view.size
    inner = (slice(0, view.inner[0]), slice(0, view.inner[1]))
    scores = torch.empty(classes - 1, view.count, *view.inner, dtype=torch.float16)
    if network is None:
        scores.fill_(-NETWORK_LIMIT)
        for index, prior in priors.items():
            scores[:, index] = fuse(None, prior.distance[None])[0, :, inner[0], inner[1]].half()
        return scores
    network.eval()
    batch = max(1, min(32, _BATCH_PIXELS // (height * width)))
    for begin in range(0, view.count, batch):
        if should_stop():
            raise Stopped
        end = min(begin + batch, view.count)
        stack = view.images(begin - 1, end + 1)
        context = torch.stack([stack[:-2], stack[1:-1], stack[2:]], dim=1)
        packed = [pack_prior(priors.get(i), classes, view.size) for i in range(begin, end)]
        logits = run_network(network, torch.cat([context, torch.stack(packed)], dim=1), compute)
        fused = fuse(logits, None)
        for offset, index in enumerate(range(begin, end)):
            if index in priors:
                fused[offset] = fuse(logits[offset : offset + 1] * trust, priors[index].distance[None])[0]
            elif ends is not None:
                fused[offset][ends.absent(index)] -= _PRIOR_LIMIT * PRIOR_WEIGHT
        scores[:, begin:end] = fused[:, :, inner[0], inner[1]].transpose(0, 1).half()
        on_fraction(end / view.count)
    return scores
