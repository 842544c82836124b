"""GCL, global part: slices from the same quarter of their volumes are positives.

Chaitanya et al., "Contrastive learning of global and local features for medical image segmentation
with limited annotations", NeurIPS 2020.
"""

from __future__ import annotations

import torch

from contrastive_seg.losses import GroupContrastiveLoss
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.methods.instance import InstanceMethod


class GCL(InstanceMethod):
    """See the module."""

    def contrast(self, features: torch.Tensor, batch: SliceBatch) -> torch.Tensor:
        """See :meth:`InstanceMethod.contrast`."""
        loss = GroupContrastiveLoss(self.settings.temperature, self.settings.base_temperature)
        value: torch.Tensor = loss(features, self.processes.gather(batch.partitions))
        return value
