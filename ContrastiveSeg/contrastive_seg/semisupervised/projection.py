"""Maps of both networks brought into one space, where their pixels can be compared.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

HIDDEN, OUTPUT = 256, 128


class _TokenNorm(nn.LayerNorm):
    """Layer norm over the channels at each place of (n, channels, h, w), as attention has it for tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class SharedProjection(nn.Module):
    """A 1x1 convolution for each network, ReLU, and one 1x1 convolution that they share.

    Args:
        channels: Of each network's map.
        normalise: Whether each map is layer-normalised first, place by place (those of attention are).
    """

    def __init__(self, channels: Sequence[int], normalise: Sequence[bool] | None = None) -> None:
        super().__init__()
        wanted = normalise or [False] * len(channels)
        self.first = nn.ModuleList(
            nn.Sequential(
                _TokenNorm(count) if norm else nn.Identity(), nn.Conv2d(count, HIDDEN, 1), nn.ReLU()
            )
            for count, norm in zip(channels, wanted, strict=True)
        )
        self.shared = nn.Conv2d(HIDDEN, OUTPUT, 1)

    def forward(self, pixels: Sequence[torch.Tensor]) -> torch.Tensor:
        """(all pixels, 128) of some pixels (m, channels) of each network's map, network by network.

        A convolution of 1x1 looks at one pixel, so those that nobody asks about need not be brought along.
        """
        columns = [first(one.t()[None, :, :, None]) for first, one in zip(self.first, pixels, strict=True)]
        found: torch.Tensor = self.shared(torch.cat(columns, dim=2))
        return found[0, :, :, 0].t()
