"""BYOL: a network predicts what a slowly following copy of it says about another view.

Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020; for echocardiography: Saeed et al.,
MIUA 2022.
"""

from __future__ import annotations

import copy
import math

import torch

from contrastive_seg.losses import BYOLLoss
from contrastive_seg.pretraining.backbone import mlp
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Method, Views, follow
from contrastive_seg.pretraining.settings import PretrainSettings

_HIDDEN, _OUTPUT = 4096, 256


class BYOL(Method):
    """See the module. The target keeps ``momentum`` of itself a step, rising to all of it."""

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__(settings, processes)
        self.projector = mlp((self.backbone.dimension, _HIDDEN, _OUTPUT), norm=True, bias=False)
        self.predictor = mlp((_OUTPUT, _HIDDEN, _OUTPUT), norm=True, bias=False)
        self.target_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.criterion = BYOLLoss()

    def before_step(self, fraction: float) -> None:
        """Lets the target follow."""
        start = self.settings.momentum
        keep = 1 - (1 - start) * (math.cos(math.pi * min(max(fraction, 0.0), 1.0)) + 1) / 2
        follow(self.target_backbone, self.backbone, keep)
        follow(self.target_projector, self.projector, keep)

    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """See :meth:`Method.loss`; the sum over both assignments of the views, 0 to 8."""
        both = torch.cat([views(batch.images), views(self.second_images(batch))])
        predicted = self.predictor(self.projector(self.backbone.pooled(both)))
        with torch.no_grad():
            target = self.target_projector(self.target_backbone.pooled(both))
        first, second = predicted.chunk(2)
        target_first, target_second = target.chunk(2)
        own = self.criterion(first, target_second) + self.criterion(second, target_first)
        # The mean over the batch is that over the processes: nothing is compared between slices.
        return {"loss": self.processes.total(own) / self.processes.count}
