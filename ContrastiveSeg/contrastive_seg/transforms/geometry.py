"""Where the pixels of a view come from: mirrors, crops, rotations and elastic changes of a whole batch.

Everything random is drawn from a CPU generator, so that a seed means the same on every device. Places
are (x, y) in pixels from the middle of the image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from contrastive_seg.transforms.draws import Randomness, rand

_CELL = 4
"""Distance in pixels of the noise whose smoothing is the elastic displacement."""


def mirror(images: torch.Tensor, chosen: torch.Tensor, axis: int) -> torch.Tensor:
    """Mirrors the chosen images (B, C, H, W) along an axis (-1: left and right, -2: up and down)."""
    if not bool(chosen.any()):
        return images
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(axis), images)


def places(size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """The middle of every pixel, (H, W, 2)."""
    height, width = size
    y = torch.arange(height, device=device) - (height - 1) / 2
    x = torch.arange(width, device=device) - (width - 1) / 2
    return torch.stack([x[None].expand(height, -1), y[:, None].expand(-1, width)], dim=-1)


def sample(images: torch.Tensor, at: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """The images (B, C, H, W) at places (B, H', W', 2); zero beyond the border."""
    height, width = images.shape[-2:]
    grid = at * torch.tensor([2 / width, 2 / height], device=at.device)
    return F.grid_sample(images, grid.to(images.dtype), mode=mode, padding_mode="zeros", align_corners=False)


def turned(at: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Places (H, W, 2) or (B, H, W, 2) by matrices (B, 2, 2); (B, H, W, 2)."""
    height, width = at.shape[-3:-1]
    count = matrices.shape[0]
    flat = at.reshape(-1, height * width, 2).expand(count, -1, -1)
    return torch.bmm(flat, matrices.to(at).transpose(1, 2)).view(count, height, width, 2)


def rotation(angles: torch.Tensor, scales: torch.Tensor | float = 1.0) -> torch.Tensor:
    """Matrices (B, 2, 2) that turn places by angles (B,) in radians and scale them."""
    cos, sin = torch.cos(angles) * scales, torch.sin(angles) * scales
    return torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)


def elastic_noise(count: int, size: tuple[int, int], generator: Randomness) -> torch.Tensor:
    """What :func:`elastic_displacement` smooths, (count, 2, cells, cells)."""
    cells = [math.ceil(length / _CELL) for length in size]
    return rand((count, 2, *cells), generator) * 2 - 1


def elastic_displacement(
    noise: torch.Tensor, size: tuple[int, int], sigma: torch.Tensor, alpha: torch.Tensor
) -> torch.Tensor:
    """Displacements (B, H, W, 2) in pixels: Gaussian-filtered uniform noise times ``alpha``.

    Filters of many pixels' width need no noise in every pixel: one value for 4 x 4 pixels with a
    quarter of the spread gives the same field, with two small matrix products.

    Args:
        noise: From :func:`elastic_noise`.
        size: Height and width.
        sigma: (B,), pixels.
        alpha: (B,), pixels.
    """
    height, width = size
    rows = _smoothing(height, noise.shape[2], sigma)
    columns = _smoothing(width, noise.shape[3], sigma)
    field = torch.matmul(torch.matmul(rows[:, None], noise), columns[:, None].transpose(2, 3))
    return (field * (alpha / _CELL)[:, None, None, None]).permute(0, 2, 3, 1)


def _smoothing(length: int, cells: int, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian weights (B, length, cells) of the cells for every pixel; nothing lies beyond the border."""
    pixels = torch.arange(length, device=sigma.device, dtype=sigma.dtype)
    middles = (torch.arange(cells, device=sigma.device, dtype=sigma.dtype) + 0.5) * _CELL - 0.5
    distance = (pixels[:, None] - middles[None]) / sigma[:, None, None]
    return torch.exp(-0.5 * distance**2) * (_CELL / math.sqrt(2 * math.pi) / sigma)[:, None, None]


def random_boxes(
    count: int,
    size: tuple[int, int],
    generator: Randomness,
    scale: tuple[float, float],
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    tries: int = 10,
) -> torch.Tensor:
    """Boxes (count, 4) of x0, y0, width and height in whole pixels, inside the image.

    The area is uniform in ``scale``, the logarithm of width over height in ``ratio``. A box that does
    not fit is drawn again, and after some tries the whole image is taken.
    """
    height, width = size
    drawn = rand((count, 4, tries), generator).transpose(0, 1)
    area = (drawn[0] * (scale[1] - scale[0]) + scale[0]) * height * width
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(drawn[1] * (high - low) + low)
    wide, tall = torch.sqrt(area * aspect).round(), torch.sqrt(area / aspect).round()
    fits = (wide <= width) & (tall <= height) & (wide >= 1) & (tall >= 1)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    wide, tall = wide.gather(1, first)[:, 0], tall.gather(1, first)[:, 0]
    found = fits.any(dim=1)
    wide = torch.where(found, wide, torch.full_like(wide, float(width)))
    tall = torch.where(found, tall, torch.full_like(tall, float(height)))
    left = (drawn[2].gather(1, first)[:, 0] * (width - wide + 1)).floor()
    top = (drawn[3].gather(1, first)[:, 0] * (height - tall + 1)).floor()
    return torch.stack([left, top, wide, tall], dim=1)


def box_places(at: torch.Tensor, boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Places in a box that was enlarged to the whole image, (B, H, W, 2), as places in the image.

    Nothing is taken from outside the box: at its edge its own outermost pixels are repeated.
    """
    whole = torch.tensor([size[1], size[0]], dtype=at.dtype, device=at.device)
    start, extent = boxes[:, None, None, :2].to(at), boxes[:, None, None, 2:].to(at)
    inside = (at + whole / 2) * (extent / whole) - 0.5
    inside = torch.minimum(inside.clamp(min=0), extent - 1)
    return inside + start - (whole - 1) / 2
