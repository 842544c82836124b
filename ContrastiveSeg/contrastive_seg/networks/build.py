"""The networks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NETWORKS: tuple[str, ...] = ("unet", "echo-unet", "deeplabv3")

FIRST = {
    "unet": "levels.0.0.weight",
    "echo-unet": "levels.0.0.weight",
    "deeplabv3": "body.conv1.weight",
}
"""Name, within the encoder, of the convolution that sees the image."""


def build_network(name: str, in_channels: int, classes: int, width: int | None = None) -> nn.Module:
    """A segmentation network with the children ``encoder``, ``decoder`` and ``head``, weights random.

    Args:
        name: One of :data:`NETWORKS`.
        in_channels: Channels of the input image.
        classes: Output channels.
        width: Channels of the U-Net's first level, 32 where it is not said; the others have one width.
    """
    # Each network is imported by itself: MONAI, which DeepLabV3 is built on, takes seconds.
    if name == "unet":
        from contrastive_seg.networks.unet import UNet

        return UNet(in_channels, classes, width or 32)
    if name == "echo-unet":
        from contrastive_seg.networks.echo_unet import EchoUNet

        return EchoUNet(in_channels, classes)
    if name == "deeplabv3":
        from contrastive_seg.networks.deeplabv3 import DeepLabV3

        return DeepLabV3(in_channels, classes)
    raise ValueError(f"there is no network called {name!r}, only {', '.join(NETWORKS)}")
