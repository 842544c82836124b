"""PCL: slices from close positions in their volumes are positives.

Zeng et al., "Positional Contrastive Learning for Volumetric Medical Image Segmentation",
MICCAI 2021.
"""

from __future__ import annotations

import torch

from contrastive_seg.losses import PositionalContrastiveLoss
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.methods.instance import InstanceMethod


class PCL(InstanceMethod):
    """See the module."""

    def contrast(self, features: torch.Tensor, batch: SliceBatch) -> torch.Tensor:
        """See :meth:`InstanceMethod.contrast`."""
        settings = self.settings
        loss = PositionalContrastiveLoss(settings.threshold, settings.temperature, settings.base_temperature)
        value: torch.Tensor = loss(features, self.processes.gather(batch.positions))
        return value
