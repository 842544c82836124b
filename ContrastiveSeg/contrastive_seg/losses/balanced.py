"""Contrast of pixels by class in which rare classes weigh as much as the background.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.losses.info_nce import check_temperature, similarities


class BalancedContrastiveLoss(nn.Module):
    """Pixels of a class are positives; every class adds the mean of its exponentials.

    With unit vectors z, classes y, n_c pixels of class c and s_ij = z_i z_j / temperature:

        L = mean_i -1/|P(i)| sum_{p in P(i)} log( exp s_ip / sum_{a != i} exp s_ia / (n_{y_a} - [y_a = y_i]) )

    so the class of an anchor counts one pixel less, the anchor itself. Anchors without another
    pixel of their class are left out. Memory grows with the square of the number of pixels: see
    :class:`~contrastive_seg.semisupervised.blocks.BlockContrast` for whole maps.

    Args:
        temperature: Above zero.

    Raises:
        ValueError: When the temperature is not above zero.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of all pixels of all images against each other.

        Args:
            features: (n, dim, h, w), of any length.
            labels: (n, h, w) integers; what is below zero is not known and left out.

        Raises:
            ValueError: When the shapes do not fit.
        """
        if features.ndim != 4 or labels.shape != (features.shape[0], *features.shape[2:]):
            raise ValueError(
                f"features have the shape {tuple(features.shape)} and labels {tuple(labels.shape)}; "
                "they must be (n, dim, h, w) and (n, h, w)"
            )
        # Both in the order image, row, column: the released code pairs them in different orders.
        return self.pixels(features.movedim(1, -1).flatten(0, 2), labels.flatten())

    def pixels(self, vectors: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of single pixels.

        Args:
            vectors: (pixels, dim), of any length.
            labels: (pixels,) integers; what is below zero is left out.
        """
        known = labels >= 0
        if not bool(known.all()):
            vectors, labels = vectors[known], labels[known]
        with torch.autocast(vectors.device.type, enabled=False):
            return self._balanced(similarities(vectors, self.temperature), labels)

    @staticmethod
    def _balanced(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        same = labels[:, None] == labels[None]
        counts = same.sum(dim=0).to(logits.dtype)
        itself = torch.eye(len(labels), dtype=torch.bool, device=logits.device)
        # n_c of the column's class, one less in the anchor's own class. Where that is 0 the only
        # pixel of the class is the anchor, which is masked anyway.
        weights = (counts[None] - same.to(logits.dtype)).clamp(min=1)
        balanced = (logits - weights.log()).masked_fill(itself, float("-inf"))
        positives = (same & ~itself).to(logits.dtype)
        number = positives.sum(dim=1)
        has_positive = number > 0
        if not bool(has_positive.any()):
            return logits.sum() * 0.0
        denominator = torch.logsumexp(balanced, dim=1, keepdim=True)
        mean_similarity = (logits * positives).sum(dim=1) / number.clamp(min=1)
        losses = denominator[:, 0] - mean_similarity
        return losses[has_positive].mean()
