"""Dice and cross-entropy where the truth is known, and nowhere else."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class MaskedDiceCELoss(nn.Module):
    """Sum of Dice loss (foreground classes, over the batch) and cross-entropy of known pixels.

    Args:
        class_weights: Weight of each class in the cross-entropy, (C,); None for equal weights.
    """

    def __init__(self, class_weights: torch.Tensor | None = None) -> None:
        super().__init__()
        from monai.losses import DiceLoss  # takes seconds; the first mask does not wait for it

        self.dice = DiceLoss(include_background=False, batch=True, smooth_nr=1.0, smooth_dr=1.0)
        self.class_weights: torch.Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            logits: (B, C, H, W).
            truth: Share of each class, (B, C, H, W); arbitrary where unknown.
            known: 1 where the truth is known, else 0, (B, 1, H, W).
        """
        logits = logits.float()
        log_probability = F.log_softmax(logits, dim=1)
        weighted = truth if self.class_weights is None else truth * self.class_weights.view(1, -1, 1, 1)
        cross_entropy = -(weighted * log_probability).sum(dim=1, keepdim=True)
        # Masked after the softmax: masking logits before it would call unknown pixels undecided.
        mean = (cross_entropy * known).sum() / known.sum().clamp(min=1.0)
        dice: torch.Tensor = self.dice(log_probability.exp() * known, truth * known)
        return mean + dice
