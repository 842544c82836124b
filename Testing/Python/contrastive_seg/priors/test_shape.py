import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.priors.shape import FAR, round_profile, signed_distance, vanishing_distance


def slow_signed_distance(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    points = [(y, x) for y in range(mask.shape[0]) for x in range(mask.shape[1])]
    result = np.zeros(mask.shape)
    for y, x in points:
        others = [p for p in points if mask[p] != mask[y, x]]
        nearest = min(np.hypot((y - a) * spacing[0], (x - b) * spacing[1]) for a, b in others)
        half = min(spacing) / 2
        result[y, x] = nearest - half if mask[y, x] else half - nearest
    return np.clip(result, -FAR, FAR)


@given(st.integers(0, 2**31 - 1), st.sampled_from([(1.0, 1.0), (2.0, 0.5)]))
@settings(max_examples=25, deadline=None)
def test_the_distance_equals_a_search_over_all_pixels(seed, spacing):
    mask = np.random.default_rng(seed).random((6, 7)) < 0.4
    mask[0, 0], mask[5, 6] = True, False
    np.testing.assert_allclose(signed_distance(mask, spacing), slow_signed_distance(mask, spacing), atol=1e-5)


def test_an_empty_and_a_full_mask_are_far_from_any_border():
    assert (signed_distance(np.zeros((4, 4), bool)) == -FAR).all()
    assert (signed_distance(np.ones((4, 4), bool)) == FAR).all()


def test_a_vanishing_structure_is_outside_everywhere_but_deepest_where_it_was_thickest():
    mask = np.zeros((21, 21), bool)
    mask[5:16, 5:16] = True
    distance = signed_distance(mask)
    vanished = vanishing_distance([distance], (21, 21))
    assert vanished.max() < 0
    assert np.unravel_index(vanished.argmax(), vanished.shape) == (10, 10)


def test_nothing_beside_means_nowhere_near():
    assert (vanishing_distance([np.full((3, 3), -FAR)], (3, 3)) == -FAR).all()


RADII = st.floats(0.5, 60.0)


@given(RADII, st.floats(0.0, 1.0))
@settings(max_examples=50)
def test_a_structure_that_ends_has_the_radii_of_an_ellipsoid(radius, way):
    here, absent = torch.tensor([radius, 0.0, 0.0]), torch.tensor([0.0, radius, 0.0])
    share, more = round_profile(here, absent, way)
    expected = radius * (1 - way**2) ** 0.5, radius * (1 - (1 - way) ** 2) ** 0.5
    radii = torch.stack([(1 - share[0]) * radius, share[1] * radius]).tolist()
    np.testing.assert_allclose(radii, expected, atol=1e-4 * radius)
    assert not more.any(), "only what is on both slices bulges"


@given(RADII, RADII, st.floats(0.0, 1.0))
@settings(max_examples=50)
def test_between_two_slices_the_square_of_the_radius_changes_evenly(low, high, way):
    share, more = round_profile(torch.tensor([low]), torch.tensor([high]), way)
    radius = float((1 - share) * low + share * high + more)
    assert np.isclose(radius**2, (1 - way) * low**2 + way * high**2, rtol=1e-4)
    assert -1e-4 <= float(more) <= abs(high - low) / 2
