"""Random spatial and intensity changes of a batch, on the batch's device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

CONVOLVED = 0.5
"""Share of the images with another contrast that also change by random convolutions."""

_LAYERS, _HIDDEN = 4, 2


def random_deformation(
    count: int,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    rotation: float = 15.0,
    scale: float = 0.15,
    shift: float = 0.05,
    elastic: float = 3.0,
) -> torch.Tensor:
    """Sampling grids (count, H, W, 2) for ``grid_sample`` with ``align_corners=False``.

    Args:
        count: Batch size.
        size: Height and width.
        generator: CPU generator, so that a seed means the same on every device.
        rotation: Largest angle, degrees.
        scale: Largest relative change of size.
        shift: Largest shift, share of half the image.
        elastic: Largest standard deviation of the displacement's control points, pixels.
    """
    height, width = size
    angle = (torch.rand(count, generator=generator) * 2 - 1) * math.radians(rotation)
    factor = 1 + (torch.rand(count, generator=generator) * 2 - 1) * scale
    offset = (torch.rand(count, 2, generator=generator) * 2 - 1) * shift
    cos, sin = torch.cos(angle) * factor, torch.sin(angle) * factor
    # Normalised coordinates: the aspect ratio keeps a rotation from shearing.
    first = torch.stack([cos, -sin * (height / width), offset[:, 0]], dim=1)
    second = torch.stack([sin * (width / height), cos, offset[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), [count, 1, height, width], align_corners=False)
    cells = (max(2, height // 16), max(2, width // 16))
    points = torch.randn(count, 2, *cells, generator=generator)
    points = points * elastic * torch.rand(count, 1, 1, 1, generator=generator)
    field = F.interpolate(points, size, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    return grid + field * torch.tensor([2.0 / width, 2.0 / height])


def random_intensity(
    images: torch.Tensor, generator: torch.Generator, *, gain: float = 0.25, noise: float = 0.1
) -> torch.Tensor:
    """Random gain, offset and noise of normalised images (B, C, H, W), the same for all channels."""
    count = images.shape[0]

    def draw() -> torch.Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator).to(images.device)

    changed = images * (1 + (draw() * 2 - 1) * gain) + (draw() * 2 - 1) * gain
    strength = draw() * noise
    return changed + torch.randn(images.shape, generator=generator).to(images.device) * strength


def random_contrast(images: torch.Tensor, generator: torch.Generator, *, gamma: float = 0.7) -> torch.Tensor:
    """Images (B, C, H, W) in which dark and bright lie otherwise: a random power of their grey values.

    Args:
        images: Normalised; darkest and brightest value of each, over all channels, stay as they are.
        generator: CPU generator.
        gamma: Largest absolute logarithm of the power.
    """
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    drawn = torch.rand(len(images), 1, 1, 1, generator=generator) * 2 - 1
    power = torch.exp(drawn * gamma).to(images.device)
    share = (images - low) / (high - low).clamp(min=1e-3)
    return share**power * (high - low) + low


def random_convolutions(
    images: torch.Tensor, generator: torch.Generator, *, most: float = 0.5
) -> torch.Tensor:
    """Images (B, C, H, W) mixed with what a small network of random weights makes of each.

    Tissues change their brightness in ways that no curve of grey values has, and textures change, but shapes
    stay: global intensity non-linear augmentation (Ouyang et al., "Causality-inspired Single-source Domain
    Generalization for Medical Image Segmentation", IEEE TMI 2023).

    Args:
        images: Normalised; mean and standard deviation of each, over all channels, stay as they are.
        generator: CPU generator.
        most: Largest share of the network's picture, 0 to 1. The paper goes to 1, but here each image has
            to be recognised by itself.
    """
    count, channels, height, width = images.shape
    picture = images.transpose(0, 1).reshape(channels, count, height, width)
    wide = 1
    for layer in range(_LAYERS):
        out = _HIDDEN if layer < _LAYERS - 1 else 1
        side = 2 * int(torch.randint(2, (1,), generator=generator)) + 1
        weight = torch.randn(count * out, wide, side, side, generator=generator).to(images)
        offset = torch.randn(count * out, generator=generator).to(images)
        picture = F.conv2d(picture, weight, offset, padding=side // 2, groups=count)
        if layer < _LAYERS - 1:
            picture = F.leaky_relu(picture)
        wide = out
    picture = picture.reshape(channels, count, height, width).transpose(0, 1)

    def spread(values: torch.Tensor) -> torch.Tensor:
        return values.std((1, 2, 3), keepdim=True).clamp(min=1e-4)

    mean = images.mean((1, 2, 3), keepdim=True)
    picture = (picture - picture.mean((1, 2, 3), keepdim=True)) / spread(picture) * spread(images) + mean
    share = most * torch.rand(count, 1, 1, 1, generator=generator).to(images)
    return torch.lerp(images, picture, share)


def random_appearance(
    images: torch.Tensor, generator: torch.Generator, *, contrasts: float = 0.0
) -> torch.Tensor:
    """Images (B, C, H, W) as another moment or another patient might have shown them.

    Args:
        images: Normalised.
        generator: CPU generator.
        contrasts: Share of the images, 0 to 1, that get another contrast and change more in all else.
    """
    changed = random_intensity(images, generator)
    if not contrasts:
        return changed

    def some(share: float) -> torch.Tensor:
        return (torch.rand(len(images), 1, 1, 1, generator=generator) < share).to(images.device)

    other = random_intensity(random_contrast(images, generator), generator, gain=0.4, noise=0.15)
    other = torch.where(some(CONVOLVED), random_convolutions(other, generator), other)
    return torch.where(some(contrasts), other, changed)
