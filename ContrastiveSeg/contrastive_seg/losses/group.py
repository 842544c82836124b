"""The global part of global and local contrastive learning: slices of one partition are positives.

Chaitanya et al., "Contrastive learning of global and local features for medical image segmentation
with limited annotations", NeurIPS 2020.
"""

from __future__ import annotations

import torch

from contrastive_seg.losses.info_nce import InfoNCELoss, flatten_views, per_vector


class GroupContrastiveLoss(InfoNCELoss):
    """InfoNCE in which all vectors of slices of the same partition are positives.

    See :class:`InfoNCELoss` for the arguments.
    """

    def forward(self, features: torch.Tensor, partitions: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length.
            partitions: (slices,) integers, the part of the volume that a slice comes from.

        Raises:
            ValueError: When there is not one partition a slice.
        """
        vectors = flatten_views(features)
        part = per_vector(partitions, features, "partitions")
        return self.contrast(vectors, part[:, None] == part)
