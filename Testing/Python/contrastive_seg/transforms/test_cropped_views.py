"""SimCLR's and MoCo's views against slow references and by what they must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.transforms import geometry as geo
from contrastive_seg.transforms.moco_views import OPERATIONS
from contrastive_seg.transforms.views import IntensityViews, MACLIntensity, MoCoViews, SimCLRViews

ALL = (SimCLRViews, MoCoViews, MACLIntensity, IntensityViews)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class OneOperation(MoCoViews):
    """MoCo's list with one operation at a known strength and no crop."""

    def __init__(self, name: str, strength: float, **options: float) -> None:
        super().__init__(area=(1.0, 1.0), operations=1, **options)
        object.__setattr__(self, "chosen", (OPERATIONS.index(name), strength))

    def _draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        operation, strength = self.chosen
        return torch.full((count,), operation), torch.full((count,), strength)


def whole_image(count: int, size: int) -> torch.Tensor:
    return torch.randn(count, 1, size, size, generator=seeded(7))


def test_crops_have_the_area_and_the_shape_that_is_asked_for() -> None:
    boxes = geo.random_boxes(4000, (200, 200), seeded(0), (0.08, 1.0))
    left, top, wide, tall = boxes.T
    assert bool((left >= 0).all()) and bool((left + wide <= 200).all())
    assert bool((top >= 0).all()) and bool((top + tall <= 200).all())
    area, ratio = wide * tall / 200**2, wide / tall
    assert 0.07 < float(area.min()) < 0.1 and float(area.max()) > 0.95
    assert float(ratio.min()) > 0.74 and float(ratio.max()) < 1.35
    assert float(area.median()) == pytest.approx(0.5, abs=0.05)
    places = (left / (200 - wide).clamp(min=1))[wide < 150]
    assert float(places.mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("size", [(24, 24), (20, 36)])
def test_a_crop_is_the_part_resized_on_its_own(size: tuple[int, int]) -> None:
    images = torch.randn(6, 2, *size, generator=seeded(1))
    boxes = geo.random_boxes(6, size, seeded(2), (0.1, 0.8))
    at = geo.places(size, torch.device("cpu")).expand(6, -1, -1, -1)
    views = geo.sample(images, geo.box_places(at, boxes, size))
    for k, (x, y, wide, tall) in enumerate(boxes.int().tolist()):
        part = images[k : k + 1, :, y : y + tall, x : x + wide]
        expected = F.interpolate(part, size, mode="bilinear", align_corners=False)
        assert torch.allclose(views[k : k + 1], expected, atol=1e-4)


def test_simclr_views_mirror_half_of_the_images() -> None:
    image = whole_image(1, 16).expand(2000, -1, -1, -1)
    plain = SimCLRViews(area=(1.0, 1.0), jitter_probability=0, blur_probability=0)
    views = plain(image, seeded(0))
    as_it_is = ((views - image).abs() < 1e-4).all(dim=(1, 2, 3))
    mirrored = ((views - image.flip(-1)).abs() < 1e-4).all(dim=(1, 2, 3))
    whole = as_it_is | mirrored  # a crop of the whole area that is not square does not fit
    assert float(whole.float().mean()) > 0.95
    assert float(mirrored[whole].float().mean()) == pytest.approx(0.5, abs=0.04)


def test_simclr_views_stay_in_the_range_of_their_image() -> None:
    images = whole_image(64, 32)
    views = SimCLRViews()(images, seeded(0))
    assert bool((views.amax(dim=(1, 2, 3)) <= images.amax(dim=(1, 2, 3)) + 1e-4).all())
    assert bool((views.amin(dim=(1, 2, 3)) >= images.amin(dim=(1, 2, 3)) - 1e-4).all())


def test_moco_rotates_by_the_angle_at_its_level() -> None:
    images = whole_image(1, 32)
    view = OneOperation("rotate", 1.0, angle=90.0)(images, seeded(0))
    assert torch.allclose(view, torch.rot90(images, 1, (-2, -1)), atol=1e-3)


@pytest.mark.parametrize("name", ["translate-x", "translate-y"])
def test_moco_shifts_by_a_share_of_the_image(name: str) -> None:
    images = whole_image(1, 32)
    view = OneOperation(name, 0.5, shift=0.5)(images, seeded(0))
    axis = -1 if name.endswith("x") else -2
    assert torch.allclose(view.narrow(axis, 0, 24), images.narrow(axis, 8, 24), atol=1e-4)
    assert torch.allclose(view.narrow(axis, 24, 8), torch.zeros(()), atol=1e-4)


@pytest.mark.parametrize("name", ["shear-x", "shear-y"])
def test_moco_shears_rows_or_columns_in_proportion_to_their_distance_from_the_middle(name: str) -> None:
    ramp = torch.arange(33.0) - 16
    image = ramp.expand(1, 1, 33, 33) if name == "shear-x" else ramp[:, None].expand(1, 1, 33, 33)
    view = OneOperation(name, 1.0, shear=0.25)(image.contiguous(), seeded(0))[0, 0]
    other = ramp[:, None] if name == "shear-x" else ramp[None]
    middle = (slice(10, 23), slice(10, 23))
    assert torch.allclose(view[middle], (image[0, 0] + 0.25 * other)[middle], atol=1e-3)


def test_moco_erases_a_box_with_the_mean() -> None:
    images = whole_image(32, 32)
    views = OneOperation("erase", 0.5, erase=1.0)(images, seeded(0))
    for image, view in zip(images[:, 0], views[:, 0], strict=True):
        changed = ((view - image).abs() > 1e-4).nonzero()
        (top, left), (bottom, right) = changed.amin(0).tolist(), changed.amax(0).tolist()
        hole = view[top : bottom + 1, left : right + 1]
        assert torch.allclose(hole, image.mean(), atol=1e-4)
        assert 0.01 < hole.numel() / 32**2 < 0.45


def test_moco_changes_brightness_by_the_factor() -> None:
    images = torch.rand(3, 1, 16, 16, generator=seeded(1))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = 0, 1
    view = OneOperation("brightness", -0.5, colour=0.8)(images, seeded(0))
    assert torch.allclose(view, images * 0.6, atol=1e-5)


def test_every_moco_operation_is_chosen_about_equally_often() -> None:
    chosen, strength = MoCoViews()._draw(20000, seeded(0))
    shares = np.bincount(chosen.numpy(), minlength=10) / 20000
    assert shares == pytest.approx([0.1] * 10, abs=0.01)
    assert float(strength.abs().mean()) == pytest.approx(0.5, abs=0.01)
    assert float((strength > 0).float().mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("views", ALL)
def test_views_of_a_constant_image_are_finite(views: type) -> None:
    result = views()(torch.full((8, 1, 32, 32), 2.0), seeded(0))
    assert bool(torch.isfinite(result).all())


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(ALL),
    count=st.integers(1, 4),
    channels=st.integers(1, 3),
    height=st.integers(4, 32),
    width=st.integers(4, 32),
    seed=st.integers(0, 2**63 - 1),
    size=st.floats(0.01, 100),
)
def test_any_images_give_finite_views_of_the_same_size_that_a_seed_repeats(
    kind: type, count: int, channels: int, height: int, width: int, seed: int, size: float
) -> None:
    images = torch.randn(count, channels, height, width, generator=seeded(1)) * size
    before = images.clone()
    views = kind()(images, seeded(seed))
    assert views.shape == images.shape and bool(torch.isfinite(views).all())
    assert torch.equal(views, kind()(images, seeded(seed)))
    assert torch.equal(images, before)


@pytest.mark.gpu
@pytest.mark.parametrize("views", ALL)
def test_a_gpu_makes_the_same_views(views: type) -> None:
    if not torch.cuda.is_available():
        pytest.skip("There is no CUDA GPU.")
    images = whole_image(16, 64)
    here = views()(images, seeded(3))
    there = views()(images.cuda(), seeded(3)).cpu()
    assert math.isclose(float((here - there).abs().max()), 0, abs_tol=2e-3)
