"""The estimate of how far a volume may be off."""

import pytest
import torch

from contrastive_seg.inference.volume_error import ERROR_FACTOR, errors_ml, sum_of_doubt


def shares_of(foreground: list[float]) -> torch.Tensor:
    p = torch.tensor(foreground).reshape(1, 1, 1, -1)
    return torch.cat([1 - p, p])


def test_undecided_voxels_count_half_and_sure_ones_nothing():
    assert sum_of_doubt(shares_of([0.5, 0.0, 1.0])) == [pytest.approx(0.5)]
    assert sum_of_doubt(shares_of([0.3, 0.7])) == [pytest.approx(0.6)]


def test_a_faint_probability_everywhere_does_not_add_up():
    assert sum_of_doubt(shares_of([0.01] * 1000)) == [0.0]


def test_annotated_voxels_are_in_no_doubt():
    unknown = torch.tensor([0.0, 1.0]).reshape(1, 1, 2)
    assert sum_of_doubt(shares_of([0.5, 0.4]), unknown) == [pytest.approx(0.4)]


def test_millilitres_follow_the_size_of_the_voxels():
    assert errors_ml({2: 500.0, 1: 10.0}, 0.001) == {
        "1": pytest.approx(ERROR_FACTOR * 0.01, abs=1e-4),
        "2": pytest.approx(ERROR_FACTOR * 0.5, abs=1e-4),
    }
