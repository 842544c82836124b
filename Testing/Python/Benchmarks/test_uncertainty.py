"""The scores of the uncertainty benchmark, against slow definitions."""

import numpy as np
import pytest
import uncertainty


def test_the_auc_is_the_share_of_pairs_in_which_the_wrong_voxel_is_more_uncertain():
    rng = np.random.default_rng(0)
    doubt, wrong = rng.integers(0, 20, 60).astype(np.uint8), rng.random(60) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in doubt[wrong].tolist() for b in doubt[~wrong].tolist()]
    assert uncertainty._auc(doubt, wrong) == pytest.approx(np.mean(pairs))
    assert np.isnan(uncertainty._auc(doubt, np.zeros(60, bool)))


def test_the_most_uncertain_tenth_is_searched_for_wrong_voxels():
    doubt = np.arange(100, dtype=np.uint8)
    wrong = np.isin(doubt, [99, 95, 89, 10])
    assert uncertainty._wrong_found(doubt, wrong) == pytest.approx(0.5)
    assert uncertainty._wrong_found(np.zeros(100, np.uint8), wrong) == pytest.approx(0.1)


def test_probabilities_that_come_true_have_no_calibration_error():
    percent = np.repeat([25, 75, 100, 0], 100).astype(np.uint8)
    truth = np.concatenate(
        [np.arange(100) < 25, np.arange(100) < 75, np.zeros(100, bool), np.ones(100, bool)]
    )
    assert uncertainty._calibration_error(percent, truth) == pytest.approx(0, abs=1e-12)
    assert uncertainty._calibration_error(percent, ~truth) == pytest.approx(0.5)
