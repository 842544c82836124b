"""What the networks tell each other, by the published formulas."""

from __future__ import annotations

import pytest
import torch

from contrastive_seg.semisupervised.cross_supervision import consistency_weight, cross_loss, dice_loss
from contrastive_seg.semisupervised.projection import SharedProjection


@pytest.mark.parametrize(("step", "weight"), [(0, 0.00067), (15_000, 0.02865), (30_000, 0.1), (90_000, 0.1)])
def test_the_weight_grows_as_published(step: int, weight: float):
    assert consistency_weight(step) == pytest.approx(weight, abs=5e-6)


def test_a_short_training_climbs_the_same_stairs():
    assert consistency_weight(0, 600) == consistency_weight(0)
    assert consistency_weight(300, 600) == pytest.approx(consistency_weight(15_000))
    assert consistency_weight(600, 600) == pytest.approx(0.1) == consistency_weight(5, 0)
    weights = [consistency_weight(step, 600) for step in range(700)]
    assert weights == sorted(weights)


def test_dice_is_the_formula():
    torch.manual_seed(0)
    probabilities = torch.randn(2, 3, 4, 4).softmax(dim=1)
    classes = torch.randint(0, 3, (2, 4, 4))
    total = 0.0
    for c in range(3):
        g = (classes == c).float()
        p = probabilities[:, c]
        total += 1 - (2 * float((p * g).sum()) + 1e-5) / (float((p * p).sum()) + float(g.sum()) + 1e-5)
    assert float(dice_loss(probabilities, classes)) == pytest.approx(total / 3, rel=1e-5)


def test_the_one_that_teaches_gets_no_gradient():
    torch.manual_seed(0)
    learns, teaches = (torch.randn(1, 3, 4, 4, requires_grad=True) for _ in range(2))
    cross_loss(learns, teaches).backward()
    assert learns.grad is not None and learns.grad.any() and teaches.grad is None
    agreed = torch.nn.functional.one_hot(teaches.argmax(dim=1), 3).movedim(-1, 1) * 40.0
    assert float(cross_loss(agreed, teaches)) == pytest.approx(0, abs=1e-4)


def test_maps_of_attention_are_normalised_place_by_place():
    project = SharedProjection((24,), (True,))
    with torch.no_grad():
        project.first[0][0].weight.copy_(torch.rand(24))
        project.first[0][0].bias.copy_(torch.rand(24))
    map_ = torch.randn(2, 24, 5, 7, generator=torch.Generator().manual_seed(0))
    norm = project.first[0][0]
    tokens = map_.flatten(2).transpose(1, 2)
    expected = torch.nn.functional.layer_norm(tokens, (24,), norm.weight, norm.bias)
    torch.testing.assert_close(norm(map_).flatten(2).transpose(1, 2), expected)
    brighter = map_.clone()
    brighter[..., 0, 0] += 100  # one place says nothing about the others
    torch.testing.assert_close(project([pixels(map_)])[1:35], project([pixels(brighter)])[1:35])
    old = torch.nn.GroupNorm(1, 24).state_dict()  # checkpoints of earlier versions still fit
    assert {key: value.shape for key, value in norm.state_dict().items()} == {
        key: value.shape for key, value in old.items()
    }


def pixels(maps: torch.Tensor) -> torch.Tensor:
    """All pixels, image by image."""
    return maps.movedim(1, -1).flatten(0, 2)


def test_pixels_of_both_networks_come_into_one_space_as_whole_maps_would():
    torch.manual_seed(0)
    project = SharedProjection((16, 24), (False, True))
    first, second = torch.randn(2, 16, 5, 6), torch.randn(2, 24, 5, 6)
    both = project((pixels(first), pixels(second)))
    assert both.shape == (120, 128)
    whole = project.shared(torch.cat([project.first[0](first), project.first[1](second)]))
    torch.testing.assert_close(both, pixels(whole))
    other = project((pixels(first), pixels(7 * second + 3)))
    torch.testing.assert_close(both[60:], other[60:], rtol=1e-3, atol=1e-4)
    fewer = project((pixels(first)[:3], pixels(second)[10:12]))
    torch.testing.assert_close(fewer, both[[0, 1, 2, 70, 71]])
