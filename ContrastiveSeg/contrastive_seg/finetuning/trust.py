"""For which structures the network may be listened to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from contrastive_seg.compute import Compute
from contrastive_seg.finetuning.case_data import PreparedView
from contrastive_seg.finetuning.samples import pack_prior
from contrastive_seg.inference.scores import network_scores, run_network, trust_after
from contrastive_seg.priors.vote import prior_scores

_MOST = 12
"""Annotated slices to ask, spread over all of them."""

_MARGIN = 0.1
"""By how much Dice has to fall for the network to lose its whole say."""


def class_trust(
    prepared: Sequence[PreparedView], network: nn.Module, classes: int, steps: int, compute: Compute
) -> torch.Tensor:
    """Weight of the network beside the prior by foreground class, (C-1, 1, 1).

    With many structures and little time the network has not seen enough of the small ones and takes
    them for background, which the prior knows better. So annotated slices are segmented with what
    the others say about them, with and without the network: where it makes a structure worse, its
    weight falls. The slices were trained on, so one that fails even there has not learnt it.

    Args:
        prepared: Views of the case.
        network: That is to predict.
        classes: Number of classes, background included.
        steps: That it was trained.
        compute: Where to run.
    """
    trust = trust_after(steps, classes)
    slices = [s for one in prepared for s in one.samples if s.left_out and not s.held_out]
    slices = slices[:: max(1, -(-len(slices) // _MOST))]
    network.eval()
    # By class: overlap and size, without the network and with it.
    counts = torch.zeros(2, 2, classes)
    for sample in slices:
        # As it is at the gaps that are to be bridged: what the other slices say of this one comes from
        # twice as far, and beside that any network looks good.
        prior = sample.imitated_prior(np.random.default_rng(sample.index)) or sample.left_out[0]
        size = (sample.soft.shape[1], sample.soft.shape[2])
        inputs = torch.cat([sample.view.context([sample.index])[0], pack_prior(prior, classes, size)])
        alone = prior_scores(prior.distance)
        with_network = alone + trust * network_scores(run_network(network, inputs[None], compute))[0]
        soft = sample.soft.float()
        known, truth = soft[-1] > 0.5, soft[:-1].argmax(dim=0)
        for row, scores in enumerate((alone, with_network)):
            predicted = torch.cat([torch.zeros_like(scores[:1]), scores]).argmax(dim=0)
            for c in sample.classes:
                mine, theirs = (predicted == c) & known, (truth == c) & known
                counts[row, 0, c] += 2 * (mine & theirs).sum()
                counts[row, 1, c] += mine.sum() + theirs.sum()
    dice = counts[:, 0] / counts[:, 1].clamp(min=1)
    loss = (dice[0] - dice[1]).clamp(min=0)[1:]
    return trust * (1 - loss / _MARGIN).clamp(min=0)[:, None, None]
