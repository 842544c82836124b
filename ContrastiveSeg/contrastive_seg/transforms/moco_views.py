"""The views of MoCo v2 as configured for CT slices: crop and resize, then two of ten operations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from contrastive_seg.transforms import draws
from contrastive_seg.transforms import geometry as geo
from contrastive_seg.transforms import pixelwise as pix

OPERATIONS: tuple[str, ...] = (
    *("auto-contrast", "rotate", "contrast", "brightness", "sharpness"),
    *("shear-x", "shear-y", "translate-x", "translate-y", "erase"),
)


@dataclass(frozen=True)
class MoCoViews:
    """Crop and resize, then ``operations`` random ones at ``level`` of 10.

    Attributes:
        area: Of the crop, share of the image.
        operations: How many a view.
        level: Strength, 0 to 10.
        spread: Standard deviation of the strength.
        angle: Degrees at level 10.
        colour: Change of contrast, brightness and sharpness at level 10.
        shear: At level 10.
        shift: At level 10, share of the image.
        erase: Probability that an erasing takes place when it is chosen.
    """

    area: tuple[float, float] = (0.2, 1.0)
    operations: int = 2
    level: float = 5.0
    spread: float = 0.5
    angle: float = 30.0
    colour: float = 0.9
    shear: float = 0.3
    shift: float = 0.45
    erase: float = 0.8

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image; beyond the border there is 0, the volume's mean."""
        count, size = images.shape[0], (int(images.shape[-2]), int(images.shape[-1]))
        boxes = geo.random_boxes(count, size, generator, self.area)
        drawn = [self._draw(count, generator) for _ in range(self.operations)]
        views = self._moved(images, boxes, drawn, size)
        unit = pix.UnitRange.of(views)
        views = unit.to_unit(views)
        for chosen, strength in drawn:
            views = self._recoloured(views, chosen, strength)
            holes = geo.random_boxes(count, size, generator, (0.02, 0.4), (0.3, 1 / 0.3))
            erased = draws.chance(count, self.erase, generator) & (chosen == OPERATIONS.index("erase"))
            views = _with_holes(views, holes, erased)
        return unit.back(views)

    def _draw(self, count: int, generator: draws.Randomness) -> tuple[torch.Tensor, torch.Tensor]:
        """Which operation, and its strength between -1 and 1."""
        chosen = draws.choice(len(OPERATIONS), count, generator)
        strength = (draws.randn((count,), generator) * self.spread + self.level).clamp(0, 10) / 10
        sign = draws.chance(count, 0.5, generator).float() * 2 - 1
        return chosen, strength * sign

    def _moved(
        self,
        images: torch.Tensor,
        boxes: torch.Tensor,
        drawn: list[tuple[torch.Tensor, torch.Tensor]],
        size: tuple[int, int],
    ) -> torch.Tensor:
        """Crop, rotations, shears and shifts with one interpolation."""
        height, width = size
        at = geo.places(size, images.device).expand(len(images), -1, -1, -1)
        for chosen, strength in reversed(drawn):
            amount = {name: strength * (chosen == k) for k, name in enumerate(OPERATIONS)}
            matrices = geo.rotation(amount["rotate"] * math.radians(self.angle))
            matrices[:, 0, 1] += amount["shear-x"] * self.shear
            matrices[:, 1, 0] += amount["shear-y"] * self.shear
            across = amount["translate-x"] * self.shift * width
            along = amount["translate-y"] * self.shift * height
            offset = torch.stack([across, along], dim=1)
            at = geo.turned(at, matrices) + offset.to(at)[:, None, None]
        inside = (at[..., 0].abs() <= width / 2) & (at[..., 1].abs() <= height / 2)
        return geo.sample(images, geo.box_places(at, boxes, size)) * inside[:, None]

    def _recoloured(self, views: torch.Tensor, chosen: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        factor = 1 + strength * self.colour
        kind = {name: chosen == k for k, name in enumerate(OPERATIONS)}
        one = torch.ones_like(factor)
        brightness = torch.where(kind["brightness"], factor, one)
        contrast = torch.where(kind["contrast"], factor, one)
        views = pix.brighten_and_contrast(views, brightness, contrast, kind["contrast"])
        views = pix.sharpen(views, kind["sharpness"], factor)
        if bool(kind["auto-contrast"].any()):
            full = pix.UnitRange.of(views).to_unit(views)
            views = torch.where(pix.per_image(kind["auto-contrast"], views).bool(), full, views)
        return views


def _with_holes(views: torch.Tensor, holes: torch.Tensor, erased: torch.Tensor) -> torch.Tensor:
    """The chosen images with their mean inside a box."""
    if not bool(erased.any()):
        return views
    height, width = views.shape[-2:]
    left, top, wide, tall = (holes[:, k, None] for k in range(4))
    x, y = torch.arange(width)[None], torch.arange(height)[None]
    columns, rows = (x >= left) & (x < left + wide), (y >= top) & (y < top + tall)
    hole = (rows[:, :, None] & columns[:, None, :] & erased[:, None, None])[:, None].to(views.device)
    return torch.where(hole, views.mean(dim=(1, 2, 3), keepdim=True), views)
