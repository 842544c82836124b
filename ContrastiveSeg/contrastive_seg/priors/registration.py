"""Dense registration of neighbouring slices, many pairs at once.

Symmetric demons: Thirion, "Image matching as a diffusion process", Med Image Anal 1998;
Vercauteren et al., "Diffeomorphic demons", NeuroImage 2009. Written with torch operations, so that
all pairs of a volume run as one batch, on the GPU where there is one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def gaussian_smooth(field: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian filter along the last two axes of (B, C, H, W), replicated border."""
    radius = max(1, int(3 * sigma + 0.5))
    radius = min(radius, field.shape[-1] - 1, field.shape[-2] - 1)
    if radius < 1:
        return field
    x = torch.arange(-radius, radius + 1, device=field.device, dtype=field.dtype)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    channels = field.shape[1]
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    down = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    field = F.conv2d(F.pad(field, (radius, radius, 0, 0), mode="replicate"), across, groups=channels)
    return F.conv2d(F.pad(field, (0, 0, radius, radius), mode="replicate"), down, groups=channels)


def warp(image: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """``image(x + displacement(x))``, linear, replicated border.

    Args:
        image: (B, C, H, W).
        displacement: (B, 2, H, W) in pixels, x then y.
    """
    height, width = image.shape[-2:]
    y = torch.arange(height, device=image.device, dtype=image.dtype).view(1, -1, 1)
    x = torch.arange(width, device=image.device, dtype=image.dtype).view(1, 1, -1)
    grid_x = (x + displacement[:, 0]) * (2.0 / max(width - 1, 1)) - 1
    grid_y = (y + displacement[:, 1]) * (2.0 / max(height - 1, 1)) - 1
    grid = torch.stack([grid_x, grid_y], dim=-1)
    if grid.shape[0] != image.shape[0]:
        grid = grid.expand(image.shape[0], -1, -1, -1)
    return F.grid_sample(image, grid, align_corners=True, padding_mode="border")


def _gradient(image: torch.Tensor) -> torch.Tensor:
    across = F.pad((image[..., 2:] - image[..., :-2]) / 2, (1, 1))
    down = F.pad((image[..., 2:, :] - image[..., :-2, :]) / 2, (0, 0, 1, 1))
    return torch.cat([across, down], dim=1)


def _demons(
    fixed: torch.Tensor, moving: torch.Tensor, displacement: torch.Tensor, iterations: int, sigma: float
) -> torch.Tensor:
    gradient_fixed = _gradient(fixed)
    for _ in range(iterations):
        warped = warp(moving, displacement)
        difference = warped - fixed
        gradient = (_gradient(warped) + gradient_fixed) / 2
        norm = (gradient**2).sum(dim=1, keepdim=True) + difference**2 / 4 + 1e-4
        displacement = gaussian_smooth(displacement - difference * gradient / norm, sigma)
    return displacement


def register_pairs(
    fixed: torch.Tensor,
    moving: torch.Tensor,
    sigma: float = 1.5,
    levels: tuple[int, ...] = (4, 2),
    iterations: tuple[int, ...] = (12, 12),
) -> torch.Tensor:
    """Displacements d with ``moving(x + d(x))`` like ``fixed(x)``.

    Args:
        fixed: (B, 1, H, W), intensities of the order of one.
        moving: (B, 1, H, W).
        sigma: Smoothness of the displacement, pixels of each level.
        levels: Down-sampling factor of each level, coarse to fine. The field is smooth: a level at
            full resolution costs nine times as much and changes no Dice (Docs/benchmarks.md).
        iterations: Iterations of each level.

    Returns:
        (B, 2, H, W) in pixels, x then y.
    """
    height, width = fixed.shape[-2:]
    displacement: torch.Tensor | None = None
    for factor, count in zip(levels, iterations, strict=True):
        size = (height // factor, width // factor)
        if min(size) < 4:
            continue
        fixed_level = F.interpolate(fixed, size, mode="area")
        moving_level = F.interpolate(moving, size, mode="area")
        if displacement is None:
            displacement = torch.zeros(fixed.shape[0], 2, *size, device=fixed.device, dtype=fixed.dtype)
        else:
            scale = size[1] / displacement.shape[-1]
            displacement = F.interpolate(displacement, size, mode="bilinear", align_corners=True) * scale
        displacement = _demons(fixed_level, moving_level, displacement, count, sigma)
    if displacement is None:
        return torch.zeros(fixed.shape[0], 2, height, width, device=fixed.device, dtype=fixed.dtype)
    if displacement.shape[-2:] != (height, width):
        scale = width / displacement.shape[-1]
        displacement = (
            F.interpolate(displacement, (height, width), mode="bilinear", align_corners=True) * scale
        )
    return displacement
