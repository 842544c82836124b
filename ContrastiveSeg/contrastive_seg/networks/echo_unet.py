"""The U-Net of contrastive pretraining for echocardiography.

Saeed et al., "Contrastive Pretraining for Echocardiography Segmentation with Limited Data",
MIUA 2022.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.networks.encoder_decoder import EncoderDecoder, LevelDecoder
from contrastive_seg.networks.pooled_levels import PooledLevels

CHANNELS = (64, 128, 256, 512, 512)


def _conv_block(channels_in: int, channels_out: int, channels_between: int | None = None) -> nn.Sequential:
    between = channels_between or channels_out
    layers: list[nn.Module] = []
    for first, second in ((channels_in, between), (between, channels_out)):
        layers += [nn.Conv2d(first, second, 3, padding=1), nn.BatchNorm2d(second), nn.ReLU()]
    return nn.Sequential(*layers)


class EchoUNetEncoder(PooledLevels):
    """The contracting path, 64 to 512 channels.

    Args:
        in_channels: Channels of the input image.
    """

    def __init__(self, in_channels: int = 3) -> None:
        inputs = (in_channels, *CHANNELS[:-1])
        super().__init__([_conv_block(i, o) for i, o in zip(inputs, CHANNELS, strict=True)], CHANNELS)


class EchoUNetDecoder(LevelDecoder):
    """Bilinear up-sampling, concatenated skip, two convolutions, for each level upwards."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        outputs = (64, 64, 128, 256)
        self.blocks = nn.ModuleList()
        for level, output in enumerate(outputs):
            below = CHANNELS[4] if level == 3 else outputs[level + 1]
            joined = below + CHANNELS[level]
            self.blocks.append(_conv_block(joined, output, joined // 2))

    def maps(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """What every level upwards makes of the encoder's list, from the coarsest."""
        x, found = features[-1], []
        for level in reversed(range(len(self.blocks))):
            x = self.blocks[level](torch.cat([features[level], self.up(x)], dim=1))
            found.append(x)
        return found


class EchoUNet(EncoderDecoder):
    """U-Net with bilinear up-sampling; 17 267 393 parameters with 3 input and 1 output channels.

    Args:
        in_channels: Channels of the input image, whose sides are multiples of 16.
        classes: Output channels; 1 for a single logit of the foreground.
    """

    def __init__(self, in_channels: int = 3, classes: int = 1) -> None:
        super().__init__(EchoUNetEncoder(in_channels), EchoUNetDecoder(), nn.Conv2d(CHANNELS[0], classes, 1))
