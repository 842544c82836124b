"""Which slices a step gets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contrastive_seg.pretraining.data.batches import SliceOrder


@st.composite
def counts_and_batches(draw: st.DrawFn) -> tuple[int, int]:
    count = draw(st.integers(1, 60))
    return count, draw(st.integers(1, count))


@settings(max_examples=150, deadline=None)
@given(sizes=counts_and_batches(), seed=st.integers(-(2**63), 2**64))
def test_every_slice_comes_once_an_epoch_and_never_twice_in_a_batch(
    sizes: tuple[int, int], seed: int
) -> None:
    count, batch = sizes
    order = SliceOrder(count, batch, seed)
    steps = [order(step) for step in range(-(-4 * count // batch))]
    assert all(len(set(taken.tolist())) == batch for taken in steps)
    row = np.concatenate(steps)
    for epoch in range(4):
        assert sorted(row[epoch * count : (epoch + 1) * count]) == list(range(count))


@settings(max_examples=60, deadline=None)
@given(
    sizes=counts_and_batches(),
    seed=st.integers(0, 2**32),
    asked=st.lists(st.integers(0, 200), min_size=1, max_size=8),
)
def test_a_step_is_the_same_whatever_was_asked_for_before(
    sizes: tuple[int, int], seed: int, asked: list[int]
) -> None:
    used = SliceOrder(*sizes, seed)
    for step in asked:
        assert np.array_equal(used(step), SliceOrder(*sizes, seed)(step))


def test_epochs_and_seeds_differ() -> None:
    order = SliceOrder(100, 100, 0)
    assert not np.array_equal(order(0), order(1))
    assert not np.array_equal(order(0), SliceOrder(100, 100, 1)(0))
