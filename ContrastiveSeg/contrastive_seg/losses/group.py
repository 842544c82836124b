"""The global part of global and local contrastive learning: slices of one partition are positives.

Chaitanya et al., "Contrastive learning of global and local features for medical image segmentation
with limited annotations", NeurIPS 2020.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.losses.info_nce import (
    flatten_views,
    masked_info_nce,
    repeat_for_views,
    similarities,
    temperature_scale,
)


class GroupContrastiveLoss(nn.Module):
    """InfoNCE in which all vectors of slices of the same partition are positives.

    Args:
        temperature: Above zero; 0.1 is usual.
        base_temperature: See :class:`~contrastive_seg.losses.NTXentLoss`.

    Raises:
        ValueError: When a temperature is not above zero.
    """

    def __init__(self, temperature: float = 0.1, base_temperature: float | None = None) -> None:
        super().__init__()
        self.scale = temperature_scale(temperature, base_temperature)
        self.temperature = temperature

    def forward(self, features: torch.Tensor, partitions: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length.
            partitions: (slices,) integers, the part of the volume that a slice comes from.

        Raises:
            ValueError: When there is not one partition a slice.
        """
        slices, views = features.shape[:2]
        partitions = torch.as_tensor(partitions, device=features.device)
        if partitions.shape != (slices,):
            raise ValueError(f"partitions have the shape {tuple(partitions.shape)}, not ({slices},)")
        vectors = flatten_views(features)
        part = repeat_for_views(partitions, views)
        with torch.autocast(features.device.type, enabled=False):
            logits = similarities(vectors, self.temperature)
            return self.scale * masked_info_nce(logits, part[:, None] == part)
