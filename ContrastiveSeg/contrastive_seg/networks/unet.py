"""The 2D U-Net of positional contrastive learning, the default network.

Zeng et al., "Positional Contrastive Learning for Volumetric Medical Image Segmentation",
MICCAI 2021.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.networks.encoder_decoder import EncoderDecoder, LevelDecoder
from contrastive_seg.networks.pooled_levels import PooledLevels


def _conv_block(channels_in: int, channels_out: int, *, normalise: bool = True) -> nn.Sequential:
    """Two 3x3 convolutions; the centre of the published network has ReLU and no normalisation."""
    layers: list[nn.Module] = []
    for channels in (channels_in, channels_out):
        layers.append(nn.Conv2d(channels, channels_out, 3, padding=1))
        if normalise:
            layers += [nn.BatchNorm2d(channels_out), nn.LeakyReLU(0.01)]
        else:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class UNetEncoder(PooledLevels):
    """Four levels of width f, 2f, 4f, 8f and a centre of 16f channels.

    Args:
        in_channels: Channels of the input image.
        width: f, channels of the first level.
        levels: Number of poolings.
    """

    def __init__(self, in_channels: int = 1, width: int = 32, levels: int = 4) -> None:
        channels = [width * 2**i for i in range(levels + 1)]
        inputs = [in_channels, *channels[:-1]]
        blocks = [_conv_block(inputs[i], channels[i], normalise=i < levels) for i in range(levels + 1)]
        super().__init__(blocks, channels)


class UNetDecoder(LevelDecoder):
    """Transposed convolution, concatenated skip, two convolutions, for each level upwards."""

    def __init__(self, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        channels = [width * 2**i for i in range(levels + 1)]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(channels[i + 1], channels[i], 2, stride=2) for i in range(levels)
        )
        self.blocks = nn.ModuleList(_conv_block(2 * channels[i], channels[i]) for i in range(levels))

    def partial(self, features: list[torch.Tensor], blocks: int) -> torch.Tensor:
        """What the first ``blocks`` levels upwards make of the encoder's list."""
        return self.maps(features, blocks)[-1]

    def maps(self, features: list[torch.Tensor], blocks: int | None = None) -> list[torch.Tensor]:
        """What every level upwards makes of the encoder's list, from the coarsest."""
        x, found = features[-1], []
        first = 0 if blocks is None else len(self.blocks) - blocks
        for i in reversed(range(first, len(self.blocks))):
            x = self.blocks[i](torch.cat([self.up[i](x), features[i]], dim=1))
            found.append(x)
        return found


class UNet(EncoderDecoder):
    """U-Net with a bias-free 1x1 head.

    With width 32, one input channel and 8 classes it has 7 763 584 parameters, of which the
    encoder has 4 713 568.

    Args:
        in_channels: Channels of the input image.
        classes: Output channels, background included.
        width: f, channels of the first level.
        levels: Number of poolings; H and W of the input must be multiples of 2**levels.
    """

    def __init__(self, in_channels: int = 1, classes: int = 2, width: int = 32, levels: int = 4) -> None:
        super().__init__(
            UNetEncoder(in_channels, width, levels),
            UNetDecoder(width, levels),
            nn.Conv2d(width, classes, 1, bias=False),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
