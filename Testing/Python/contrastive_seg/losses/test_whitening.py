from __future__ import annotations

import pytest
import torch

from contrastive_seg.losses import IterativeNormalization


def correlated(channels: int, values: int, seed: int = 0, strength: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(channels) + strength * torch.randn(channels, channels, generator=generator)
    return (mixing @ torch.randn(channels, values, generator=generator) + 3.0).T


def slow_whitening(x: torch.Tensor, groups: int, iterations: int, eps: float = 1e-5) -> torch.Tensor:
    """Group by group from the formula, in float64; x is (values, channels)."""
    parts = []
    for part in x.double().T.chunk(groups):
        centred = part - part.mean(dim=1, keepdim=True)
        size = len(part)
        sigma = centred @ centred.T / part.shape[1] + eps * torch.eye(size, dtype=torch.float64)
        trace = sigma.trace()
        p = torch.eye(size, dtype=torch.float64)
        for _ in range(iterations):
            p = 1.5 * p - 0.5 * p @ p @ p @ (sigma / trace)
        parts.append(p @ centred / trace.sqrt())
    return torch.cat(parts).T


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("iterations", [1, 5])
def test_it_agrees_with_the_formula_group_by_group(groups: int, iterations: int) -> None:
    x = correlated(8, 100)
    layer = IterativeNormalization(8, groups, iterations)
    assert torch.allclose(layer(x).double(), slow_whitening(x, groups, iterations), atol=1e-4)


def test_many_iterations_whiten_completely() -> None:
    whitened = IterativeNormalization(6, 1, 10)(correlated(6, 500, strength=0.2))
    covariance = (whitened.T @ whitened) / 500
    assert torch.allclose(covariance, torch.eye(6), atol=1e-2)


def test_feature_maps_are_whitened_over_all_places() -> None:
    x = correlated(4, 60)
    as_map = x.reshape(5, 12, 4).transpose(1, 2).reshape(5, 4, 3, 4)
    flat = IterativeNormalization(4)(x)
    mapped = IterativeNormalization(4)(as_map)
    assert mapped.shape == as_map.shape
    assert torch.allclose(mapped.flatten(2).transpose(1, 2).reshape(60, 4), flat, atol=1e-5)


def test_evaluation_uses_the_running_statistics() -> None:
    layer = IterativeNormalization(4, momentum=1.0)
    x = correlated(4, 80)
    trained = layer(x)
    layer.eval()
    assert torch.allclose(layer(x), trained, atol=1e-5)
    assert layer(x[:1]).shape == (1, 4)


def test_the_gradient_is_right_in_float64() -> None:
    layer = IterativeNormalization(4, 2, 3).double()
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: layer(v) ** 2, (x,))


def test_what_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(ValueError, match="groups"):
        IterativeNormalization(10, 3)
    with pytest.raises(ValueError, match="more than one value"):
        IterativeNormalization(4)(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="shape"):
        IterativeNormalization(4)(torch.zeros(2, 5))


def test_half_precision_is_computed_in_float32() -> None:
    x = correlated(8, 64).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        out = IterativeNormalization(8)(x)
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.float(), IterativeNormalization(8)(x.float()), atol=2e-2)
