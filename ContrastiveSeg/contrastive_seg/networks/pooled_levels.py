"""The contracting path that the U-Nets share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class PooledLevels(nn.Module):
    """Convolution blocks with a halving of the resolution between them.

    Args:
        blocks: One a level, the finest first.
        channels: Output channels of each.
    """

    def __init__(self, blocks: Sequence[nn.Module], channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = list(channels)
        self.levels = nn.ModuleList(blocks)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps from full resolution, (B, channels[0], H, W), to the coarsest."""
        features: list[torch.Tensor] = []
        for i, level in enumerate(self.levels):
            x = level(x if i == 0 else self.pool(x))
            features.append(x)
        return features
