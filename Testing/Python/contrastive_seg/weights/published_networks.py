"""Networks that name their parts as the original repositories do, to make checkpoints of that kind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def _conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.LeakyReLU()
    )


class PositionalEncoder(nn.Module):
    """The encoder of PCL and MACL."""

    def __init__(self, in_channels: int, f: int) -> None:
        super().__init__()
        before = in_channels
        for level in range(1, 5):
            width = f * 2 ** (level - 1)
            self.add_module(f"contr_{level}_1", _conv(before, width))
            self.add_module(f"contr_{level}_2", _conv(width, width))
            before = width
        self.center = nn.Sequential(
            nn.Conv2d(8 * f, 16 * f, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16 * f, 16 * f, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for level in range(1, 5):
            x = getattr(self, f"contr_{level}_2")(getattr(self, f"contr_{level}_1")(x))
            maps.append(x)
            x = F.max_pool2d(x, 2)
        return [*maps, self.center(x)]


class PositionalDecoder(nn.Module):
    """The decoder of PCL and MACL."""

    def __init__(self, f: int) -> None:
        super().__init__()
        for level in range(1, 5):
            width = f * 2 ** (level - 1)
            self.add_module(f"upscale{level + 1}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"expand_{level}_1", _conv(2 * width, width))
            self.add_module(f"expand_{level}_2", _conv(width, width))
        self.head = nn.Sequential(nn.Conv2d(f, 3, 1, bias=False))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        x = maps[-1]
        for level in range(4, 0, -1):
            x = torch.cat([getattr(self, f"upscale{level + 1}")(x), maps[level - 1]], dim=1)
            x = getattr(self, f"expand_{level}_2")(getattr(self, f"expand_{level}_1")(x))
        return x


class _Double(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, between: int | None = None) -> None:
        super().__init__()
        middle = between or channels_out
        layers: list[nn.Module] = []
        for first, second in ((channels_in, middle), (middle, channels_out)):
            layers += [nn.Conv2d(first, second, 3, padding=1), nn.BatchNorm2d(second), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.double_conv(x)


class _Down(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _Double(channels_in, channels_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maxpool_conv(x)


class EchoEncoder(nn.Module):
    """The U-Net encoder of contrastive-echo, with its unused last layer."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.inc = _Double(in_channels, 64)
        for level, (before, after) in enumerate(((64, 128), (128, 256), (256, 512), (512, 512)), 1):
            self.add_module(f"down{level}", _Down(before, after))
        self.fc = nn.Linear(512, 1)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = [self.inc(x)]
        for level in range(1, 5):
            maps.append(getattr(self, f"down{level}")(maps[-1]))
        return maps


class EchoNetwork(EchoEncoder):
    """The whole U-Net of contrastive-echo."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__(in_channels)
        for level, (before, after) in enumerate(((1024, 256), (512, 128), (256, 64), (128, 64)), 1):
            up = nn.Module()
            up.conv = _Double(before, after, before // 2)
            self.add_module(f"up{level}", up)

    def decoded(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.forward(x)
        x = maps[-1]
        for level in range(1, 5):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = getattr(self, f"up{level}").conv(torch.cat([maps[4 - level], x], dim=1))
        return x


def trained(network: nn.Module, channels: int) -> nn.Module:
    """The network with statistics of batch norm that are not the first ones."""
    torch.manual_seed(1)
    with torch.no_grad():
        network.train()(torch.randn(4, channels, 32, 32))
    return network.eval()
