"""What two networks tell each other about slices that nobody has painted.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

PEAK = 0.1
"""Weight of the cross supervision when it has grown up."""

RAMP = 30_000
"""Steps until then, as published."""

_STAIR = 150
"""Steps between two changes of the weight, of 30 000."""


def consistency_weight(step: int, ramp: int = RAMP) -> float:
    """Weight of the cross supervision, 0.1 exp(-5 (1 - e/200)^2) with e of 200 stairs climbed.

    Args:
        step: Steps done.
        ramp: Steps until the weight is whole.
    """
    stair = max(1, ramp * _STAIR // RAMP)
    climbed = min(1.0, (step // stair) * stair / ramp) if ramp else 1.0
    return PEAK * math.exp(-5 * (1 - climbed) ** 2)


def dice_loss(probabilities: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Mean over classes of 1 - (2 sum pg + e) / (sum p^2 + sum g^2 + e), background included.

    Args:
        probabilities: (n, C, h, w).
        classes: (n, h, w), 0 to C-1.
    """
    truth = F.one_hot(classes, probabilities.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    axes = (0, 2, 3)
    shared = (probabilities * truth).sum(axes)
    total = probabilities.square().sum(axes) + truth.sum(axes)
    return (1 - (2 * shared + 1e-5) / (total + 1e-5)).mean()


def cross_loss(logits: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Dice of a network's probabilities against the classes that the other one chooses.

    Args:
        logits: (n, C, h, w) of the network that learns.
        other: (n, C, h, w) logits of the one that teaches; gets no gradient.
    """
    return dice_loss(logits.float().softmax(dim=1), other.detach().argmax(dim=1))
