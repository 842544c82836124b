"""Labels of the seed that is nearest along the image."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.priors import geodesic
from contrastive_seg.priors.geodesic import LENGTH, nearest_seeds


def cheapest_paths(
    image: np.ndarray, seeds: np.ndarray, spacing: tuple[float, float, float]
) -> dict[int, np.ndarray]:
    """Dijkstra, voxel by voxel: by label, the cost of the cheapest path from a seed of it."""
    found = {}
    steps = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
    for label in np.unique(seeds[seeds > 0]):
        cost = np.where(seeds == label, 0.0, np.inf)
        heap = [(0.0, tuple(map(int, place))) for place in np.argwhere(seeds == label)]
        while heap:
            so_far, here = heapq.heappop(heap)
            if so_far > cost[here]:
                continue
            for step in steps:
                there = tuple(h + s for h, s in zip(here, step, strict=True))
                if any(not 0 <= t < n for t, n in zip(there, image.shape, strict=True)):
                    continue
                if seeds[there] and seeds[there] != label:
                    continue  # what is painted is a wall for others
                length = sum((s * d) ** 2 for s, d in zip(step, spacing, strict=True)) ** 0.5
                total = so_far + abs(float(image[here]) - float(image[there])) + LENGTH * length
                if total < cost[there]:
                    cost[there] = total
                    heapq.heappush(heap, (total, there))
        found[int(label)] = cost
    return found


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 1000),
    along=st.floats(0.5, 8),
)
def test_each_voxel_gets_a_label_whose_path_is_cheapest(shape, seed, along):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape).astype(np.float32)
    seeds = rng.integers(1, 4, shape) * (rng.random(shape) < 0.2)
    seeds.flat[rng.integers(seeds.size)] = 2
    spacing = (along, 1.0, 1.0)
    found = nearest_seeds(torch.from_numpy(image), seeds, spacing, rounds=50)
    costs = cheapest_paths(image, seeds, spacing)
    best = np.min(list(costs.values()), axis=0)
    chosen = np.choose(
        found, [np.full(shape, np.inf)] + [costs.get(k, np.full(shape, np.inf)) for k in (1, 2, 3)]
    )
    np.testing.assert_allclose(chosen, best, atol=1e-4)
    assert (found[seeds > 0] == seeds[seeds > 0]).all()


def test_two_rounds_are_nearly_enough():
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.normal(size=(20, 24, 24)).astype(np.float32))
    image = torch.nn.functional.avg_pool3d(image[None, None], 3, 1, 1)[0, 0] * 5
    seeds = np.zeros(image.shape, int)
    seeds[4], seeds[15] = rng.integers(1, 4, (24, 24)), rng.integers(1, 4, (24, 24))
    assert (nearest_seeds(image, seeds) == nearest_seeds(image, seeds, rounds=50)).mean() > 0.98


def test_where_nothing_changes_the_nearest_seed_wins():
    seeds = np.zeros((9, 3, 3), int)
    seeds[0], seeds[8] = 1, 2
    found = nearest_seeds(torch.zeros(9, 3, 3), seeds)
    assert (found[:4] == 1).all() and (found[5:] == 2).all()


def test_without_a_seed_there_is_no_label():
    assert not nearest_seeds(torch.zeros(4, 5, 6), np.zeros((4, 5, 6), int)).any()


def test_short_operations_run_on_one_thread_and_later_ones_on_all_again(monkeypatch):
    seen, scan = [], geodesic._scan
    monkeypatch.setattr(
        geodesic, "_scan", lambda *arguments: (seen.append(torch.get_num_threads()), scan(*arguments))
    )
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        seeds = np.zeros((3, 4, 4), int)
        seeds[0, 0, 0] = 1
        assert (nearest_seeds(torch.zeros(3, 4, 4), seeds) == 1).all()
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
