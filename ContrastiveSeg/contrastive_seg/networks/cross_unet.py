"""The convolutional network of multi-scale cross contrast.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.networks.encoder_decoder import EncoderDecoder, LevelDecoder
from contrastive_seg.networks.pooled_levels import PooledLevels

CHANNELS = (16, 32, 64, 128, 256)
DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""After the first convolution of each level."""


def _conv_block(channels_in: int, channels_out: int, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.01),
        nn.Dropout(dropout),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.01),
    )


class CrossUNetEncoder(PooledLevels):
    """Five levels of 16 to 256 channels, each with dropout.

    Args:
        in_channels: Channels of the input image.
    """

    def __init__(self, in_channels: int = 1) -> None:
        inputs = (in_channels, *CHANNELS[:-1])
        blocks = [_conv_block(*sizes) for sizes in zip(inputs, CHANNELS, DROPOUT, strict=True)]
        super().__init__(blocks, CHANNELS)


class CrossUNetDecoder(LevelDecoder):
    """1x1 convolution, bilinear up-sampling, concatenated skip, two convolutions, for each level."""

    def __init__(self) -> None:
        super().__init__()
        pairs = list(zip(CHANNELS[1:], CHANNELS[:-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(below, own, 1) for below, own in pairs)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.blocks = nn.ModuleList(_conv_block(2 * own, own) for _, own in pairs)

    def maps(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """What every level makes of the encoder's list, from the coarsest: 128, 64, 32, 16 channels."""
        x, found = features[-1], []
        for level in reversed(range(len(self.blocks))):
            x = self.blocks[level](torch.cat([features[level], self.up(self.narrow[level](x))], dim=1))
            found.append(x)
        return found


class CrossUNet(EncoderDecoder):
    """U-Net with 1 813 764 parameters (one input channel, four classes).

    Args:
        in_channels: Channels of the input image, whose sides are multiples of 16.
        classes: Output channels.
    """

    def __init__(self, in_channels: int = 1, classes: int = 4) -> None:
        super().__init__(
            CrossUNetEncoder(in_channels),
            CrossUNetDecoder(),
            nn.Conv2d(CHANNELS[0], classes, 3, padding=1),
        )
