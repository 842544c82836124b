import numpy as np
import torch

from contrastive_seg.priors.propagation import Propagator
from contrastive_seg.priors.registration import register_pairs, warp
from contrastive_seg.priors.shape import signed_distance


def disc(centre: tuple[float, float], radius: float, size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def moving_disc(count: int = 17) -> tuple[torch.Tensor, list[np.ndarray]]:
    """A disc that wanders along a curve no straight interpolation can guess."""
    masks = [disc((32 + 10 * np.sin(np.pi * k / (count - 1)), 24 + k), 9) for k in range(count)]
    rng = np.random.default_rng(0)
    images = [2.0 * m - 0.5 + rng.normal(0, 0.1, m.shape) for m in masks]
    return torch.from_numpy(np.stack(images).astype(np.float32)), masks


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_warping_by_whole_pixels_shifts_the_image():
    image = torch.arange(30.0).view(1, 1, 5, 6)
    shift = torch.zeros(1, 2, 5, 6)
    shift[:, 0] = 1.0
    torch.testing.assert_close(warp(image, shift)[..., :-1], image[..., 1:])


def test_registration_finds_a_known_shift():
    fixed = torch.from_numpy(disc((32, 32), 10).astype(np.float32))[None, None] * 2
    moving = torch.from_numpy(disc((32, 35), 10).astype(np.float32))[None, None] * 2
    before = (fixed - moving).abs().mean()
    after = (fixed - warp(moving, register_pairs(fixed, moving))).abs().mean()
    assert after < 0.25 * before


def test_a_structure_is_followed_where_straight_interpolation_loses_it():
    images, masks = moving_disc()
    ends = {0: masks[0], 16: masks[16]}
    distances = {i: torch.from_numpy(signed_distance(m))[None] for i, m in ends.items()}
    priors = Propagator(images, distances).propagate()
    followed = overlap(priors[8].distance[0].numpy() > 0, masks[8])
    straight = overlap(((distances[0] + distances[16])[0].numpy() / 2) > 0, masks[8])
    assert followed > 0.85
    assert followed > straight + 0.3


def test_annotated_slices_come_back_as_they_are_and_gaps_are_counted_in_pixels():
    images, masks = moving_disc()
    distances = {i: torch.from_numpy(signed_distance(masks[i]))[None] for i in (4, 12)}
    priors = Propagator(images, distances, slice_pixels=2.0).propagate()
    torch.testing.assert_close(priors[4].distance, distances[4])
    assert [priors[i].gap for i in (4, 6, 8, 11)] == [0.0, 4.0, 8.0, 2.0]


def test_a_left_out_slice_is_predicted_from_the_others_only():
    images, masks = moving_disc()
    distances = {i: torch.from_numpy(signed_distance(masks[i]))[None] for i in (0, 8, 16)}
    propagator = Propagator(images, distances)
    without = propagator.propagate(leave_out=[8], only=[8])[8]
    distances[8].fill_(123.0)
    again = propagator.propagate(leave_out=[8], only=[8])[8]
    torch.testing.assert_close(without.distance, again.distance)
    assert without.gap == 8.0


def test_a_class_missing_from_a_slice_shrinks_towards_it():
    images = torch.zeros(9, 64, 64)
    distances = {
        0: torch.from_numpy(signed_distance(disc((32, 32), 12)))[None],
        8: torch.from_numpy(signed_distance(np.zeros((64, 64), bool)))[None],
    }
    priors = Propagator(images, distances).propagate()
    areas = [int((priors[i].distance[0] > 0).sum()) for i in range(9)]
    assert areas == sorted(areas, reverse=True)
    assert areas[4] > 0 and areas[8] == 0


def test_a_ball_is_round_again_after_its_middle_and_two_empty_slices():
    places = (np.arange(33) - 16) ** 2
    ball = places[:, None, None] + places[:, None] + places < 12**2
    images = torch.zeros(33, 33, 33)
    slices = {i: torch.from_numpy(signed_distance(ball[i]))[None] for i in (4, 16, 28)}
    priors = Propagator(images, slices).propagate()
    found = np.stack([priors[i].distance[0].numpy() > 0 for i in range(33)])
    assert overlap(found, ball) > 0.95


def test_nothing_left_means_no_prior():
    images = torch.zeros(3, 16, 16)
    distances = {1: torch.full((1, 16, 16), -5.0)}
    assert Propagator(images, distances).propagate(leave_out=[1]) == {}


def test_a_structure_absent_from_the_outermost_slice_is_absent_beyond_it():
    images = torch.zeros(60, 64, 64)
    empty, painted = np.zeros((64, 64), bool), disc((32, 32), 12)
    slices = {20: (empty, painted), 30: (painted, painted), 40: (painted, empty)}
    distances = {
        i: torch.stack([torch.from_numpy(signed_distance(m)) for m in masks]) for i, masks in slices.items()
    }
    ends = Propagator(images, distances).ends
    assert ends.absent(10).tolist() == [True, False]
    assert ends.absent(30).tolist() == [False, False]
    assert ends.absent(59).tolist() == [False, True]
