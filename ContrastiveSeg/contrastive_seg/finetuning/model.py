"""The network of a run and what it was built for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn

from contrastive_seg.finetuning.samples import CONTEXT, prior_channels
from contrastive_seg.networks.build import FIRST, build_network


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build the network again.

    Attributes:
        values: Label values by class, background (0) first.
        width: Channels of the first level.
        pixel: Pixel size the network works at, mm.
        axes: Axes (0 axial, 1 coronal, 2 sagittal) the slices lie along, most annotated first.
        network: One of :data:`~contrastive_seg.networks.build.NETWORKS`.
    """

    values: tuple[int, ...]
    width: int
    pixel: float
    axes: tuple[int, ...] = (0,)
    network: str = "unet"

    @property
    def in_channels(self) -> int:
        """Context images and prior."""
        return CONTEXT + prior_channels(len(self.values))

    def build(self) -> nn.Module:
        """A network with random weights."""
        return build_network(self.network, self.in_channels, len(self.values), self.width)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def grow(network: nn.Module, old: Architecture, new: Architecture) -> nn.Module:
    """A network for more classes that starts from what the old one has learnt.

    Input channels (prior distance) and output channels of classes known before are copied, the rest
    starts afresh.
    """
    grown = new.build()
    state = grown.state_dict()
    known = {v: i for i, v in enumerate(old.values)}
    for key, value in network.state_dict().items():
        if key.startswith("head."):
            for i, v in enumerate(new.values):
                if v in known:
                    state[key][i] = value[known[v]]
        elif key == f"encoder.{FIRST[new.network]}":
            fixed = CONTEXT + 2
            state[key][:, :fixed] = value[:, :fixed]
            state[key][:, fixed:] = 0.0
            for i, v in enumerate(new.values[1:]):
                if v in known:
                    state[key][:, fixed + i] = value[:, fixed + known[v] - 1]
        else:
            state[key] = value
    grown.load_state_dict(state)
    return grown


def to_compute(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, in the memory format in which convolutions are fastest."""
    placed: nn.Module = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


class MovingAverage:
    """Exponential moving average of a network: what predicts, at whatever moment one stops.

    Args:
        network: The network that is trained.
        decay: Share of the old average kept at each step.
    """

    def __init__(self, network: nn.Module, architecture: Architecture, decay: float = 0.99) -> None:
        device = next(network.parameters()).device
        self.network = to_compute(architecture.build(), device)
        self.network.load_state_dict(network.state_dict())
        self.network.requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Takes in the network's present state; early steps are forgotten faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        theirs = network.state_dict()
        for key, value in self.network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(theirs[key], 1 - decay)
            else:
                value.copy_(theirs[key])
