"""Contrast of regions within one image: local feature learning beside MoCo's global loss.

Hassanpour et al., "Overcoming Dimensional Collapse in Self-supervised Contrastive Learning for
Medical Image Segmentation", ISBI 2024, in the form the paper describes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from contrastive_seg.losses.info_nce import at_least_float32, check_temperature


class LocalContrastiveLoss(nn.Module):
    """A region must recognise itself in the other view among the regions of the same image.

    Both maps must show the same anatomy at the same place: views that differ in intensity only, or
    their common part.

    Args:
        temperature: Above zero.
        grid: Regions along each side, at least 2: with one region there is nothing to compare with.

    Raises:
        ValueError: When an argument is out of range.
    """

    def __init__(self, temperature: float = 0.2, grid: int = 4) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        if grid < 2:
            raise ValueError(f"grid is {grid}, but must be at least 2")
        self.grid = int(grid)

    def forward(self, map_query: torch.Tensor, map_key: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            map_query: (n, dim, h, w).
            map_key: The same shape; gets no gradient.

        Raises:
            ValueError: When the shapes differ, or a side is shorter than the grid.
        """
        if map_query.shape != map_key.shape or map_query.ndim != 4:
            raise ValueError(
                f"the maps have the shapes {tuple(map_query.shape)} and {tuple(map_key.shape)}; "
                "both must be (n, dim, h, w)"
            )
        if min(map_query.shape[-2:]) < self.grid:
            raise ValueError(
                f"a map of {map_query.shape[-2]} x {map_query.shape[-1]} cannot be cut into "
                f"{self.grid} x {self.grid} regions"
            )
        with torch.autocast(map_query.device.type, enabled=False):
            regions_query = self._regions(map_query)
            regions_key = self._regions(map_key.detach())
            logits = regions_query @ regions_key.transpose(1, 2) / self.temperature
            target = torch.arange(logits.shape[-1], device=logits.device).expand(len(logits), -1)
            return F.cross_entropy(logits.transpose(1, 2), target)

    def _regions(self, features: torch.Tensor) -> torch.Tensor:
        """(n, grid * grid, dim), unit length."""
        pooled = F.adaptive_avg_pool2d(at_least_float32(features), self.grid)
        return F.normalize(pooled.flatten(2).transpose(1, 2), dim=-1)
