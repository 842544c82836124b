"""The benchmark of ingredients: each can be taken away, and the painting changes as it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Benchmarks"))

import ablation
from contrastive_seg_phantom import two_organs

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings

SMALL = (
    ablation.EVERYTHING,
    "no patches of whole slices",
    "no regions grown between the contours",
    "planes that know only their own slices",
    *ablation.FOR_OTHERS,
)
"""Without these such a small volume, painted in one plane and segmented itself, stays as it is."""


@pytest.fixture(scope="module")
def a_phantom():
    volume, truth = two_organs((12, 32, 40))
    return volume, truth.astype(np.int16)


def learnt(a_phantom, folder):
    volume, truth = a_phantom
    session = FinetuningSession(folder, FinetuneSettings(device="cpu", threads=1, steps=4))
    session.set_cases([Case(volume, SparseLabels(ablation.painted(truth, 0, 3, "everything", 0)))])
    return session.train()[0].probability


@pytest.mark.slow
def test_each_ingredient_changes_the_result_and_is_back_afterwards(a_phantom, tmp_path):
    whole = learnt(a_phantom, tmp_path / "whole")
    for number, name in enumerate(ablation.INGREDIENTS):
        with ablation.without(name):
            found = learnt(a_phantom, tmp_path / str(number))
        if name not in SMALL:
            assert not np.array_equal(found, whole), name
    assert np.array_equal(learnt(a_phantom, tmp_path / "again"), whole)


def slices_of(sparse, axis):
    return [i for i in range(sparse.shape[axis]) if (np.take(sparse, i, axis) != -1).all()]


def test_badly_placed_slices_lie_in_the_lower_half(a_phantom):
    _volume, truth = a_phantom
    found = np.flatnonzero((truth > 0).any(axis=(1, 2)))
    slices = slices_of(ablation.painted(truth, 0, 3, "badly-placed", 0), 0)
    assert slices and max(slices) <= (found[0] + found[-1]) // 2
    assert (truth > 0).any()


def test_two_planes_share_the_slices_and_say_the_truth(a_phantom):
    _volume, truth = a_phantom
    sparse = ablation.painted(truth, 0, 4, "two-planes", 0)
    painted = [len([i for i in slices_of(sparse, a) if (np.take(sparse, i, a) > 0).any()]) for a in (0, 1)]
    assert painted == [2, 2] and np.array_equal(sparse[sparse != -1], truth[sparse != -1])


def test_noisy_borders_are_near_the_true_ones_and_the_same_for_a_seed(a_phantom):
    _volume, truth = a_phantom
    clean, noisy, again = (
        ablation.painted(truth, 0, 3, way, 1) for way in ("everything", "noisy-borders", "noisy-borders")
    )
    said = clean != -1
    assert np.array_equal(noisy, again) and np.array_equal(noisy != -1, said)
    both, either = ((clean > 0) & (noisy > 0) & said).sum(), (((clean > 0) | (noisy > 0)) & said).sum()
    assert 0.6 < both / either < 0.99


def test_the_table_compares_run_by_run(tmp_path):
    row = ablation.Row(
        "demo", "a", 5, "inside", "everything", 0, 150.0, 1, 1, 0.9, "{}", 1, 1.0, 1.0, 1.0, "ok", "", ""
    )
    rows = [row]
    rows += [ablation.Row(**vars(row) | {"method": "no deformation", "case": c, "dice": 0.8}) for c in "ab"]
    assert "| no deformation | 2 | 0.800 | 0.000 | -0.100 | 1 of 1 |" in ablation.table(rows)
