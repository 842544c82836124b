"""PCL's views against slow references and by what they must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from contrastive_seg.transforms import geometry as geo
from contrastive_seg.transforms.views import SpatialViews


def smooth_images(count: int, height: int, width: int) -> torch.Tensor:
    """Images without fine detail, different in every place."""
    noise = np.random.default_rng(0).normal(size=(count, 1, height, width))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 3, 3)) * 20).float()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rotated_only(angle: float, scale: float = 1.0) -> SpatialViews:
    return SpatialViews(mirror=0, probability=1, alpha=(0.0, 0.0), angle=(angle, angle), scale=(scale, scale))


def test_about_a_third_of_the_views_is_not_deformed_and_a_quarter_is_not_mirrored() -> None:
    images = smooth_images(1, 16, 16).expand(3000, -1, -1, -1)
    views = SpatialViews()(images, seeded(0))
    versions = [images, images.flip(-1), images.flip(-2), images.flip(-1, -2)]
    shares = [float((views == version).all(dim=(1, 2, 3)).float().mean()) for version in versions]
    assert sum(shares) == pytest.approx(0.33, abs=0.03)
    assert shares == pytest.approx([0.33 / 4] * 4, abs=0.02)


def test_a_mirrored_view_is_the_mirrored_image_exactly() -> None:
    images = smooth_images(3, 20, 24)
    assert torch.equal(SpatialViews(mirror=1, probability=0)(images, seeded(0)), images.flip(-1, -2))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact(quarters: int) -> None:
    images = smooth_images(2, 32, 32)
    views = rotated_only(quarters * math.pi / 2)(images, seeded(0))
    # Image row numbers run downwards, so the places turn one way and what is seen the other.
    assert torch.allclose(views, torch.rot90(images, quarters, (-2, -1)), atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 56)])
@pytest.mark.parametrize("angle", [10.0, 33.0, -70.0])
def test_a_rotation_by_a_known_angle_is_scipys(height: int, width: int, angle: float) -> None:
    images = smooth_images(1, height, width)
    view = rotated_only(math.radians(angle))(images, seeded(0))[0, 0]
    expected = ndimage.rotate(images[0, 0].numpy(), angle, reshape=False, order=3)
    inside = ndimage.rotate(np.ones((height, width)), angle, reshape=False, order=1) > 0.999
    inside = ndimage.binary_erosion(inside, iterations=2)
    assert np.abs(view.numpy() - expected)[inside].max() < 0.02 * np.abs(expected).max()


def test_beyond_the_border_there_is_zero() -> None:
    images = torch.ones(1, 1, 32, 32)
    view = rotated_only(0.0, 1.3)(images, seeded(0))[0, 0]
    # Places lie 1.3 times as far from the middle, so the image covers 32 / 1.3 = 24.6 pixels.
    assert bool((view[8:24, 8:24].sub(1).abs() < 1e-5).all()) and bool((view[:3] == 0).all())


def test_the_elastic_displacement_has_the_size_and_smoothness_of_filtered_full_resolution_noise() -> None:
    size, sigma, alpha, count = (96, 112), 15.0, 200.0, 60
    spread = torch.full((count,), sigma)
    fields = geo.elastic_displacement(
        geo.elastic_noise(count, size, seeded(0)), size, spread, torch.full((count,), alpha)
    )
    noise = np.random.default_rng(0).uniform(-1, 1, (count, *size))
    slow = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="constant", truncate=5) * alpha
    middle = (slice(None), slice(32, 64), slice(40, 72))
    fast = fields[..., 0].numpy()
    assert fast[middle].std() == pytest.approx(slow[middle].std(), rel=0.15)
    assert fast[:, 0].std() == pytest.approx(slow[:, 0].std(), rel=0.2)  # nothing beyond the border
    steepness = [np.diff(field[middle], axis=2).std() / field[middle].std() for field in (fast, slow)]
    assert steepness[0] == pytest.approx(steepness[1], rel=0.15)


def test_the_displacement_equals_a_slow_sum_over_the_noise() -> None:
    size, sigma, alpha = (10, 13), torch.tensor([3.0]), torch.tensor([7.0])
    noise = geo.elastic_noise(1, size, seeded(3))
    field = geo.elastic_displacement(noise, size, sigma, alpha)[0]
    for y, x in [(0, 0), (4, 11), (9, 12)]:
        total = torch.zeros(2)
        for row in range(noise.shape[2]):
            for column in range(noise.shape[3]):
                dy, dx = y - (4 * row + 1.5), x - (4 * column + 1.5)
                weight = math.exp(-(dy**2 + dx**2) / (2 * 9)) / (2 * math.pi * 9) * 16
                total += weight * noise[0, :, row, column]
        assert torch.allclose(field[y, x], total * 7 / 4, atol=1e-5)


def test_all_channels_of_an_image_move_together() -> None:
    image = smooth_images(6, 32, 32)
    views = SpatialViews()(image.expand(-1, 3, -1, -1), seeded(5))
    assert torch.equal(views[:, 0], views[:, 2])
    assert torch.equal(views[:, :1], SpatialViews()(image, seeded(5)))


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 5),
    channels=st.integers(1, 3),
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_size_gives_finite_views_of_the_same_size_that_a_seed_repeats(
    count: int, channels: int, height: int, width: int, seed: int
) -> None:
    images = torch.randn(count, channels, height, width, generator=seeded(1))
    before = images.clone()
    views = SpatialViews()(images, seeded(seed))
    assert views.shape == images.shape and bool(torch.isfinite(views).all())
    assert torch.equal(views, SpatialViews()(images, seeded(seed)))
    assert torch.equal(images, before)
