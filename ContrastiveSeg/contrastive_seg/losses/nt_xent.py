"""SimCLR's loss: the other view is the positive.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
"""

from __future__ import annotations

import torch

from contrastive_seg.losses.info_nce import InfoNCELoss, flatten_views, per_vector


class NTXentLoss(InfoNCELoss):
    """Normalised temperature-scaled cross-entropy; see :class:`InfoNCELoss` for the arguments."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length; at least two views.

        Raises:
            ValueError: When the shape is another.
        """
        vectors = flatten_views(features)
        if features.shape[1] < 2:
            raise ValueError("there is one view a slice only, but the other view is the positive")
        identity = per_vector(torch.arange(len(features)), features, "identities")
        return self.contrast(vectors, identity[:, None] == identity)
