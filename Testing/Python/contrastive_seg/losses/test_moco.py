from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from contrastive_seg.losses import BYOLLoss, LocalContrastiveLoss, MoCoLoss


def test_the_value_of_the_original_code_is_reproduced() -> None:
    generator = torch.Generator().manual_seed(0)
    query = F.normalize(torch.randn(8, 16, generator=generator), dim=1)
    key = F.normalize(torch.randn(8, 16, generator=generator), dim=1)
    queue = F.normalize(torch.randn(16, 32, generator=generator), dim=0)
    assert float(MoCoLoss(0.2)(query, key, queue)) == pytest.approx(3.754767, rel=1e-5)


def test_moco_agrees_with_a_slow_reference_and_keys_get_no_gradient() -> None:
    query, key = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    queue = F.normalize(torch.randn(4, 6), dim=0)
    loss = MoCoLoss(0.1)(query, key, queue)
    slow = []
    for q, k in zip(F.normalize(query, dim=1), F.normalize(key, dim=1), strict=True):
        right = math.exp(float(q @ k) / 0.1)
        wrong = sum(math.exp(float(q @ queue[:, j]) / 0.1) for j in range(6))
        slow.append(-math.log(right / (right + wrong)))
    assert float(loss) == pytest.approx(sum(slow) / 5, rel=1e-5)
    loss.backward()
    assert key.grad is None and query.grad is not None and float(query.grad.abs().max()) > 0


def test_moco_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="queue"):
        MoCoLoss()(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(4, 5))


def test_the_local_loss_agrees_with_a_slow_reference() -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(3, 5, 8, 6, generator=generator)
    key = torch.randn(3, 5, 8, 6, generator=generator)
    slow = []
    for b in range(3):
        cells = [(slice(4 * i, 4 * i + 4), slice(3 * j, 3 * j + 3)) for i in range(2) for j in range(2)]
        mine = [F.normalize(query[b][:, y, x].mean(dim=(1, 2)), dim=0) for y, x in cells]
        theirs = [F.normalize(key[b][:, y, x].mean(dim=(1, 2)), dim=0) for y, x in cells]
        for i, region in enumerate(mine):
            terms = [math.exp(float(region @ other) / 0.2) for other in theirs]
            slow.append(-math.log(terms[i] / sum(terms)))
    loss = LocalContrastiveLoss(0.2, 2)(query, key)
    assert float(loss) == pytest.approx(sum(slow) / len(slow), rel=1e-5)


def test_the_local_loss_teaches_the_query_and_not_the_key() -> None:
    query = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    key = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda q: LocalContrastiveLoss(0.2, 2)(q, key), (query,))
    key.requires_grad_(True)
    LocalContrastiveLoss(0.2, 2)(query, key).backward()
    assert key.grad is None


def test_the_local_loss_refuses_what_gives_no_contrast() -> None:
    with pytest.raises(ValueError, match="grid"):
        LocalContrastiveLoss(grid=1)
    with pytest.raises(ValueError, match="regions"):
        LocalContrastiveLoss(grid=4)(torch.zeros(1, 2, 3, 8), torch.zeros(1, 2, 3, 8))


def test_byol_is_the_squared_distance_of_unit_vectors() -> None:
    prediction, target = torch.randn(6, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    loss = BYOLLoss()(prediction, target)
    slow = (F.normalize(prediction, dim=1) - F.normalize(target, dim=1)).pow(2).sum(dim=1).mean()
    assert float(loss) == pytest.approx(float(slow), rel=1e-5)
    assert float(BYOLLoss()(prediction, prediction)) == pytest.approx(0.0, abs=1e-6)
    assert float(BYOLLoss()(prediction, -prediction)) == pytest.approx(4.0, rel=1e-6)
    loss.backward()
    assert target.grad is None
