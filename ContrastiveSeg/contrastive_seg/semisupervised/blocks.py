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
    Where features are costly they are made of the chosen pixels only (:meth:`choose`, :meth:`of_pixels`).

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
        chosen = self.choose(labels, generator)
        if not chosen:
            return features.sum() * 0.0
        image, row, column = places(torch.cat(chosen), labels)
        return self.of_pixels(features[image, :, row, column], labels, chosen)

    def choose(self, labels: torch.Tensor, generator: torch.Generator) -> list[torch.Tensor]:
        """The pixels of each group that shows more than background, as indices into flat labels.

        What they look like is not asked for: features have to be made of few pixels only.

        Args:
            labels: (n, h, w), as in :meth:`__call__`.
            generator: On the CPU.
        """
        groups = self._blocks(labels, generator)
        flat = labels.flatten()
        chosen: list[torch.Tensor] = []
        for index in torch.randperm(len(groups), generator=generator).tolist():
            if self.groups is not None and len(chosen) == self.groups:
                break
            some = self._sample(flat[groups[index]], generator)
            if some is not None:
                chosen.append(groups[index][some])
        return chosen

    def of_pixels(
        self, vectors: torch.Tensor, labels: torch.Tensor, chosen: list[torch.Tensor]
    ) -> torch.Tensor:
        """The mean over groups of pixels.

        Args:
            vectors: (pixels, dim) of all groups, one after the other.
            labels: (n, h, w), as in :meth:`__call__`.
            chosen: What :meth:`choose` gave, at least one group.
        """
        flat = labels.flatten()
        parts = torch.split(vectors, [len(one) for one in chosen])
        losses = [
            checkpoint(self.loss.pixels, part, flat[one], use_reentrant=False)
            for part, one in zip(parts, chosen, strict=True)
        ]
        return torch.stack(losses).mean()

    def _blocks(self, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Groups (groups, pixels) of indices into flat labels; a group has a block of every image."""
        count, height, width = labels.shape
        side = min(self.block, height, width)
        rows, columns = height // side, width // side
        # What does not fill a block lies elsewhere every time.
        top = int(torch.randint(height - rows * side + 1, (), generator=generator))
        left = int(torch.randint(width - columns * side + 1, (), generator=generator))
        index = torch.arange(labels.numel()).view(labels.shape)
        inside = index[:, top : top + rows * side, left : left + columns * side]
        cut = inside.reshape(count, rows, side, columns, side).transpose(2, 3)
        blocks = cut.reshape(count, rows * columns, side * side)
        order = torch.stack([torch.randperm(rows * columns, generator=generator) for _ in range(count)])
        mixed = blocks[torch.arange(count)[:, None], order]
        return mixed.transpose(0, 1).flatten(1, 2).to(labels.device)

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


def places(index: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, row and column of indices into flat labels (n, h, w)."""
    _count, height, width = labels.shape
    within = index % (height * width)
    return index // (height * width), within // width, within % width
