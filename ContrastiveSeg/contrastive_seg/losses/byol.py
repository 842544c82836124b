"""BYOL's loss: a prediction of the target network's embedding, without negatives.

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.losses.info_nce import at_least_float32


class BYOLLoss(nn.Module):
    """``2 - 2 cos(prediction, target)``, mean over the batch, 0 to 4.

    The symmetric loss of the paper is the sum over both assignments of the views.
    """

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            prediction: (n, dim), of any length.
            target: (n, dim), of any length; gets no gradient.

        Raises:
            ValueError: When the shapes differ.
        """
        if prediction.shape != target.shape:
            raise ValueError(f"the shapes {tuple(prediction.shape)} and {tuple(target.shape)} differ")
        with torch.autocast(prediction.device.type, enabled=False):
            cosine = F.cosine_similarity(
                at_least_float32(prediction), at_least_float32(target.detach()), dim=-1
            )
            return (2 - 2 * cosine).mean()
