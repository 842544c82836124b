"""The network that is pretrained: an encoder, and a decoder for methods that use one."""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.networks.build import build_network


class Backbone(nn.Module):
    """Encoder and decoder of a segmentation network, under the names they have in it.

    Args:
        network: ``unet``, ``echo-unet`` or ``deeplabv3``.
        in_channels: Channels of the image.
        width: Of the U-Net.
        decoder: Whether the decoder is pretrained too.
    """

    def __init__(self, network: str, in_channels: int, width: int, decoder: bool = False) -> None:
        super().__init__()
        whole = build_network(network, in_channels, 2, width)
        self.network = network
        self.encoder = whole.get_submodule("encoder")
        self.channels: list[int] = self.encoder.channels  # type: ignore[assignment]
        self.decoder = whole.get_submodule("decoder") if decoder else None

    @property
    def dimension(self) -> int:
        """Channels of the last feature map."""
        return self.channels[-1]

    @property
    def parts(self) -> tuple[str, ...]:
        """What is pretrained."""
        return ("encoder",) if self.decoder is None else ("encoder", "decoder")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map, (B, dimension, h, w)."""
        last: torch.Tensor = self.encoder(images)[-1]
        return last

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """The mean of the last feature map, (B, dimension)."""
        return self.forward(images).mean(dim=(2, 3))


def mlp(
    dimensions: tuple[int, ...], *, norm: bool = False, bias: bool = True, last_bias: bool = True
) -> nn.Sequential:
    """Linear layers with ReLU (after batch norm, where wanted) between them."""
    layers: list[nn.Module] = []
    last = len(dimensions) - 2
    for index in range(len(dimensions) - 1):
        wanted = bias if index < last else last_bias
        layers.append(nn.Linear(dimensions[index], dimensions[index + 1], bias=wanted))
        if index < last:
            layers += [nn.BatchNorm1d(dimensions[index + 1])] if norm else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)
