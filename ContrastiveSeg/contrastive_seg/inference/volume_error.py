"""How far a predicted volume may be off, from the probabilities of its doubtful voxels."""

from __future__ import annotations

import torch

ERROR_FACTOR = 0.75
"""Measured volume errors over the sum of doubt; see Docs/volumes.md for where it comes from."""

_SURE = 0.1


def sum_of_doubt(shares: torch.Tensor, unknown: torch.Tensor | None = None) -> list[float]:
    """Voxels of each structure that may be wrong: the sum of min(p, 1 - p) where p is undecided.

    A voxel with a probability of 0.5 counts as half a voxel that may be there or not. Errors of
    neighbouring voxels go the same way, so they are added and not averaged out. What is nearly sure
    is left out: a thousandth of a whole body is a lot of tissue.

    Args:
        shares: Probabilities (C, z, y, x), background first.
        unknown: 1 where nobody has annotated, 0 elsewhere, (z, y, x); None for 1 everywhere.

    Returns:
        A number of voxels for each class but the background.
    """
    found = []
    for share in shares[1:]:
        doubt = torch.minimum(share, 1 - share)
        doubt[doubt < _SURE] = 0
        if unknown is not None:
            doubt *= unknown
        found.append(float(doubt.sum(dtype=torch.float64)))
    return found


def errors_ml(doubt: dict[int, float], voxel_ml: float) -> dict[str, float]:
    """The estimated error (plus or minus) of each volume in millilitres.

    Args:
        doubt: Voxels by label value, from :func:`sum_of_doubt`.
        voxel_ml: Size of a voxel.
    """
    return {str(value): round(ERROR_FACTOR * one * voxel_ml, 4) for value, one in sorted(doubt.items())}
