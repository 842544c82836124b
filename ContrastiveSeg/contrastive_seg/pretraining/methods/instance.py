"""Methods that compare one embedding a view: SimCLR, GCL and PCL differ in who is a positive."""

from __future__ import annotations

from abc import abstractmethod

import torch

from contrastive_seg.pretraining.backbone import mlp
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.distributed import Processes
from contrastive_seg.pretraining.methods.base import Method, Views
from contrastive_seg.pretraining.settings import PretrainSettings


class InstanceMethod(Method):
    """Two views, one projector, one loss over the joined batch.

    The projector is that of PCL (512 outputs) on the U-Net, that of the echo paper (batch norm, 128
    outputs without bias) on the other networks.
    """

    def __init__(self, settings: PretrainSettings, processes: Processes | None = None) -> None:
        super().__init__(settings, processes)
        size = self.backbone.dimension
        if settings.network == "unet":
            self.projector = mlp((size, size, 512))
        else:
            self.projector = mlp((size, size, 128), norm=True, last_bias=False)

    def loss(self, batch: SliceBatch, views: Views) -> dict[str, torch.Tensor]:
        """See :meth:`Method.loss`."""
        both = torch.cat([views(batch.images), views(self.second_images(batch))])
        embedded = self.projector(self.backbone.pooled(both))
        # (slices, views, dim), then the slices of all processes.
        features = self.processes.gather(torch.stack(embedded.chunk(2), dim=1))
        return {"loss": self.contrast(features, batch)}

    @abstractmethod
    def contrast(self, features: torch.Tensor, batch: SliceBatch) -> torch.Tensor:
        """The loss of (slices, views, dim) of all processes."""
