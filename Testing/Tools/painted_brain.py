"""The MNI152 brain with a few painted slices, as the scene of the pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from scene_parts import add_segmentation, add_volume, paint

from contrastive_seg import demo_data
from contrastive_seg.data.read import read_volume
from contrastive_seg.demo_data import STRUCTURES
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic

COLORS = [(0.902, 0.631, 0.235), (0.31, 0.639, 0.878), (0.851, 0.325, 0.31), (0.608, 0.435, 0.816),
          (0.361, 0.722, 0.361), (0.275, 0.776, 0.753)]  # fmt: skip
CENTER = (16.0, 0.0, 8.0)
"""MNI millimetres, through the deep structures."""
SLICES = 5


def painted_brain() -> tuple[Any, Any, int]:
    """Volume, segmentation with painted coronal slices and an empty one beyond each end, the middle."""
    # the whole head, of which the demo's sample is cut
    root = demo_data._package_folder()
    image = read_volume(root / demo_data._TEMPLATE)
    truth = demo_data._structures(root / demo_data._ATLAS, root / demo_data._TEMPLATE)
    volume = add_volume(image.array, image.ijk_to_ras, name="MNI152 T1")
    segmentation = add_segmentation(volume, list(STRUCTURES.values()), name="Deep structures")
    extent = np.flatnonzero((truth > 0).any(axis=(0, 2)))
    inside = np.linspace(extent[0], extent[-1], SLICES + 2).round().astype(int)[1:-1]
    for (value, name), color in zip(STRUCTURES.items(), COLORS, strict=True):
        kept = np.zeros_like(truth)
        kept[:, inside] = truth[:, inside] == value
        paint(segmentation, name, kept, volume)
        segmentation.GetSegmentation().GetSegment(name).SetColor(*color)
    for index in (extent[0] - 1, extent[-1] + 1):
        AnnotationLogic.setEmpty(segmentation, (1, int(index)))
    return volume, segmentation, int(inside[SLICES // 2])
