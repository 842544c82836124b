"""SimCLR: the other view of the same slice is the positive.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020; for
echocardiography: Saeed et al., MIUA 2022.
"""

from __future__ import annotations

import torch

from contrastive_seg.losses import NTXentLoss
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.methods.instance import InstanceMethod


class SimCLR(InstanceMethod):
    """See the module."""

    def contrast(self, features: torch.Tensor, batch: SliceBatch) -> torch.Tensor:
        """See :meth:`InstanceMethod.contrast`."""
        loss = NTXentLoss(self.settings.temperature, self.settings.base_temperature)
        value: torch.Tensor = loss(features)
        return value
