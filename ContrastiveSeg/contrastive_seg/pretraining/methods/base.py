"""What every pretraining method offers to the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import nn

from contrastive_seg.pretraining.backbone import Backbone
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.settings import PretrainSettings


class Views(Protocol):
    """Draws random views of this process's share of a batch, on its device."""

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """One view of every image, (B, C, H, W)."""

    def invariant(self, images: torch.Tensor) -> torch.Tensor:
        """One view of every image in which everything stays in its place."""


class Method(nn.Module, ABC):
    """A backbone with what a method adds to it.

    Args:
        settings: What to build.
        processes: Who else trains.
    """

    decoder = False
    """Whether the decoder is pretrained too."""

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.processes = processes or Processes()
        self.backbone = Backbone(settings.network, settings.in_channels, settings.width, self.decoder)

    @abstractmethod
    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """The losses of a batch; ``loss`` is what is minimised, the others are shown.

        Args:
            batch: This process's share, on the device.
            views: See :data:`Views`.
        """

    def before_step(self, fraction: float) -> None:
        """Called before every step with the share of the training that is done (momentum encoders)."""

    def second_images(self, batch: SliceBatch) -> torch.Tensor:
        """What the second view is made of: the neighbouring frame where there is one."""
        return batch.images if batch.neighbours is None else batch.neighbours


def follow(target: nn.Module, source: nn.Module, keep: float) -> None:
    """Moves the target's parameters towards the source's; its statistics are its own.

    Args:
        target: Keeps the share ``keep`` of its parameters.
        source: Gives the rest.
        keep: 0 to 1.
    """
    with torch.no_grad():
        for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
            mine.lerp_(theirs.detach(), 1 - keep)
