"""DeepLabV3 with a dilated ResNet-50, built on MONAI's residual blocks.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.networks.nets.resnet import ResNet, ResNetBottleneck
from torch import nn

RATES = (12, 24, 36)
"""Dilations of the pyramid at output stride 8."""

_WIDTH = 256


def _dilate(stage: nn.Sequential, before: int, dilation: int) -> None:
    """Replaces a stage's stride by dilation; its first block still has the dilation before it."""
    for index, block in enumerate(stage):
        assert isinstance(block, ResNetBottleneck)
        rate = before if index == 0 else dilation
        convolution = block.conv2
        convolution.stride, convolution.dilation, convolution.padding = (1, 1), (rate, rate), (rate, rate)
        if isinstance(block.downsample, nn.Sequential):
            first = block.downsample[0]
            assert isinstance(first, nn.Conv2d)
            first.stride = (1, 1)


class ResNetEncoder(nn.Module):
    """ResNet-50 at output stride 8: 2048 channels at an eighth of the resolution.

    Args:
        in_channels: Channels of the input image.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.channels = [64, 256, 512, 1024, 2048]
        self.body = ResNet(
            ResNetBottleneck,
            [3, 4, 6, 3],
            [64, 128, 256, 512],
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            feed_forward=False,
            bias_downsample=False,
        )
        _dilate(self.body.layer3, 1, 2)
        _dilate(self.body.layer4, 2, 4)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of the stem (B, 64, H/2, W/2) and the four stages, the last (B, 2048, H/8, W/8)."""
        body = self.body
        stem = body.act(body.bn1(body.conv1(x)))
        features = [stem]
        x = body.maxpool(stem)
        for stage in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = stage(x)
            features.append(x)
        return features


class AtrousPyramid(nn.Module):
    """Five looks at the features: 1x1, three dilated 3x3, and the mean of the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([_conv(channels, _WIDTH, 1)])
        self.branches.extend(_conv(channels, _WIDTH, 3, rate) for rate in RATES)
        self.pooled = nn.Conv2d(channels, _WIDTH, 1, bias=False)
        self.pooled_norm = nn.BatchNorm2d(_WIDTH)
        self.project = nn.Sequential(_conv(_WIDTH * 5, _WIDTH, 1), nn.Dropout(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 256, h, w) for features (B, channels, h, w)."""
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True))
        norm = self.pooled_norm
        if self.training and len(x) == 1:
            # One value a channel has no variance: the running one is used.
            pooled = F.batch_norm(
                pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        else:
            pooled = norm(pooled)
        pooled = torch.relu(pooled).expand(-1, -1, *x.shape[2:])
        joined: torch.Tensor = self.project(torch.cat([*(b(x) for b in self.branches), pooled], dim=1))
        return joined


def _conv(channels_in: int, channels_out: int, size: int, rate: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            channels_in,
            channels_out,
            size,
            padding=rate if size == 3 else 0,
            dilation=rate if size == 3 else 1,
            bias=False,
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class DeepLabV3(nn.Module):
    """DeepLabV3 at output stride 8, without an auxiliary head.

    Args:
        in_channels: Channels of the input image.
        classes: Output channels.
    """

    def __init__(self, in_channels: int = 3, classes: int = 1) -> None:
        super().__init__()
        self.encoder = ResNetEncoder(in_channels)
        self.decoder = nn.Sequential(AtrousPyramid(2048), _conv(_WIDTH, _WIDTH, 3))
        self.head = nn.Conv2d(_WIDTH, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, H, W) for images (B, in_channels, H, W)."""
        logits = self.head(self.decoder(self.encoder(x)[-1]))
        return F.interpolate(logits, x.shape[2:], mode="bilinear", align_corners=False)
