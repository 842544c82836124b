"""An honest estimate of Dice from annotated slices the network was not trained on."""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.case_data import PreparedView
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.samples import TrainingSlice, context_images, pack_prior
from contrastive_seg.inference.scores import network_scores, run_network
from contrastive_seg.priors.vote import prior_scores


def _slice_scores(sample: TrainingSlice, network: nn.Module, classes: int, compute: Compute) -> torch.Tensor:
    """Scores (C-1, H, W) of a slice as if it had not been annotated."""
    prior = sample.left_out[0] if sample.left_out else None
    size = (sample.soft.shape[1], sample.soft.shape[2])
    packed = pack_prior(prior, classes, size)
    inputs = torch.cat([context_images(sample.view, sample.index), packed])[None]
    logits = run_network(network, inputs, compute)
    scores = network_scores(logits)[0]
    return scores if prior is None else scores + prior_scores(prior.distance)


def estimate_dice(
    prepared: list[PreparedView], network: nn.Module, architecture: Architecture, compute: Compute
) -> dict[int, float]:
    """Dice by label value, pooled over the held-out slices.

    Each is predicted as if it had not been annotated: the prior is propagated from the others. Empty
    where nothing is held out because too few slices are annotated; a class that no held-out slice
    shows has no estimate.
    """
    classes = len(architecture.values)
    held = [s for p in prepared for s in p.samples if s.held_out]
    network.eval()
    overlap = torch.zeros(classes)
    total = torch.zeros(classes)
    for sample in held:
        scores = _slice_scores(sample, network, classes, compute)
        background = torch.zeros_like(scores[:1])
        predicted = torch.cat([background, scores]).argmax(dim=0)
        soft = sample.soft.float()
        known = soft[-1] > 0.5
        truth = soft[:-1].argmax(dim=0)
        for c in range(1, classes):
            mine, theirs = (predicted == c) & known, (truth == c) & known
            overlap[c] += 2 * (mine & theirs).sum()
            total[c] += mine.sum() + theirs.sum()
    return {
        architecture.values[c]: round(float(overlap[c] / total[c]), 4)
        for c in range(1, classes)
        if total[c] > 0
    }
