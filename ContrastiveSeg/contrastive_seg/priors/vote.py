"""What the propagated contours add to the scores of the classes."""

from __future__ import annotations

import torch

PRIOR_WEIGHT = 0.5
"""Score added for every pixel inside the propagated contour; see Docs/benchmarks.md."""

PRIOR_LIMIT = 12.0
"""Pixels from the contour beyond which it is no surer."""


def prior_scores(distance: torch.Tensor) -> torch.Tensor:
    """What signed distances (..., C-1, H, W) in pixels add to the scores.

    The network knows the appearance, the prior the position; where both are sure and disagree the
    sum is near zero, which is what the uncertainty map shows.
    """
    return distance.clamp(-PRIOR_LIMIT, PRIOR_LIMIT) * PRIOR_WEIGHT
