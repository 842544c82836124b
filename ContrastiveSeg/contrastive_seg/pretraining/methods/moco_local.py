"""MoCo v2 with local features and decorrelation, against dimensional collapse.

Hassanpour et al., "Overcoming Dimensional Collapse in Self-supervised Contrastive Learning for
Medical Image Segmentation", ISBI 2024.
"""

from __future__ import annotations

import copy

import torch

from contrastive_seg.losses import IterativeNormalization, LocalContrastiveLoss
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Views
from contrastive_seg.pretraining.methods.moco import MoCo
from contrastive_seg.pretraining.settings import PretrainSettings


class MoCoLocalDecorrelated(MoCo):
    """MoCo whose last feature map is whitened, and whose regions must recognise themselves.

    The whitening comes after the backbone, so that what is transferred keeps its architecture. The
    views of a slice must show the same anatomy at the same place, so they differ in intensity only.
    """

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__(settings, processes)
        size = self.backbone.dimension
        together = min(settings.group_channels, size)
        while together > 1 and size % together:
            together -= 1
        self.whitening = (
            IterativeNormalization(size, size // together) if together > 1 else torch.nn.Identity()
        )
        self.key_whitening = copy.deepcopy(self.whitening).requires_grad_(False)
        self.local = LocalContrastiveLoss(settings.temperature, settings.grid)

    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """See :meth:`Method.loss`."""
        map_query = self.whitening(self.backbone(views(batch.images)))
        with torch.no_grad():
            # The running statistics of the key encoder's whitening are its own.
            map_key = self.key_whitening(self.key_backbone(views(batch.images)))
            key = self.key_projector(map_key.mean(dim=(2, 3)))
        query = self.projector(map_query.mean(dim=(2, 3)))
        whole = self.against_queue(query, key)
        own = self.local(map_query, map_key)
        local = self.processes.total(own) / self.processes.count
        return {"loss": whole + self.settings.local_weight * local, "global": whole, "local": local}
