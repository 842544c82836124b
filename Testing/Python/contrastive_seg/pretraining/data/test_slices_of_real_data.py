"""Slices of patients' images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from slice_files import DATA

from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.transforms.views import SimCLRViews, SpatialViews


def data_set(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"The data set '{name}' is not beside the project (../shared/data/{name}).")
    return folder


def test_all_hippocampi_are_read_without_their_labels() -> None:
    data = SliceData(data_set("hippocampus"), size=64, on_note=lambda note: None)
    assert len(data.volumes) == 200 and not data.skipped and data.count > 6000
    batch = data.batch(5, 64, 0)
    assert float(batch.positions.min()) > 0 and float(batch.positions.max()) <= 1
    assert set(batch.partitions.tolist()) == {1, 2, 3, 4}
    views = SpatialViews()(batch.images, torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(views).all()) and not torch.equal(views, batch.images)


def test_ultrasound_images_are_slices_of_their_own() -> None:
    data = SliceData(data_set("fetal_head_ultrasound"), size=128, on_note=lambda note: None)
    assert data.count == len(data.volumes) == 110 and not data.skipped
    batch = data.batch(0, 16, 0)
    assert set(batch.positions.tolist()) == {1.0} and len(set(batch.volumes.tolist())) == 16
    views = SimCLRViews()(batch.images, torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(views).all())


@pytest.mark.slow
def test_empty_slices_of_brains_in_a_common_space_are_left_out() -> None:
    data = SliceData(data_set("brain_ms"), size=96, plane="axial", on_note=lambda note: None)
    assert len(data.volumes) == 20 and not data.skipped
    in_common_space = [volume for volume in data.volumes if "_mni" in volume.name]
    assert in_common_space and all(20 < v.slices - v.used < 70 for v in in_common_space)
