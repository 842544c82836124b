"""Work of earlier days, for tests."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint

SHAPE = (12, 30, 40)
IMAGE = (ball(SHAPE) * 300 + np.arange(40)).astype(np.int16)
RED = (0.9, 0.1, 0.1)


def painted_scene() -> tuple[Any, Any]:
    """A volume and a painting on three of its slices; one beyond is marked as empty."""
    from ContrastiveSegLib.AnnotationLogic import AnnotationLogic

    volume = add_volume(IMAGE, name="Image")
    segmentation = add_segmentation(volume, ["Ball"], name="Painting")
    segmentation.GetSegmentation().GetSegment("Ball").SetName("Liver")
    segmentation.GetSegmentation().GetSegment("Ball").SetColor(*RED)
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), volume)
    AnnotationLogic.setEmpty(segmentation, (0, 0))
    return volume, segmentation


def make_run(volume: Any, segmentation: Any, *, predicted: bool = True, learning: bool = False) -> Any:
    """What a learning leaves in its folder, written as the panel and the worker write it."""
    from ContrastiveSegLib.RunFolder import RunFolder
    from ContrastiveSegLib.VolumeExport import VolumeExport

    folder = RunFolder.of(volume, segmentation).create()
    values = folder.segmentValues(["Ball"])
    exported = VolumeExport(folder.path).export(volume, segmentation, values)
    job = {
        "format": 1,
        "cases": [{key: exported.case[key] for key in ("image", "labels", "ijk_to_ras")}],
        "settings": {},
        "segments": [{"value": one.value, "name": one.name} for one in exported.segments],
    }
    (folder.path / "job.json").write_text(json.dumps(job), "utf-8")
    folder.keepLook(segmentation)
    folder.setLearning(learning)
    (folder.path / "checkpoint.safetensors").write_bytes(b"x")
    if predicted:
        np.save(folder.path / "prediction-0.npy", ball(SHAPE))
        np.save(folder.path / "uncertainty-0.npy", np.full(SHAPE, 7, np.uint8))
    return folder


def mask(segmentation: Any, volume: Any, name: str = "Ball") -> np.ndarray:
    """The voxels of a segment on the grid of a volume."""
    import slicer.util

    return np.asarray(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0)
