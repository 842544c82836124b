"""SimCLR's loss: the other view is the positive.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
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


class NTXentLoss(nn.Module):
    """Normalised temperature-scaled cross-entropy.

    Args:
        temperature: Above zero; 0.1 is usual.
        base_temperature: The loss is multiplied by temperature / base_temperature; None for no
            factor. 0.07 gives the factor of code derived from SupContrast.

    Raises:
        ValueError: When a temperature is not above zero.
    """

    def __init__(self, temperature: float = 0.1, base_temperature: float | None = None) -> None:
        super().__init__()
        self.scale = temperature_scale(temperature, base_temperature)
        self.temperature = temperature

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length.
        """
        slices, views = features.shape[:2]
        vectors = flatten_views(features)
        identity = repeat_for_views(torch.arange(slices, device=features.device), views)
        with torch.autocast(features.device.type, enabled=False):
            logits = similarities(vectors, self.temperature)
            return self.scale * masked_info_nce(logits, identity[:, None] == identity)
