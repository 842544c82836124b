"""Brightness, contrast, blur and sharpness against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from contrastive_seg.transforms import pixelwise as pix
from contrastive_seg.transforms.augmentation import (
    random_appearance,
    random_contrast,
    random_convolutions,
    random_intensity,
)
from contrastive_seg.transforms.views import IntensityViews, MACLIntensity, UprightViews


def random_images(count: int = 4, channels: int = 2, size: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def slow_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(image * factor, 0, 1)


def slow_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(image.mean() + (image - image.mean()) * factor, 0, 1)


def test_brightness_and_contrast_are_applied_image_by_image_in_the_order_drawn() -> None:
    images = random_images()
    brightness, contrast = torch.tensor([0.5, 1.5, 1.0, 1.7]), torch.tensor([1.6, 0.3, 1.0, 1.7])
    first = torch.tensor([True, False, False, True])
    views = pix.brighten_and_contrast(images, brightness, contrast, first).numpy()
    for k in range(4):
        image = images[k].numpy()
        if first[k]:
            expected = slow_brightness(slow_contrast(image, float(contrast[k])), float(brightness[k]))
        else:
            expected = slow_contrast(slow_brightness(image, float(brightness[k])), float(contrast[k]))
        assert np.allclose(views[k], expected, atol=1e-5)


def test_the_blur_is_a_truncated_gaussian_with_mirrored_borders() -> None:
    images, sigma = random_images(), torch.tensor([0.1, 0.7, 1.3, 2.0])
    blurred = pix.gaussian_blur(images, sigma, 11)
    for k in range(4):
        for channel in range(2):
            expected = ndimage.gaussian_filter(
                images[k, channel].numpy().astype(float), float(sigma[k]), mode="mirror", radius=11
            )
            assert np.allclose(blurred[k, channel].numpy(), expected, atol=1e-5)


def test_only_the_chosen_images_are_blurred() -> None:
    images, chosen = random_images(), torch.tensor([False, True, False, True])
    views = pix.blur_chosen(images, chosen, torch.full((4,), 1.5), 11)
    assert [bool((views[k] != images[k]).any()) for k in range(4)] == chosen.tolist()


def test_an_image_smaller_than_the_blur_is_blurred_too() -> None:
    views = pix.gaussian_blur(random_images(size=6), torch.full((4,), 2.0), 11)
    assert views.shape == (4, 2, 6, 6) and bool((views > 0.2).all()) and bool((views < 0.8).all())


def test_sharpness_of_one_changes_nothing_and_of_zero_is_the_smoothing_kernel() -> None:
    images = random_images(2, 1)
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    views = pix.sharpen(images, torch.ones(2, dtype=torch.bool), torch.tensor([1.0, 0.0]))
    assert torch.allclose(views[0], images[0], atol=1e-6)
    assert torch.equal(pix.sharpen(images, torch.zeros(2, dtype=torch.bool), torch.zeros(2)), images)
    expected = ndimage.convolve(images[1, 0].numpy(), kernel, mode="nearest")
    assert np.allclose(views[1, 0].numpy(), expected, atol=1e-6)


def test_the_range_of_each_image_comes_back() -> None:
    images = random_images() * torch.tensor([1.0, 100, 0.01, 7])[:, None, None, None] - 30
    images[3] = 5.0
    unit = pix.UnitRange.of(images)
    inside = unit.to_unit(images)
    assert float(inside.min()) >= 0 and float(inside[:3].amax()) == pytest.approx(1)
    assert torch.allclose(unit.back(inside), images, atol=1e-4)


def test_macl_views_keep_the_range_and_the_place() -> None:
    image = torch.zeros(8, 1, 32, 32)
    image[:, 0, 10, 20] = 3.0
    image[:, 0, 25, 5] = -1.0
    views = MACLIntensity()(image, torch.Generator().manual_seed(0))
    assert torch.allclose(views.amax(dim=(1, 2, 3)), torch.tensor(3.0), atol=1e-5)
    assert torch.allclose(views.amin(dim=(1, 2, 3)), torch.tensor(-1.0), atol=1e-5)
    assert views.flatten(1).argmax(dim=1).tolist() == [10 * 32 + 20] * 8
    assert views.flatten(1).argmin(dim=1).tolist() == [25 * 32 + 5] * 8


def test_two_intensity_views_differ_in_intensity_but_not_in_place() -> None:
    images = torch.zeros(16, 1, 48, 48)
    images[:, :, 12:36, 12:36] = 2.0
    generator = torch.Generator().manual_seed(0)
    views = [IntensityViews(noise=0)(images, generator) for _ in range(2)]
    assert float((views[0] - views[1]).abs().mean()) > 0.05
    for view in views:
        inside, outside = view[:, :, 16:32, 16:32], view[:, :, :8, :8]
        assert bool((inside.amin(dim=(1, 2, 3)) > outside.amax(dim=(1, 2, 3))).all())


def test_an_upright_view_is_turned_a_little_and_never_mirrored() -> None:
    # A bright left half and a bright upper half: mirrored or turned over, they would change places.
    images = torch.zeros(40, 1, 64, 64)
    images[:20, :, :, 4:32] = 1
    images[20:, :, 4:32] = 1
    views = UprightViews(intensity=IntensityViews(jitter=0, gamma=(1.0, 1.0), noise=0, probability=0))(
        images, torch.Generator().manual_seed(0)
    )
    left, right = views[:20, 0, :, :32].mean(dim=(1, 2)), views[:20, 0, :, 32:].mean(dim=(1, 2))
    above, below = views[20:, 0, :32].mean(dim=(1, 2)), views[20:, 0, 32:].mean(dim=(1, 2))
    assert (left > 2 * right).all() and (above > 2 * below).all()
    assert (views - images).abs().mean(dim=(1, 2, 3)).min() > 0.01  # and yet every one has changed


def test_another_contrast_keeps_the_range_and_the_order_of_grey_values() -> None:
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    changed = random_contrast(images, torch.Generator().manual_seed(1))
    for before, after in zip(images, changed, strict=True):
        assert torch.allclose(after.min(), before.min(), atol=1e-5)
        assert torch.allclose(after.max(), before.max(), atol=1e-5)
        assert (after.flatten()[before.flatten().argsort()].diff() >= -1e-6).all()
    middle = (changed - images).abs().mean(dim=(1, 2, 3))
    assert float(middle.max()) > 0.2 and float(middle.min()) < 0.1  # some much, some hardly
    same = torch.full((2, 3, 8, 8), 0.7)
    assert torch.equal(random_contrast(same, torch.Generator().manual_seed(1)), same)


def test_a_share_of_the_images_gets_another_contrast_and_none_without_it() -> None:
    images = torch.rand(400, 3, 6, 6, generator=torch.Generator().manual_seed(0))

    def changed(contrasts: float) -> torch.Tensor:
        return random_appearance(images, torch.Generator().manual_seed(1), contrasts=contrasts)

    plain = random_intensity(images, torch.Generator().manual_seed(1))
    assert torch.equal(changed(0.0), plain)
    share = (changed(0.3) != plain).flatten(1).any(dim=1).float().mean()
    assert 0.2 < float(share) < 0.4
    assert bool((changed(1.0) != plain).flatten(1).any(dim=1).all())


def slow_convolutions(image: torch.Tensor, generator: torch.Generator, most: float) -> torch.Tensor:
    """The same for one image (C, H, W), slice by slice and pixel by pixel."""
    layers = []
    for wide, out in ((1, 2), (2, 2), (2, 2), (2, 1)):
        side = 2 * int(torch.randint(2, (1,), generator=generator)) + 1
        weight = torch.randn(out, wide, side, side, generator=generator).double()
        layers.append((weight, torch.randn(out, generator=generator).double()))
    share = most * float(torch.rand(1, 1, 1, 1, generator=generator))
    found = []
    for grey in image.double():
        maps = grey[None]
        for number, (weight, offset) in enumerate(layers):
            half = weight.shape[-1] // 2
            wide = F.pad(maps, (half, half, half, half))
            out = torch.zeros(len(weight), *grey.shape, dtype=torch.double)
            for o in range(len(weight)):
                for y in range(grey.shape[0]):
                    for x in range(grey.shape[1]):
                        window = wide[:, y : y + 2 * half + 1, x : x + 2 * half + 1]
                        out[o, y, x] = (window * weight[o]).sum() + offset[o]
            maps = out if number == 3 else torch.where(out > 0, out, 0.01 * out)
        found.append(maps[0])
    picture = torch.stack(found)
    picture = (picture - picture.mean()) / picture.std() * image.double().std() + image.double().mean()
    return ((1 - share) * image + share * picture).float()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_convolutions_agree_with_a_slow_reference(seed: int) -> None:
    images = torch.randn(1, 3, 6, 7, generator=torch.Generator().manual_seed(seed))
    found = random_convolutions(images, torch.Generator().manual_seed(seed), most=0.8)
    expected = slow_convolutions(images[0], torch.Generator().manual_seed(seed), 0.8)
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-4)


def test_random_convolutions_keep_mean_and_spread_and_every_image_is_changed_by_itself() -> None:
    images = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).repeat(8, 1, 1, 1)
    changed = random_convolutions(images, torch.Generator().manual_seed(1), most=1.0)
    torch.testing.assert_close(changed.mean((1, 2, 3)), images.mean((1, 2, 3)), rtol=1e-3, atol=1e-3)
    assert (changed.std((1, 2, 3)) <= images.std((1, 2, 3)) * 1.001).all()
    assert len({round(float(one.abs().sum()), 3) for one in changed}) == 8
    same = torch.full((2, 3, 8, 8), 0.7)
    flat = random_convolutions(same, torch.Generator().manual_seed(1))
    assert torch.isfinite(flat).all()
