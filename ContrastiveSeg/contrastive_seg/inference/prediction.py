"""The result of segmenting one volume."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Prediction:
    """A predicted segmentation on the image's own grid.

    Attributes:
        labels: Label values as painted by the user, 0 for background; uint8, or int16 where a
            value is above 255; shape (z, y, x).
        probability: Probability in percent that the voxel is foreground (any structure); uint8,
            0..100, shape (z, y, x). Percent in uint8 keeps a 512x512x1000 CT at 262 MB.
        uncertainty: Percent, 0 (sure) .. 100 (undecided); uint8, shape (z, y, x).
        dice_estimate: Dice by label value estimated on held-out annotated slices; may be empty.
        doubtful_voxels: By label value how many voxels may be wrong, see
            :func:`~contrastive_seg.inference.volume_error.sum_of_doubt`; may be empty.
        elsewhere_voxels: How many were left out of the labels, see
            :func:`~contrastive_seg.inference.one_piece.keep_largest_piece`.
    """

    labels: np.ndarray
    probability: np.ndarray
    uncertainty: np.ndarray
    dice_estimate: dict[int, float] = field(default_factory=dict)
    doubtful_voxels: dict[int, float] = field(default_factory=dict)
    elsewhere_voxels: int = 0
