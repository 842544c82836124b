"""The class-balanced contrast against a slow loop, the published value, and its promises."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from contrastive_seg.losses import BalancedContrastiveLoss


def slow(features: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    """The formula, one pixel after the other."""
    pixels = []
    for n in range(features.shape[0]):
        for y in range(features.shape[2]):
            for x in range(features.shape[3]):
                if labels[n, y, x] >= 0:
                    vector = features[n, :, y, x].double()
                    pixels.append((vector / vector.norm(), int(labels[n, y, x])))
    count = {c: sum(one == c for _, one in pixels) for _, c in pixels}
    total, anchors = 0.0, 0
    for i, (z, own) in enumerate(pixels):
        others = [(other, c) for j, (other, c) in enumerate(pixels) if j != i]
        positives = [other for other, c in others if c == own]
        if not positives:
            continue
        below = sum(math.exp(float(z @ o) / temperature) / (count[c] - (c == own)) for o, c in others)
        terms = [math.log(math.exp(float(z @ p) / temperature) / below) for p in positives]
        total -= sum(terms) / len(positives)
        anchors += 1
    return total / anchors if anchors else 0.0


def test_the_published_value_is_met():
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(4, 8, 3, 3, generator=generator), dim=1)
    labels = torch.randint(0, 4, (4, 3, 3), generator=generator)
    assert float(BalancedContrastiveLoss(0.1)(features, labels)) == pytest.approx(5.773459, rel=1e-5)


def test_labels_in_the_order_of_the_released_code_give_its_value():
    """It takes features image by image, but labels row by row: most pixels get the label of another."""
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(4, 8, 3, 3, generator=generator), dim=1)
    labels = torch.randint(0, 4, (4, 3, 3), generator=generator)
    vectors = features.movedim(1, -1).flatten(0, 2)
    released = BalancedContrastiveLoss(0.1).pixels(vectors, labels.transpose(0, 1).flatten())
    assert float(released) == pytest.approx(5.652613, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
def test_it_is_the_formula(temperature: float):
    torch.manual_seed(1)
    features, labels = torch.randn(2, 5, 3, 4), torch.randint(-1, 4, (2, 3, 4))
    labels[0, 0, 0] = 9  # the only one of its class
    expected = slow(features, labels, temperature)
    assert float(BalancedContrastiveLoss(temperature)(features, labels)) == pytest.approx(expected, rel=1e-5)


def test_its_gradient_is_right():
    torch.manual_seed(2)
    features = torch.randn(2, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (2, 2, 3))
    assert torch.autograd.gradcheck(lambda f: BalancedContrastiveLoss(0.2)(f, labels), (features,))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [-1, -1, -1, 2]])
def test_without_any_pair_it_is_zero_and_has_a_gradient(labels: list[int]):
    vectors = torch.randn(4, 3, requires_grad=True)
    loss = BalancedContrastiveLoss()
    value = loss.pixels(vectors, torch.tensor(labels))
    value.backward()
    assert value.item() == 0.0 and vectors.grad is not None and not vectors.grad.any()


def test_half_precision_is_computed_in_float32():
    torch.manual_seed(4)
    features, labels = torch.randn(1, 6, 4, 4).half(), torch.randint(0, 2, (1, 4, 4))
    value = BalancedContrastiveLoss(0.05)(features, labels)
    assert value.dtype == torch.float32 and bool(value.isfinite())
    assert float(value) == pytest.approx(slow(features.float(), labels, 0.05), rel=1e-4)


def test_wrong_shapes_and_temperatures_are_refused():
    with pytest.raises(ValueError, match=r"\(n, dim, h, w\)"):
        BalancedContrastiveLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match="temperature"):
        BalancedContrastiveLoss(0)
