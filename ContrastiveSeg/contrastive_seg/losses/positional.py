"""Positional contrastive learning: slices from close positions are positives.

Zeng et al., "Positional Contrastive Learning for Volumetric Medical Image Segmentation",
MICCAI 2021. The dense form is that of Zeng et al., "Multi-level Asymmetric Contrastive Learning
for Volumetric Medical Image Segmentation Pre-training", 2023.
"""

from __future__ import annotations

import torch
from torch import nn

from contrastive_seg.losses.info_nce import (
    flatten_views,
    masked_info_nce,
    repeat_for_views,
    similarities,
    temperature_scale,
)

_ELEMENTS = 2**24
"""Similarities held at once by the dense loss."""


def close_positions(positions: torch.Tensor, views: int, threshold: float) -> torch.Tensor:
    """Whether two vectors come from positions closer than the threshold, (n, n) booleans.

    Args:
        positions: (slices,); compared in float64, since equal steps such as 0.1 are not equal in
            lower precision.
        views: Vectors a slice.
        threshold: Strict upper limit, in the unit of the positions.
    """
    repeated = repeat_for_views(positions.double(), views)
    return (repeated[:, None] - repeated).abs() < threshold


def _checked(positions: torch.Tensor, slices: int) -> torch.Tensor:
    if positions.shape != (slices,):
        raise ValueError(f"positions have the shape {tuple(positions.shape)}, not ({slices},)")
    return positions


class PositionalContrastiveLoss(nn.Module):
    """InfoNCE in which slices at close positions, of whichever volume, are positives.

    Args:
        threshold: Slices whose positions differ by less are positives; above zero. Positions
            usually are (i + 1) / n of slice i of n; 0.1 to 0.35 was published.
        temperature: Above zero; 0.1 is usual.
        base_temperature: See :class:`~contrastive_seg.losses.NTXentLoss`.

    Raises:
        ValueError: When the threshold or a temperature is not above zero.
    """

    def __init__(
        self, threshold: float = 0.1, temperature: float = 0.1, base_temperature: float | None = None
    ) -> None:
        super().__init__()
        if not threshold > 0:
            raise ValueError(
                f"threshold is {threshold}, but must be above zero: otherwise no slice has a positive"
            )
        self.threshold = float(threshold)
        self.scale = temperature_scale(temperature, base_temperature)
        self.temperature = temperature

    def forward(self, features: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            features: (slices, views, dim), of any length.
            positions: (slices,).

        Raises:
            ValueError: When there is not one position a slice.
        """
        slices, views = features.shape[:2]
        positions = _checked(torch.as_tensor(positions, device=features.device), slices)
        vectors = flatten_views(features)
        with torch.autocast(features.device.type, enabled=False):
            logits = similarities(vectors, self.temperature)
            return self.scale * masked_info_nce(logits, close_positions(positions, views, self.threshold))


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
        if features.ndim != 5:
            raise ValueError(
                f"features have the shape {tuple(features.shape)}, not (slices, views, dim, h, w)"
            )
        slices, views = features.shape[:2]
        positions = _checked(torch.as_tensor(positions, device=features.device), slices)
        # (places, vectors, dim)
        vectors = flatten_views(features).flatten(2).permute(2, 0, 1)
        positives = close_positions(positions, views, self.threshold)
        places, count = vectors.shape[:2]
        chunk = max(1, _ELEMENTS // count**2)
        total = features.new_zeros((), dtype=torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            for part in torch.split(vectors, chunk):
                loss = masked_info_nce(similarities(part, self.temperature), positives)
                total = total + loss * (len(part) / places)
        return self.scale * total
