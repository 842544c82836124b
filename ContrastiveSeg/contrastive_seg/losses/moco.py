"""MoCo's loss: one key of the momentum encoder against a queue of earlier ones.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020;
Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.losses.info_nce import at_least_float32, check_temperature


class MoCoLoss(nn.Module):
    """Cross-entropy of a query's similarity to its key among those to the queue.

    Args:
        temperature: Above zero; 0.2 in MoCo v2.

    Raises:
        ValueError: When the temperature is not above zero.
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, query: torch.Tensor, key: torch.Tensor, queue: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            query: (n, dim), of any length.
            key: (n, dim), of any length; gets no gradient.
            queue: (dim, length), columns of unit length; gets no gradient.

        Raises:
            ValueError: When the shapes do not fit.
        """
        if query.shape != key.shape or queue.ndim != 2 or queue.shape[0] != query.shape[1]:
            raise ValueError(
                f"query {tuple(query.shape)}, key {tuple(key.shape)} and queue {tuple(queue.shape)} do not "
                "fit: (n, dim), (n, dim) and (dim, length) are needed"
            )
        with torch.autocast(query.device.type, enabled=False):
            unit_query = F.normalize(at_least_float32(query), dim=1)
            unit_key = F.normalize(at_least_float32(key.detach()), dim=1)
            positive = (unit_query * unit_key).sum(dim=1, keepdim=True)
            negative = unit_query @ queue.detach().to(unit_query.dtype)
            logits = torch.cat([positive, negative], dim=1) / self.temperature
            target = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
            return F.cross_entropy(logits, target)
