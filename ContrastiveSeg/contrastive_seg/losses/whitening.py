"""Feature decorrelation: whitening by Newton's iteration.

Huang et al., "Iterative Normalization: Beyond Standardization towards Efficient Whitening",
CVPR 2019; against dimensional collapse in Hassanpour et al., ISBI 2024.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from contrastive_seg.losses.info_nce import at_least_float32


def _own(values: torch.Tensor) -> torch.Tensor:
    return values


class IterativeNormalization(nn.Module):
    """Takes the place of a batch norm and also removes correlations between channels.

    Few iterations whiten the large eigenvalues only, which is the intended soft version.

    Args:
        channels: Of the input.
        groups: Channels are whitened in so many groups of equal size. A group needs clearly fewer
            channels than the batch has values a channel (n * h * w); 64 to 256 channels are usual.
        iterations: Of Newton's method.
        momentum: Share of the new statistics in the running ones, which evaluation uses.
        eps: Added to the variances.

    Raises:
        ValueError: When the channels do not divide into the groups.
    """

    running_mean: torch.Tensor
    running_whitening: torch.Tensor

    def __init__(
        self,
        channels: int,
        groups: int = 1,
        iterations: int = 5,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise ValueError(f"{channels} channels cannot be divided into {groups} groups of equal size")
        if iterations < 1:
            raise ValueError(f"iterations is {iterations}, but must be at least 1")
        self.channels, self.groups, self.iterations = channels, groups, iterations
        self.momentum, self.eps = momentum, eps
        self.total: Callable[[torch.Tensor], torch.Tensor] = _own
        """Sum over the processes that share a batch, with gradient; this process's own by default."""
        size = channels // groups
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(groups, size, 1))
        self.register_buffer("running_whitening", torch.eye(size).repeat(groups, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Whitened features, of the shape and type of the input.

        Args:
            x: (n, channels) or (n, channels, ...).

        Raises:
            ValueError: When the channels differ, or in training only one value a channel is there.
        """
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ValueError(f"the input has the shape {tuple(x.shape)}, not (n, {self.channels}, ...)")
        with torch.autocast(x.device.type, enabled=False):
            # (channels, n * h * w) in groups: (groups, size, values)
            columns = at_least_float32(x).transpose(0, 1).reshape(self.groups, -1, x.numel() // self.channels)
            if self.training:
                if columns.shape[-1] < 2:
                    raise ValueError("whitening needs more than one value a channel")
                count = self.total(columns.new_tensor(float(columns.shape[-1])))
                mean = self.total(columns.sum(dim=-1, keepdim=True)) / count
                centred = columns - mean
                whitening = self._whitening(self.total(centred @ centred.transpose(1, 2)) / count)
                self._remember(mean, whitening)
            else:
                centred = columns - self.running_mean.to(columns.dtype)
                whitening = self.running_whitening.to(columns.dtype)
            whitened = whitening @ centred
            shape = (x.shape[1], x.shape[0], *x.shape[2:])
            scaled = whitened.reshape(self.channels, -1) * self.weight[:, None] + self.bias[:, None]
            return scaled.reshape(shape).transpose(0, 1).to(x.dtype)

    def _whitening(self, covariance: torch.Tensor) -> torch.Tensor:
        """Approximate inverse square root of covariances (groups, size, size)."""
        identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
        covariance = covariance + self.eps * identity
        inverse_trace = covariance.diagonal(dim1=1, dim2=2).sum(dim=1).reciprocal()[:, None, None]
        normed = covariance * inverse_trace
        # The first step from the identity needs no product.
        root = 1.5 * identity - 0.5 * normed
        for _ in range(self.iterations - 1):
            root = torch.baddbmm(root, root @ root @ root, normed, beta=1.5, alpha=-0.5)
        return root * inverse_trace.sqrt()

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, whitening: torch.Tensor) -> None:
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_whitening.lerp_(whitening.to(self.running_whitening.dtype), self.momentum)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.channels}, groups={self.groups}, iterations={self.iterations}"
