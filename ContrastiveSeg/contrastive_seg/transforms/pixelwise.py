"""Changes of intensity of a whole batch that leave everything in its place.

The published lists are written for images between 0 and 1. Normalised images are brought there and
back by their own range, all channels of an image together, so that an encoder sees in pretraining
the values that it will see in fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class UnitRange:
    """The lowest value and the extent of each image, (B, 1, 1, 1)."""

    low: torch.Tensor
    extent: torch.Tensor

    @classmethod
    def of(cls, images: torch.Tensor) -> UnitRange:
        """Of images (B, C, H, W); a constant image has the extent 1."""
        low = images.amin(dim=(1, 2, 3), keepdim=True)
        extent = images.amax(dim=(1, 2, 3), keepdim=True) - low
        return cls(low, torch.where(extent > 0, extent, torch.ones_like(extent)))

    def to_unit(self, images: torch.Tensor) -> torch.Tensor:
        """Between 0 and 1."""
        return (images - self.low) / self.extent

    def back(self, images: torch.Tensor) -> torch.Tensor:
        """From between 0 and 1 to the original range."""
        return images * self.extent + self.low


def per_image(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Values (B,) as (B, 1, 1, 1) on the device of the images."""
    return values.to(images.device, images.dtype)[:, None, None, None]


def brighten_and_contrast(
    images: torch.Tensor, brightness: torch.Tensor, contrast: torch.Tensor, contrast_first: torch.Tensor
) -> torch.Tensor:
    """Images between 0 and 1 times ``brightness``, and away from their mean by ``contrast``.

    Args:
        images: (B, C, H, W); stays between 0 and 1 after each of the two.
        brightness: (B,), 1 for no change.
        contrast: (B,), 1 for no change.
        contrast_first: (B,) bool.
    """
    for done in (False, True):
        by_contrast = per_image(contrast_first != done, images).bool()
        factor = torch.where(by_contrast, per_image(contrast, images), per_image(brightness, images))
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images * factor + torch.where(by_contrast, (1 - factor) * mean, 0 * mean)).clamp(0, 1)
    return images


def gaussian_blur(images: torch.Tensor, sigma: torch.Tensor, radius: int) -> torch.Tensor:
    """Images (B, C, H, W) smoothed by a Gaussian cut off at ``radius``, each with its own sigma (B,).

    The border is mirrored, or repeated where the image is too small for that.
    """
    count, channels, height, width = images.shape
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets[None] / sigma.float()[:, None]) ** 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(images.device, images.dtype)
    weights = weights.repeat_interleave(channels, dim=0)
    mode = "reflect" if min(height, width) > radius else "replicate"
    joined = F.pad(images.reshape(1, count * channels, height, width), (radius,) * 4, mode=mode)
    joined = F.conv2d(joined, weights[:, None, :, None], groups=count * channels)
    joined = F.conv2d(joined, weights[:, None, None, :], groups=count * channels)
    return joined.view(count, channels, height, width)


def blur_chosen(images: torch.Tensor, chosen: torch.Tensor, sigma: torch.Tensor, radius: int) -> torch.Tensor:
    """:func:`gaussian_blur` of the chosen images (B,) bool only."""
    where = torch.nonzero(chosen)[:, 0]
    if len(where) == 0:
        return images
    on_device = where.to(images.device)
    return images.index_copy(0, on_device, gaussian_blur(images[on_device], sigma[where], radius))


def sharpen(images: torch.Tensor, chosen: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The chosen images (B,) away from their smoothed selves; factors (B,), below 1 smooths.

    Smoothing weighs the pixel itself 5/13 and its eight neighbours 1/13 each; the border is repeated.
    """
    where = torch.nonzero(chosen)[:, 0]
    if len(where) == 0:
        return images
    on_device = where.to(images.device)
    part = images[on_device]
    around = F.avg_pool2d(F.pad(part, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    smooth = (9 * around + 4 * part) / 13
    sharp = (smooth + (part - smooth) * per_image(factor[where], part)).clamp(0, 1)
    return images.index_copy(0, on_device, sharp)
