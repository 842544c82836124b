"""Random views for contrastive pretraining: the lists of augmentations that the methods are published with.

Every list is called with images (B, C, H, W) on any device and a CPU generator (or several, see
:class:`~contrastive_seg.transforms.draws.GroupedGenerator`) and returns a new view
of every image. All channels of an image (a slice and its neighbours) are changed together. Images are
grey: what the published lists do to colours (saturation, hue, conversion to grey) changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from contrastive_seg.transforms import draws
from contrastive_seg.transforms import geometry as geo
from contrastive_seg.transforms import pixelwise as pix
from contrastive_seg.transforms.moco_views import MoCoViews

__all__ = ["IntensityViews", "MACLIntensity", "MoCoViews", "SimCLRViews", "SpatialViews", "UprightViews"]


@dataclass(frozen=True)
class SpatialViews:
    """PCL: mirrors, and often one elastic change with rotation and scaling; no change of intensity.

    Attributes:
        mirror: Probability along each axis.
        probability: Of the elastic change, rotation and scaling together.
        sigma: Smoothness of the elastic displacement, pixels.
        alpha: Its magnitude, pixels.
        angle: Radians.
        scale: Factors of the distance from the middle.
    """

    mirror: float = 0.5
    probability: float = 0.67
    sigma: tuple[float, float] = (14.0, 17.0)
    alpha: tuple[float, float] = (100.0, 350.0)
    angle: tuple[float, float] = (0.0, 2 * math.pi)
    scale: tuple[float, float] = (0.7, 1.3)

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image; beyond the border there is 0, the volume's mean."""
        count, size = images.shape[0], (int(images.shape[-2]), int(images.shape[-1]))
        for axis in (-2, -1):
            images = geo.mirror(images, draws.chance(count, self.mirror, generator), axis)
        chosen = torch.nonzero(draws.chance(count, self.probability, generator))[:, 0]
        sigma = draws.uniform(count, *self.sigma, generator)
        alpha = draws.uniform(count, *self.alpha, generator)
        angles = draws.uniform(count, *self.angle, generator)
        scales = draws.uniform(count, *self.scale, generator)
        noise = geo.elastic_noise(count, size, generator)
        if len(chosen) == 0:
            return images
        noise, sigma, alpha = (values[chosen].to(images.device) for values in (noise, sigma, alpha))
        at = geo.places(size, images.device) + geo.elastic_displacement(noise, size, sigma, alpha)
        at = geo.turned(at, geo.rotation(angles[chosen], scales[chosen]))
        where = chosen.to(images.device)
        return images.index_copy(0, where, geo.sample(images[where], at, "bicubic"))


@dataclass(frozen=True)
class SimCLRViews:
    """SimCLR and BYOL of the echo paper: crop and resize, mirror, brightness and contrast, blur.

    Attributes:
        area: Of the crop, share of the image.
        jitter: Largest change of brightness and contrast.
        jitter_probability: Of that change.
        blur: Standard deviations, pixels.
        blur_probability: Of the blur.
    """

    area: tuple[float, float] = (0.08, 1.0)
    jitter: float = 0.8
    jitter_probability: float = 0.8
    blur: tuple[float, float] = (0.1, 2.0)
    blur_probability: float = 0.5

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image."""
        count, size = images.shape[0], (int(images.shape[-2]), int(images.shape[-1]))
        unit = pix.UnitRange.of(images)
        boxes = geo.random_boxes(count, size, generator, self.area)
        at = geo.places(size, images.device).expand(count, -1, -1, -1)
        views = geo.sample(unit.to_unit(images), geo.box_places(at, boxes, size))
        views = geo.mirror(views, draws.chance(count, 0.5, generator), -1)
        views = _jittered(views, self.jitter, self.jitter_probability, generator)
        views = _blurred(views, self.blur, self.blur_probability, generator)
        return unit.back(views)


@dataclass(frozen=True)
class MACLIntensity:
    """The changes of MACL's released code: darker, contrast, blur, then the full range again.

    Attributes:
        brightness: Factor.
        contrast: Factor.
        blur: Standard deviations of the 3x3 blur, pixels.
    """

    brightness: tuple[float, float] = (0.0, 1.0)
    contrast: tuple[float, float] = (0.8, 1.2)
    blur: tuple[float, float] = (1.0, 3.0)

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image, everything in its place."""
        count = images.shape[0]
        unit = pix.UnitRange.of(images)
        # At a factor of exactly 0 nothing would be left to bring back to the full range.
        brightness = draws.uniform(count, *self.brightness, generator).clamp(min=1e-3)
        contrast = draws.uniform(count, *self.contrast, generator)
        first = torch.zeros(count, dtype=torch.bool)
        views = pix.brighten_and_contrast(unit.to_unit(images), brightness, contrast, first)
        views = pix.gaussian_blur(views, draws.uniform(count, *self.blur, generator), 1)
        return unit.back(pix.UnitRange.of(views).to_unit(views))


