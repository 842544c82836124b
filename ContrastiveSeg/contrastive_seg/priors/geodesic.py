"""Labels of the seed that is nearest along the image: shortest paths that avoid edges.

The length of a path is what the intensity changes along it, as in GrowCut (Zhu et al., "An effective
interactive medical image segmentation method using fast GrowCut", MICCAI IMIC 2014), which 3D Slicer's
"Grow from seeds" uses. It is computed by raster scans (Toivanen, "New geodesic distance transforms for
gray-scale images", Pattern Recognition Letters 1996): each scan goes through the volume plane by
plane, and a plane learns from the nine voxels before each of its own.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

LENGTH = 0.002
"""What a path costs a pixel beside the change of intensity. Where nothing changes the nearest seed wins."""

_UNREACHED = 1e9


def nearest_seeds(
    image: torch.Tensor,
    seeds: np.ndarray,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    rounds: int = 2,
) -> np.ndarray:
    """The label of the seed at the end of the cheapest path from every voxel.

    Args:
        image: Intensities (D, H, W), about unit deviation.
        seeds: Whole numbers of the same shape, 0 where nothing is known.
        spacing: Distance of neighbours along each axis, pixels.
        rounds: Most scans in each of the six directions; paths that turn back more often are not found.

    Returns:
        Labels (D, H, W) int64; 0 only where no seed can be reached, that is where there is none.
    """
    threads = torch.get_num_threads()
    # Ten thousands of short operations gain little from a second thread, and each waits for it: beside
    # another program that has its core they took ten times as long.
    torch.set_num_threads(1)
    try:
        return _grown(image.float().cpu(), seeds, spacing, rounds)
    finally:
        torch.set_num_threads(threads)


def _grown(
    values: torch.Tensor, seeds: np.ndarray, spacing: tuple[float, float, float], rounds: int
) -> np.ndarray:
    labels = torch.from_numpy(np.ascontiguousarray(seeds).astype(np.int32))
    cost = torch.where(labels > 0, 0.0, _UNREACHED)
    for _ in range(rounds if bool((labels > 0).any()) else 0):
        before = cost
        for axis in range(3):
            order = (axis, *(other for other in range(3) if other != axis))
            back = tuple(int(i) for i in np.argsort(order))
            # Copies, which the scan then changes.
            costs, names = (
                part.permute(order).clone(memory_format=torch.contiguous_format) for part in (cost, labels)
            )
            along, down, right = (spacing[i] for i in order)
            _scan(values.permute(order), costs, names, _steps(along, down, right))
            cost, labels = costs.permute(back), names.permute(back)
        if torch.equal(before, cost):
            break
    return labels.contiguous().numpy().astype(np.int64)


def _steps(along: float, down: float, right: float) -> torch.Tensor:
    """Cost of the lengths to the nine voxels of the plane before, (9, 1, 1)."""
    lengths = [(along**2 + (i * down) ** 2 + (j * right) ** 2) ** 0.5 for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return LENGTH * torch.tensor(lengths).view(9, 1, 1)


def _scan(values: torch.Tensor, cost: torch.Tensor, labels: torch.Tensor, steps: torch.Tensor) -> None:
    """Goes through the planes (n, H, W) forth and back, changing ``cost`` and ``labels``."""
    count, height, width = values.shape
    # Padded once, so that the neighbours of a whole plane are nine views of it.
    around = F.pad(values[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    arrived = torch.full((height + 2, width + 2), _UNREACHED)
    named = torch.zeros(height + 2, width + 2, dtype=labels.dtype)
    corner = torch.arange(height)[:, None] * (width + 2) + torch.arange(width)
    shift = torch.tensor([i * (width + 2) + j for i in range(3) for j in range(3)])
    forth = [(i - 1, i) for i in range(1, count)]
    for previous, here in [*forth, *((b, a) for a, b in reversed(forth))]:
        arrived[1:-1, 1:-1], named[1:-1, 1:-1] = cost[previous], labels[previous]
        costs = _nine(around[previous]) - values[here]
        costs = costs.abs_().add_(_nine(arrived)).add_(steps)
        cheapest, which = costs.min(dim=0)
        better = cheapest < cost[here]
        labels[here] = torch.where(better, named.view(-1)[corner + shift[which]], labels[here])
        cost[here] = torch.where(better, cheapest, cost[here])


def _nine(padded: torch.Tensor) -> torch.Tensor:
    """The 3 x 3 neighbours of each pixel of a padded plane (H + 2, W + 2): (9, H, W)."""
    windows = padded.unfold(0, 3, 1).unfold(1, 3, 1)  # (H, W, 3, 3), no copy
    return windows.permute(2, 3, 0, 1).reshape(9, padded.shape[0] - 2, padded.shape[1] - 2)
