"""Positional contrastive learning: slices from close positions are positives.

Zeng et al., "Positional Contrastive Learning for Volumetric Medical Image Segmentation",
MICCAI 2021. The dense form is that of Zeng et al., "Multi-level Asymmetric Contrastive Learning
for Volumetric Medical Image Segmentation Pre-training", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from contrastive_seg.losses.info_nce import InfoNCELoss, flatten_views, per_vector

_ELEMENTS = 2**24
"""Similarities held at once by the dense loss."""


class PositionalContrastiveLoss(InfoNCELoss):
    """InfoNCE in which slices at close positions, of whichever volume, are positives.

    Args:
        threshold: Slices whose positions differ by less are positives; above zero. Positions
            usually are (i + 1) / n of slice i of n; 0.1 to 0.35 was published.
        temperature: See :class:`InfoNCELoss`.
        base_temperature: Likewise.

    Raises:
        ValueError: When the threshold or a temperature is not above zero.
    """

    def __init__(
        self, threshold: float = 0.1, temperature: float = 0.1, base_temperature: float | None = None
    ) -> None:
        super().__init__(temperature, base_temperature)
        if not threshold > 0:
            raise ValueError(
                f"threshold is {threshold}, but must be above zero: otherwise no slice has a positive"
            )
        self.threshold = float(threshold)

    def close(self, positions: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Whether two vectors come from positions closer than the threshold, (n, n) booleans.

        Compared in float64, since equal steps such as 0.1 are not equal in lower precision; on the CPU,
        since not every device has float64.
        """
        place = per_vector(_exact(positions), features, "positions")
        return (place[:, None] - place).abs() < self.threshold

    def forward(self, features: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length.
            positions: (slices,).

        Raises:
            ValueError: When there is not one position a slice.
        """
        return self.contrast(flatten_views(features), self.close(positions, features))


def _exact(positions: torch.Tensor | np.ndarray | Sequence[float]) -> torch.Tensor:
    """Positions as float64 on the CPU; of lower precision, as the decimal numbers that they stand for."""
    # By way of NumPy, which unlike PyTorch keeps Python's numbers in float64.
    place = positions if isinstance(positions, torch.Tensor) else torch.from_numpy(np.asarray(positions))
    exact = place.detach().cpu().double()
    if place.dtype.is_floating_point and place.dtype != torch.float64:
        digits = round(-math.log10(torch.finfo(place.dtype).resolution))
        exact = exact.round(decimals=digits)
    return exact


class DensePositionalContrastiveLoss(PositionalContrastiveLoss):
    """The positional loss at every place of a feature map, averaged over the places.

    A vector is compared with those at the same place in the other slices of the batch, never with
    other places of its own slice. All places are computed together.
    """

    def forward(self, features: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim, h, w), of any length.
            positions: (slices,).

        Raises:
            ValueError: When the shapes do not fit.
        """
        # (places, vectors, dim)
        vectors = flatten_views(features, ("h", "w")).flatten(2).permute(2, 0, 1)
        positives = self.close(positions, features)
        places, count = vectors.shape[:2]
        chunk = max(1, _ELEMENTS // count**2)
        total = features.new_zeros((), dtype=torch.float32)
        for part in torch.split(vectors, chunk):
            total = total + self.contrast(part, positives) * (len(part) / places)
        return total
