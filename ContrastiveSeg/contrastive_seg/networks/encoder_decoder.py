"""What the networks with an encoder, a decoder of several levels and a head share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class LevelDecoder(nn.Module, ABC):
    """A decoder that makes a map on every level upwards."""

    @abstractmethod
    def maps(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """What every level makes of the encoder's list, from the coarsest."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Full-resolution features (B, C, H, W) from the encoder's list."""
        return self.maps(features)[-1]


class EncoderDecoder(nn.Module):
    """Calls one after the other.

    Args:
        encoder: Gives a list of maps, the finest first.
        decoder: Gives full-resolution features from it.
        head: Gives logits from those.
    """

    def __init__(self, encoder: nn.Module, decoder: LevelDecoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head = encoder, decoder, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, H, W) for images (B, in_channels, H, W)."""
        logits: torch.Tensor = self.head(self.decoder(self.encoder(x)))
        return logits
