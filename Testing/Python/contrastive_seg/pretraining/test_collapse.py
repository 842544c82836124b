import pytest
import torch

from contrastive_seg.pretraining.collapse import spectrum


def test_independent_channels_have_full_rank_and_one_direction_has_rank_one():
    generator = torch.Generator().manual_seed(0)
    spread = spectrum(torch.randn(4000, 8, generator=generator))
    assert spread.effective_rank == pytest.approx(8, rel=0.02)
    line = spectrum(torch.randn(100, 1, generator=generator) * torch.ones(8))
    assert line.effective_rank == pytest.approx(1, abs=1e-6)
    assert line.is_collapsed("simclr") and line.is_collapsed("pcl")
    assert not spread.is_collapsed("simclr")


def test_features_along_a_curve_are_what_positional_methods_are_meant_to_find():
    angle = torch.linspace(0, 3, 200, dtype=torch.float64)
    curve = spectrum(torch.stack([angle.cos(), angle.sin(), 0.3 * (2 * angle).sin()], dim=1))
    assert 1.5 < curve.effective_rank < 3
    assert curve.is_collapsed("simclr") and not curve.is_collapsed("pcl")


def test_features_that_are_all_the_same_are_collapsed():
    found = spectrum(torch.ones(10, 4))
    assert found.is_collapsed("pcl") and found.deviation == 0


def test_a_collapse_is_told_by_what_it_is_seen_by():
    torch.manual_seed(0)
    many_directions = 1 + 1e-6 * torch.randn(200, 16)
    found = spectrum(many_directions)
    assert found.effective_rank > 10 and "nearly the same for all images" in found.symptom("simclr")
    assert spectrum(torch.randn(200, 1) * torch.ones(16)).symptom("simclr") == "effective rank 1.0"
    assert spectrum(torch.randn(200, 16)).symptom("simclr") == ""


def test_singular_values_are_those_of_the_covariance():
    features = torch.randn(50, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    covariance = torch.cov(features.T, correction=0)
    expected = torch.linalg.svdvals(covariance)
    torch.testing.assert_close(
        torch.tensor(spectrum(features).singular_values, dtype=torch.float64), expected
    )


def test_one_feature_has_no_spectrum():
    with pytest.raises(ValueError, match="at least 2"):
        spectrum(torch.ones(1, 4))