@dataclass(frozen=True)
class IntensityViews:
    """Brightness, contrast, gamma, blur and noise, for losses that compare the same place of two views.

    Attributes:
        jitter: Largest change of brightness and contrast.
        gamma: Exponents; as likely below 1 as above.
        blur: Standard deviations, pixels.
        noise: Largest standard deviation of the noise, share of the image's range.
        probability: Of each of the changes of brightness and contrast, and of the blur.
    """

    jitter: float = 0.4
    gamma: tuple[float, float] = (0.6, 1 / 0.6)
    blur: tuple[float, float] = (0.1, 2.0)
    noise: float = 0.05
    probability: float = 0.8

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image, everything in its place."""
        count = images.shape[0]
        unit = pix.UnitRange.of(images)
        low, high = (math.log(value) for value in self.gamma)
        exponents = torch.exp(draws.uniform(count, low, high, generator))
        views = unit.to_unit(images).clamp(0, 1) ** pix.per_image(exponents, images)
        views = _jittered(views, self.jitter, self.probability, generator)
        views = _blurred(views, self.blur, self.probability / 2, generator)
        spread = pix.per_image(draws.uniform(count, 0, self.noise, generator), images)
        noise = draws.randn(tuple(images.shape), generator).to(images.device, images.dtype)
        return unit.back(views + noise * spread)


def _small_changes() -> SpatialViews:
    return SpatialViews(mirror=0.0, probability=1.0, angle=(-0.35, 0.35), scale=(0.75, 1.25))


@dataclass(frozen=True)
class UprightViews:
    """What patients and scanners differ in: size, a little rotation, shape and intensity.

    Nothing is mirrored or turned over: in a volume of known orientation left, right, front and back
    tell structures apart, and features that must not see them are of less use.

    Attributes:
        spatial: Up to 20 degrees, 0.75 to 1.25 times the size, elastic, every time.
        intensity: Afterwards.
    """

    spatial: SpatialViews = field(default_factory=_small_changes)
    intensity: IntensityViews = field(default_factory=IntensityViews)

    def __call__(self, images: torch.Tensor, generator: draws.Randomness) -> torch.Tensor:
        """One view of every image; beyond the border there is 0, the volume's mean."""
        return self.intensity(self.spatial(images, generator), generator)


def _jittered(
    views: torch.Tensor, amount: float, probability: float, generator: draws.Randomness
) -> torch.Tensor:
    """Brightness and contrast in random order, for some of the images."""
    count = views.shape[0]
    brightness, contrast = (draws.uniform(count, 1 - amount, 1 + amount, generator) for _ in range(2))
    kept = ~draws.chance(count, probability, generator)
    brightness, contrast = brightness.masked_fill(kept, 1), contrast.masked_fill(kept, 1)
    return pix.brighten_and_contrast(views, brightness, contrast, draws.chance(count, 0.5, generator))


def _blurred(
    views: torch.Tensor, sigma: tuple[float, float], probability: float, generator: draws.Randomness
) -> torch.Tensor:
    """Blur with a kernel of 23 pixels, for some of the images."""
    count = views.shape[0]
    sigmas = draws.uniform(count, *sigma, generator)
    return pix.blur_chosen(views, draws.chance(count, probability, generator), sigmas, 11)
