"""MoCo v2: a query must find its key among those of earlier batches.

Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from contrastive_seg.losses import MoCoLoss
from contrastive_seg.pretraining.backbone import mlp
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Method, Views, follow
from contrastive_seg.pretraining.settings import PretrainSettings

_OUTPUT = 128


class MoCo(Method):
    """See the module. Keys come from a copy that keeps ``momentum`` of itself a step."""

    queue: torch.Tensor
    place: torch.Tensor

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__(settings, processes)
        size = self.backbone.dimension
        self.projector = mlp((size, size, _OUTPUT))
        self.key_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.key_projector = copy.deepcopy(self.projector).requires_grad_(False)
        generator = torch.Generator().manual_seed(settings.seed)
        queue = torch.randn(_OUTPUT, settings.queue, generator=generator)
        self.register_buffer("queue", F.normalize(queue, dim=0))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))
        self.criterion = MoCoLoss(settings.temperature)

    def before_step(self, fraction: float) -> None:
        """Lets the key encoder follow, before the keys are computed."""
        follow(self.key_backbone, self.backbone, self.settings.momentum)
        follow(self.key_projector, self.projector, self.settings.momentum)

    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """See :meth:`Method.loss`."""
        query = self.projector(self.backbone.pooled(views(batch.images)))
        with torch.no_grad():
            key = self.key_projector(self.key_backbone.pooled(views(self.second_images(batch))))
        loss = self.against_queue(query, key)
        return {"loss": loss}

    def against_queue(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """The loss over all processes; then the keys take the place of the oldest ones."""
        own = self.criterion(query, key, self.queue)
        loss = self.processes.total(own) / self.processes.count
        self._remember(F.normalize(key.detach().float(), dim=1))
        return loss

    @torch.no_grad()
    def _remember(self, keys: torch.Tensor) -> None:
        if not self.training:
            return
        keys = self.processes.gather(keys)
        begin = int(self.place)
        # Not in place: the loss still holds the old queue for its gradient.
        self.queue = self.queue.clone()
        self.queue[:, begin : begin + len(keys)] = keys.T
        self.place.fill_((begin + len(keys)) % self.queue.shape[1])
