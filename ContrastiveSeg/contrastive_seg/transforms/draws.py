"""Random numbers for a batch, from one generator or from one for every few images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch


class GroupedGenerator:
    """Generators that draw for ``size`` images each, in the order of the batch.

    A batch is then changed in one go, and still every group of images gets what it would get alone,
    whoever else shares the batch.

    Args:
        generators: CPU generators, one a group.
        size: Images a group; the last group may be smaller.
    """

    def __init__(self, generators: Sequence[torch.Generator], size: int) -> None:
        self.generators = list(generators)
        self.size = size

    def draw(self, count: int, one: Callable[[int, torch.Generator], torch.Tensor]) -> torch.Tensor:
        """Joins what ``one(images, generator)`` draws for every group.

        Raises:
            ValueError: When there are not as many groups as ``count`` images need.
        """
        groups = -(-count // self.size)
        if groups != len(self.generators):
            raise ValueError(f"{count} images are {groups} groups of {self.size}, not {len(self.generators)}")
        sizes = [min(self.size, count - begin) for begin in range(0, count, self.size)]
        return torch.cat([one(n, g) for n, g in zip(sizes, self.generators, strict=True)])


Randomness = torch.Generator | GroupedGenerator
"""A CPU generator, so that a seed means the same on every device, or several of them."""


def rand(shape: tuple[int, ...], generator: Randomness) -> torch.Tensor:
    """Uniform between 0 and 1; the first axis counts the images."""
    return _drawn(shape[0], lambda n, g: torch.rand(n, *shape[1:], generator=g), generator)


def randn(shape: tuple[int, ...], generator: Randomness) -> torch.Tensor:
    """Normally distributed; the first axis counts the images."""
    return _drawn(shape[0], lambda n, g: torch.randn(n, *shape[1:], generator=g), generator)


def choice(options: int, count: int, generator: Randomness) -> torch.Tensor:
    """One of 0 to ``options`` - 1 for every image, (count,)."""
    return _drawn(count, lambda n, g: torch.randint(options, (n,), generator=g), generator)


def uniform(count: int, low: float, high: float, generator: Randomness) -> torch.Tensor:
    """Random numbers (count,) between two values."""
    return rand((count,), generator) * (high - low) + low


def chance(count: int, probability: float, generator: Randomness) -> torch.Tensor:
    """Whether something happens, (count,) bool."""
    return rand((count,), generator) < probability


def _drawn(
    count: int, one: Callable[[int, torch.Generator], torch.Tensor], generator: Randomness
) -> torch.Tensor:
    if isinstance(generator, GroupedGenerator):
        return generator.draw(count, one)
    return one(count, generator)
