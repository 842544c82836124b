"""Whether the features collapse: few directions carry all variance.

Jing et al., "Understanding Dimensional Collapse in Contrastive Self-supervised Learning", ICLR 2022;
effective rank: Roy and Vetterli, EUSIPCO 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from contrastive_seg.pretraining.settings import POSITIONAL

LEAST_RANK = 3.0
"""An effective rank below this is reported as a collapse."""

LEAST_POSITIONAL_RANK = 1.5
"""The same for methods whose positives are neighbours along the volume.

All that they ask for is that features follow the position, which is a curve: an effective rank of 2 to 3
is what they are meant to end at.
"""

_LEAST_DEVIATION = 1e-4


def least_rank(method: str) -> float:
    """Effective rank below which the features of a method have collapsed."""
    return LEAST_POSITIONAL_RANK if method in POSITIONAL else LEAST_RANK


@dataclass(frozen=True)
class Spectrum:
    """Of the covariance of pooled features.

    Attributes:
        singular_values: The largest first.
        effective_rank: exp of the entropy of the normalised singular values, 1 to the dimension.
        deviation: Mean standard deviation of a channel of features of unit length; 0 when all are
            the same.
    """

    singular_values: list[float]
    effective_rank: float
    deviation: float

    def is_collapsed(self, method: str) -> bool:
        """Whether hardly any direction is left, for features of this method."""
        return bool(self.symptom(method))

    def symptom(self, method: str) -> str:
        """By what a collapse is seen, for a message; empty where there is none."""
        if self.effective_rank < least_rank(method):
            return f"effective rank {self.effective_rank:.1f}"
        if self.deviation < _LEAST_DEVIATION:
            return f"they are nearly the same for all images, with a deviation of {self.deviation:.0e}"
        return ""


def spectrum(features: torch.Tensor) -> Spectrum:
    """Of features (n, dim), n at least 2.

    Raises:
        ValueError: For fewer than two features.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features have the shape {tuple(features.shape)}, not (n, dim) with n at least 2")
    values = features.detach().double().cpu()
    unit = torch.nn.functional.normalize(values, dim=1)
    centred = values - values.mean(dim=0)
    # Singular values of the covariance are the squared ones of the centred features.
    singular = torch.linalg.svdvals(centred).square() / len(values)
    total = singular.sum()
    if not float(total) > 0:
        return Spectrum([0.0] * min(values.shape), 1.0, 0.0)
    shares = singular / total
    entropy = -(shares * shares.clamp(min=1e-300).log()).sum()
    return Spectrum(singular.tolist(), float(entropy.exp()), float(unit.std(dim=0).mean()))
