"""MACL: encoder and decoder pretrained together on three levels, with two unequal branches.

Zeng et al., "Multi-level Asymmetric Contrastive Learning for Volumetric Medical Image Segmentation
Pre-training", 2023.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.losses import DensePositionalContrastiveLoss, PositionalContrastiveLoss
from contrastive_seg.networks.unet import UNetDecoder
from contrastive_seg.pretraining.backbone import mlp
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Method, Views
from contrastive_seg.pretraining.settings import PretrainSettings

BLOCKS = 2
"""Decoder blocks of the dominant branch."""

SCALE = 2.0**-BLOCKS
"""Size of the dominant branch's images: so its decoder ends at the resolution of the other's encoder."""

DENSE_WEIGHT, EQUIVARIANT_WEIGHT = 0.5, 1.0


class MACL(Method):
    """See the module.

    One encoder serves both branches. The auxiliary branch sees full-size images and uses the
    encoder alone, the dominant one sees them at a quarter of the size and adds two decoder blocks.
    """

    decoder = True

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__(settings, processes)
        size, pixel = self.backbone.dimension, 4 * settings.width
        self.instance_auxiliary = mlp((size, pixel, pixel))
        self.instance_dominant = mlp((pixel, pixel, pixel))
        layers: list[nn.Module] = []
        for channels in (size, pixel):
            layers += [nn.Conv2d(channels, pixel, 3, padding=1), nn.BatchNorm2d(pixel), nn.LeakyReLU(0.01)]
        self.pixel_projector = nn.Sequential(*layers)
        arguments = (settings.threshold, settings.temperature, settings.base_temperature)
        self.instance_loss = PositionalContrastiveLoss(*arguments)
        self.dense_loss = DensePositionalContrastiveLoss(*arguments)

    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """See :meth:`Method.loss`."""
        first, second = views.invariant(batch.images), views.invariant(self.second_images(batch))
        images = torch.cat([first, views(first)])
        small = _smaller(torch.cat([second, views(second)]))
        full = self.backbone(images)
        maps = self.backbone.encoder(small)
        decoded = self._decode(maps)
        features, instances = full.chunk(2)
        small_features = maps[-1].chunk(2)[0]
        small_pixels, small_instances = decoded.chunk(2)
        gather = self.processes.gather
        positions = gather(batch.positions)
        whole = torch.stack(
            [
                self.instance_auxiliary(instances.mean(dim=(2, 3))),
                self.instance_dominant(small_instances.mean(dim=(2, 3))),
            ],
            dim=1,
        )
        dense = torch.stack([self.pixel_projector(features), small_pixels], dim=1)
        instance_loss = self.instance_loss(gather(whole), positions)
        dense_loss = self.dense_loss(gather(dense), positions)
        own = (small_features - _smaller(features)).abs().float().mean()
        equivariant = self.processes.total(own) / self.processes.count
        total = instance_loss + DENSE_WEIGHT * dense_loss + EQUIVARIANT_WEIGHT * equivariant
        return {"loss": total, "instance": instance_loss, "dense": dense_loss, "equivariant": equivariant}

    def _decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Features (B, 4f, h, w) after the first decoder blocks."""
        decoder = self.backbone.decoder
        assert isinstance(decoder, UNetDecoder)
        return decoder.partial(maps, BLOCKS)


def _smaller(images: torch.Tensor) -> torch.Tensor:
    return F.interpolate(images, scale_factor=SCALE, mode="bilinear", align_corners=True)
