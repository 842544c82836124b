"""The balanced contrast over whole maps, block by block and within bounded memory.

Liu et al., "Multi-Scale Cross Contrastive Learning for Semi-Supervised Medical Image Segmentation",
BMVC 2023.
"""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint

from contrastive_seg.losses.balanced import BalancedContrastiveLoss


class BlockContrast:
    """Cuts the maps of all images into blocks and contrasts one block of every image at a time.

    The order of the blocks is drawn for every image, so that pixels meet others from elsewhere in
    the slice. Of each class in such a group at most ``pixels`` are taken, and nothing of a group is
    kept for the gradient but its pixels: its similarities are computed again in the backward pass.

    Args:
        block: Side of a block, pixels of the map.
        temperature: See :class:`~contrastive_seg.losses.BalancedContrastiveLoss`.
        pixels: Of each class in a group, at most.
        groups: At most so many groups a call; None for all.
    """

    def __init__(
        self, block: int, temperature: float = 0.1, pixels: int = 128, groups: int | None = None
    ) -> None:
        self.block = block
        self.pixels = pixels
        self.groups = groups
        self.loss = BalancedContrastiveLoss(temperature)

    def __call__(
        self, features: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """The mean over the groups that show more than background; zero where there is none.

        Args:
            features: (n, dim, h, w), of any length.
            labels: (n, h, w) integers, 0 is background, below zero not known.
            generator: On the CPU.
        """
        vectors, classes = self._blocks(features, labels, generator)
        losses: list[torch.Tensor] = []
        for index in torch.randperm(len(classes), generator=generator).tolist():
            if self.groups is not None and len(losses) == self.groups:
                break
            chosen = self._sample(classes[index], generator)
            if chosen is None:
                continue
            picked = (vectors[index][chosen], classes[index][chosen])
            losses.append(checkpoint(self.loss.pixels, *picked, use_reentrant=False))
        if not losses:
            return features.sum() * 0.0
        return torch.stack(losses).mean()

    def _blocks(
        self, features: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Groups of (pixels, dim) vectors and (pixels,) classes; a group has a block of every image."""
        count, dimension, height, width = features.shape
        side = min(self.block, height, width)
        rows, columns = height // side, width // side
        # What does not fill a block lies elsewhere every time.
        top = int(torch.randint(height - rows * side + 1, (), generator=generator))
        left = int(torch.randint(width - columns * side + 1, (), generator=generator))
        inside = (slice(top, top + rows * side), slice(left, left + columns * side))
        cut = features[:, :, inside[0], inside[1]].reshape(count, dimension, rows, side, columns, side)
        vectors = cut.permute(0, 2, 4, 3, 5, 1).reshape(count, rows * columns, side * side, dimension)
        known = labels[:, inside[0], inside[1]].reshape(count, rows, side, columns, side)
        classes = known.permute(0, 1, 3, 2, 4).reshape(count, rows * columns, side * side)
        order = torch.stack([torch.randperm(rows * columns, generator=generator) for _ in range(count)])
        image = torch.arange(count)[:, None]
        order = order.to(features.device)
        image = image.to(features.device)
        vectors, classes = vectors[image, order], classes[image, order]
        return vectors.transpose(0, 1).flatten(1, 2), classes.transpose(0, 1).flatten(1, 2)

    def _sample(self, classes: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
        """Indices of at most ``pixels`` of each class; None where there is nothing but background."""
        there = [int(value) for value in torch.unique(classes).tolist() if value >= 0]
        if there in ([], [0]):
            return None
        parts = []
        for value in there:
            found = torch.nonzero(classes == value)[:, 0]
            if len(found) > self.pixels:
                drawn = torch.randperm(len(found), generator=generator)[: self.pixels]
                found = found[drawn.to(found.device)]
            parts.append(found)
        return torch.cat(parts)
