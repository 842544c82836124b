"""A case made ready for training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.case_data import PreparedView


@dataclass
class PreparedCase:
    """A case in the common orientation with its views."""

    volume: Volume
    labels: SparseLabels
    orientation: Orientation
    views: list[PreparedView]


def views_of(volume: Volume, earlier: Sequence[PreparedCase]) -> dict[int, PreparedView]:
    """Views by axis of an earlier round, where it had the same image (opened anew, perhaps)."""
    for case in earlier:
        before = case.volume
        same_grid = before.shape == volume.shape and np.array_equal(before.ijk_to_ras, volume.ijk_to_ras)
        if same_grid and all(np.array_equal(a, b) for a, b in zip(before.array, volume.array, strict=True)):
            return {item.view.axis: item for item in case.views}
    return {}


def some_images(cases: Sequence[PreparedCase], most: int = 8) -> torch.Tensor:
    """Annotated slices of the first view with their neighbours, (n, CONTEXT, H, W), n at most ``most``."""
    view = next(item for case in cases for item in case.views if item.samples)
    indices = sorted({sample.index for sample in view.samples})
    step = max(1, len(indices) // most)
    return view.view.context(indices[::step][:most])
