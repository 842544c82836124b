"""Growing from annotated slices into the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contrastive_seg.priors.propagation import SlicePrior
from contrastive_seg.priors.region_growing import FAR_MM, LARGEST_SHARE, RegionGrowing, mixed
from contrastive_seg.priors.vote import prior_scores

SIZE = (24, 40, 40)


def a_tube(shift: float = 0.6) -> tuple[torch.Tensor, np.ndarray]:
    """A bright tube that runs obliquely through the stack, and where it is."""
    z, y, x = np.mgrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    inside = (y - 12 - shift * z) ** 2 + (x - 20) ** 2 < 36
    noise = np.random.default_rng(0).normal(0, 0.1, SIZE)
    return torch.from_numpy((inside * 2.0 - 0.5 + noise).astype(np.float32)), inside


def undecided(indices: range, gap: float = 10.0) -> dict[int, SlicePrior]:
    """Priors that say nothing."""
    empty = torch.zeros(1, *SIZE[1:])
    return {i: SlicePrior(empty.clone(), empty[0].clone(), gap) for i in indices}


def known(inside: np.ndarray, *indices: int) -> dict[int, np.ndarray]:
    return {i: inside[i].astype(np.int64) + 1 for i in indices}


def overlap(found: dict[int, np.ndarray], inside: np.ndarray) -> float:
    mine = np.stack([found[i] for i in sorted(found)]) == 1
    theirs = inside[sorted(found)]
    return 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum())


def test_a_tube_is_followed_between_two_slices_and_beyond_them():
    stack, inside = a_tube()
    found = RegionGrowing(stack, known(inside, 6, 16), undecided(range(24)), 1.0).labels()
    assert sorted(found) == list(range(24)) and overlap(found, inside) > 0.97
    assert (found[6] == inside[6]).all() and (found[16] == inside[16]).all()


def test_an_annotated_slice_is_a_wall():
    stack, inside = a_tube(0.0)
    labels = known(inside, 4, 12)
    labels[12] = np.ones_like(labels[12])  # nothing there: the tube has ended
    found = RegionGrowing(stack, labels, undecided(range(24)), 1.0).labels()
    assert found[8].any() and not any(found[i].any() for i in range(12, 24))


def test_a_slice_that_is_left_out_is_found_from_its_neighbours_only():
    stack, inside = a_tube()
    labels = known(inside, 4, 10, 18)
    labels[10] = np.ones_like(labels[10])  # a lie that must not be listened to
    found = RegionGrowing(stack, labels, undecided(range(24)), 1.0).labels(leave_out=10)
    assert sorted(found) == list(range(4, 19)) and overlap(found, inside) > 0.97


def test_what_was_propagated_from_a_slice_that_is_left_out_is_not_listened_to_either():
    stack, inside = a_tube()
    priors = undecided(range(24))
    for index in range(5, 18):
        priors[index].distance[:] = -30.0  # the lie, carried to the slices beside it
    growing = RegionGrowing(stack, known(inside, 4, 10, 18), priors, 1.0)
    assert growing.gap(10) == range(4, 19)
    found = growing.labels(leave_out=10, without=undecided(range(4, 19)))
    assert overlap(found, inside) > 0.97


def test_nothing_grows_far_from_every_contour_where_nobody_said_that_it_ends():
    stack, inside = a_tube(0.0)
    only_the_tube = {0: inside[0] * 2}  # and not a word about what is around it
    priors = undecided(range(24))
    everywhere = RegionGrowing(stack, only_the_tube, priors, 1.0).labels()
    assert all(one.all() for one in everywhere.values())
    for prior in priors.values():
        prior.distance[:, :, 30:] = -30.0
    assert overlap(RegionGrowing(stack, only_the_tube, priors, 1.0).labels(), inside) > 0.97


def test_between_annotated_slices_a_structure_may_run_far_from_the_carried_contours():
    stack, inside = a_tube(0.9)
    priors = undecided(range(24))
    for prior in priors.values():
        prior.distance[:] = -30.0  # the contours have lost it
    found = RegionGrowing(stack, known(inside, 4, 18), priors, 1.0).labels()
    assert overlap({i: found[i] for i in range(4, 19)}, inside) > 0.97


def test_a_large_stack_is_grown_on_every_second_pixel(monkeypatch: pytest.MonkeyPatch):
    stack, inside = a_tube()
    monkeypatch.setattr("contrastive_seg.priors.region_growing._MOST_VOXELS", 1000)
    growing = RegionGrowing(stack[:, :39, :37], {i: m[:39, :37] for i, m in known(inside, 6, 16).items()}, {
        i: SlicePrior(p.distance[:, :39, :37], p.disagreement[:39, :37], p.gap)
        for i, p in undecided(range(24)).items()
    }, 1.0)  # fmt: skip
    found = growing.labels()
    assert found[10].shape == (39, 37) and overlap(found, inside[:, :39, :37]) > 0.9


def test_two_slices_are_enough():
    stack, inside = a_tube()
    found = RegionGrowing(stack[:2], known(inside, 0), undecided(range(2)), 1.0).labels()
    assert sorted(found) == [0, 1] and overlap(found, inside) > 0.95


def test_partly_known_pixels_are_not_seeds():
    stack, inside = a_tube()
    labels = known(inside, 6, 16)
    labels[6][:, :20] = 0  # nobody said anything about this half
    found = RegionGrowing(stack, labels, undecided(range(24)), 1.0).labels()
    assert overlap(found, inside) > 0.9


@pytest.mark.parametrize("voxels", [1_500_000, 1000])
def test_a_line_of_known_pixels_says_what_it_crosses(voxels: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("contrastive_seg.priors.region_growing._MOST_VOXELS", voxels)
    stack, inside = a_tube()
    tube = inside.copy()
    inside = inside.copy()
    inside[8:15] = False  # there it is something else, which looks the same and which one line tells
    crossing = {}
    for index in range(1, 23):
        if index not in (4, 18):
            crossing[index] = np.zeros(SIZE[1:], np.int64)
            crossing[index][:, 21] = inside[index, :, 21] + 1
    alone = RegionGrowing(stack, known(tube, 4, 18), undecided(range(24)), 1.0).labels()
    told = RegionGrowing(stack, known(tube, 4, 18), undecided(range(24)), 1.0, crossing).labels()
    assert overlap(told, inside) > max(0.87, overlap(alone, inside) + 0.05)


def test_far_from_annotated_slices_what_has_grown_has_most_of_the_say_and_on_them_none():
    torch.manual_seed(0)
    prior = SlicePrior(torch.randn(2, 20, 20) * 2, torch.zeros(20, 20), 0.0)
    grown = np.zeros((20, 20), np.int64)
    grown[:, 10:] = 2
    assert mixed(prior, grown, 1.0) is prior

    def probabilities(one: SlicePrior) -> torch.Tensor:
        scores = prior_scores(one.distance)
        return torch.softmax(torch.cat([torch.zeros(1, 20, 20), scores]), dim=0)

    far = SlicePrior(prior.distance, prior.disagreement, FAR_MM / 0.8)
    found = probabilities(mixed(far, grown, 0.8))
    expected = (1 - LARGEST_SHARE) * probabilities(prior)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(20, 20))
    # Away from its own border what has grown gets its share of everything.
    torch.testing.assert_close(found[2, :, 16:], expected[2, :, 16:] + LARGEST_SHARE, atol=0.01, rtol=0)
    torch.testing.assert_close(found[1, :, 16:], expected[1, :, 16:], atol=0.01, rtol=0)


def test_structures_that_the_two_name_differently_do_not_become_background():
    distance = torch.full((2, 12, 12), -12.0)
    distance[0] = 8.0
    prior = SlicePrior(distance, torch.zeros(12, 12), 100.0)
    both = mixed(prior, np.full((12, 12), 2), 1.0).distance
    assert (both.amax(dim=0) > 0).all()
