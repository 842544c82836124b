"""A 2D U-Net of shifted-window attention, on MONAI's Swin blocks.

Cao et al., "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation", ECCV Workshops
2022; the second network of Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised
Medical Image Segmentation", BMVC 2023.
"""

from __future__ import annotations

import math

import torch
from monai.networks.nets.swin_unetr import (
    PatchEmbed,
    PatchMergingV2,
    SwinTransformerBlock,
    compute_mask,
    get_window_size,
)
from torch import nn

from contrastive_seg.networks.encoder_decoder import EncoderDecoder, LevelDecoder

PATCH, WINDOW = 4, 7
DEPTH = 2
HEADS = (3, 6, 12, 24)
DROP_PATH = 0.2


class SwinStage(nn.Module):
    """Two blocks, the second with shifted windows.

    Args:
        dimension: Channels.
        heads: Of the attention.
        drop_path: Probability of leaving each block out.
    """

    def __init__(self, dimension: int, heads: int, drop_path: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinTransformerBlock(dimension, heads, (WINDOW,) * 2, (shift,) * 2, drop_path=rate)
            for shift, rate in zip((0, WINDOW // 2), drop_path, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, dimension, h, w) of any size, the same shape."""
        size = (x.shape[-2], x.shape[-1])
        window, shift = get_window_size(size, (WINDOW,) * 2, (WINDOW // 2,) * 2)  # type: ignore[no-untyped-call]
        padded = [math.ceil(length / part) * part for length, part in zip(size, window, strict=True)]
        mask = compute_mask(padded, window, shift, x.device)  # type: ignore[no-untyped-call]
        x = x.movedim(1, -1)
        for block in self.blocks:
            x = block(x, mask)
        return x.movedim(-1, 1)


class PatchExpand(nn.Module):
    """More resolution for fewer channels, the opposite of patch merging.

    Args:
        dimension: Channels before.
        factor: Of the resolution.
        channels: Afterwards.
    """

    def __init__(self, dimension: int, factor: int, channels: int) -> None:
        super().__init__()
        self.expand = nn.Linear(dimension, factor * factor * channels, bias=False)
        self.norm = nn.LayerNorm(channels)
        self.factor, self.channels = factor, channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, dimension, h, w) to (B, channels, factor h, factor w)."""
        count, _, height, width = x.shape
        f = self.factor
        y = self.expand(x.movedim(1, -1)).view(count, height, width, f, f, self.channels)
        y = self.norm(y).permute(0, 5, 1, 3, 2, 4)
        whole: torch.Tensor = y.reshape(count, self.channels, height * f, width * f)
        return whole


class SwinUNetEncoder(nn.Module):
    """Patches of 4 x 4 pixels and four stages of two blocks each.

    Args:
        in_channels: Channels of the input image.
        width: Channels of the first stage, a multiple of 3 (heads); 96 was published.
    """

    def __init__(self, in_channels: int = 3, width: int = 96) -> None:
        super().__init__()
        self.embed = PatchEmbed(PATCH, in_channels, width, norm_layer=nn.LayerNorm, spatial_dims=2)
        self.channels = [width * 2**i for i in range(len(HEADS))]
        rates = torch.linspace(0, DROP_PATH, DEPTH * len(HEADS)).tolist()
        self.layers = nn.ModuleList(
            SwinStage(self.channels[i], HEADS[i], rates[DEPTH * i : DEPTH * (i + 1)])
            for i in range(len(HEADS))
        )
        self.merge = nn.ModuleList(PatchMergingV2(one, spatial_dims=2) for one in self.channels[:-1])
        self.norm = nn.LayerNorm(self.channels[-1])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Maps at 1/4, 1/8, 1/16 and, normalised, 1/32 of the size, before each merging."""
        x = self.embed(x)
        features = []
        for stage, layer in enumerate(self.layers):
            x = layer(x)
            features.append(x)
            if stage < len(self.merge):
                x = self.merge[stage](x.movedim(1, -1)).movedim(-1, 1)
        features[-1] = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return features


class SwinUNetDecoder(LevelDecoder):
    """Mirrors the encoder; every stage joins the encoder's map of its resolution.

    Args:
        width: As the encoder's.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        channels = [width * 2**i for i in range(len(HEADS))]
        rates = torch.linspace(0, DROP_PATH, DEPTH * len(HEADS)).tolist()
        stages = range(len(HEADS) - 1)
        self.up = nn.ModuleList(PatchExpand(channels[i + 1], 2, channels[i]) for i in stages)
        self.join = nn.ModuleList(nn.Linear(2 * channels[i], channels[i]) for i in stages)
        self.layers = nn.ModuleList(
            SwinStage(channels[i], HEADS[i], rates[DEPTH * i : DEPTH * (i + 1)]) for i in stages
        )
        self.norm = nn.LayerNorm(width)
        self.last = PatchExpand(width, PATCH, width)

    def maps(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """Maps at 1/16, 1/8, 1/4 (normalised) and the full size, from the encoder's list."""
        x, found = features[-1], []
        for stage in reversed(range(len(self.layers))):
            joined = torch.cat([self.up[stage](x), features[stage]], dim=1)
            x = self.layers[stage](self.join[stage](joined.movedim(1, -1)).movedim(-1, 1))
            found.append(x)
        found[-1] = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return [*found, self.last(found[-1])]


class SwinUNet(EncoderDecoder):
    """Swin-UNet tiny; 27 168 420 parameters with three input channels and four classes.

    Args:
        in_channels: Channels of the input image, whose sides are multiples of 32.
        classes: Output channels.
        width: Channels of the first stage.
    """

    def __init__(self, in_channels: int = 3, classes: int = 4, width: int = 96) -> None:
        super().__init__(
            SwinUNetEncoder(in_channels, width),
            SwinUNetDecoder(width),
            nn.Conv2d(width, classes, 1, bias=False),
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
