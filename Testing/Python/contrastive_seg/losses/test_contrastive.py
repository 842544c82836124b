"""The contrastive losses against slow references and against the values of the original code."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from contrastive_seg.losses import (
    DensePositionalContrastiveLoss,
    GroupContrastiveLoss,
    NTXentLoss,
    PositionalContrastiveLoss,
)
from contrastive_seg.losses.info_nce import masked_info_nce

POSITIONS = torch.tensor([0.1, 0.15, 0.18, 0.3, 0.5, 0.55, 0.9, 1.0], dtype=torch.float64)
PARTITIONS = torch.tensor([1, 1, 1, 2, 2, 3, 4, 4])


@pytest.fixture
def a_batch() -> torch.Tensor:
    """(slices, views, dim)."""
    return torch.randn(8, 2, 16, generator=torch.Generator().manual_seed(0))


def slow_info_nce(vectors: list[torch.Tensor], positive: list[list[bool]], temperature: float) -> float:
    """Anchor by anchor, pair by pair, in float64."""

    def similarity(a: torch.Tensor, b: torch.Tensor) -> float:
        a, b = a.double(), b.double()
        return float(a @ b / (a.norm() * b.norm())) / temperature

    losses = []
    for i, anchor in enumerate(vectors):
        others = [j for j in range(len(vectors)) if j != i]
        denominator = sum(math.exp(similarity(anchor, vectors[j])) for j in others)
        chosen = [j for j in others if positive[i][j]]
        if chosen:
            terms = [-math.log(math.exp(similarity(anchor, vectors[j])) / denominator) for j in chosen]
            losses.append(sum(terms) / len(terms))
    return sum(losses) / len(losses) if losses else 0.0


def slow_loss(features: torch.Tensor, together: list[list[bool]], temperature: float) -> float:
    """Of (slices, views, dim), with a matrix that says which slices are positives."""
    slices, views = features.shape[:2]
    vectors = [features[s, v] for s in range(slices) for v in range(views)]
    owner = [s for s in range(slices) for _ in range(views)]
    return slow_info_nce(vectors, [[together[a][b] for b in owner] for a in owner], temperature)


def test_values_of_the_original_code_are_reproduced(a_batch: torch.Tensor) -> None:
    assert float(NTXentLoss(0.1, 0.07)(a_batch)) == pytest.approx(7.031112, rel=1e-5)
    assert float(GroupContrastiveLoss(0.1, 0.07)(a_batch, PARTITIONS)) == pytest.approx(7.340365, rel=1e-5)
    positional = PositionalContrastiveLoss(0.1, 0.1, 0.07)
    assert float(positional(a_batch, POSITIONS)) == pytest.approx(7.472475, rel=1e-5)


@pytest.mark.parametrize(
    "positions",
    [
        POSITIONS,
        POSITIONS.tolist(),
        tuple(POSITIONS.tolist()),
        POSITIONS.float(),
        POSITIONS.half(),
        POSITIONS.bfloat16(),
        POSITIONS.numpy(),
        POSITIONS.float().numpy(),
    ],
    ids=lambda p: f"{type(p).__name__}-{getattr(p, 'dtype', 'float')}",
)
def test_positions_of_any_kind_mean_the_decimal_numbers_they_were_written_as(
    a_batch: torch.Tensor, positions: object
) -> None:
    """0.9 and 1.0 are no closer than 0.1 in float64, and are so in float32."""
    positional = PositionalContrastiveLoss(0.1, 0.1, 0.07)
    assert float(positional(a_batch, positions)) == pytest.approx(7.472475, rel=1e-5)
    maps = a_batch[..., None, None].expand(-1, -1, -1, 2, 3)
    dense = DensePositionalContrastiveLoss(0.1, 0.1, 0.07)
    assert float(dense(maps, positions)) == pytest.approx(7.472475, rel=1e-5)


def test_positions_in_millimetres_keep_what_float32_holds() -> None:
    loss = PositionalContrastiveLoss(threshold=5.0)
    positions = torch.tensor([-612.5, -607.5, 1000.25, 1005.0, 1004.75, 0.0])
    expected = PositionalContrastiveLoss(threshold=5.0).close(positions.double(), torch.zeros(6, 2, 3))
    assert torch.equal(loss.close(positions, torch.zeros(6, 2, 3)), expected)


def test_without_a_base_temperature_there_is_no_factor(a_batch: torch.Tensor) -> None:
    assert float(NTXentLoss(0.1)(a_batch)) == pytest.approx(7.031112 * 0.7, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("views", [2, 3])
def test_each_loss_agrees_with_a_slow_reference(temperature: float, views: int) -> None:
    features = 3 * torch.randn(6, views, 5, generator=torch.Generator().manual_seed(1))
    partitions = torch.tensor([0, 0, 1, 1, 1, 2])
    positions = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.55, 1.0], dtype=torch.float64)
    same = [[a == b for b in range(6)] for a in range(6)]
    grouped = [[bool(a == b) for b in partitions] for a in partitions]
    close = [[bool(abs(a - b) < 0.2) for b in positions] for a in positions]
    pairs = [
        (NTXentLoss(temperature)(features), same),
        (GroupContrastiveLoss(temperature)(features, partitions), grouped),
        (PositionalContrastiveLoss(0.2, temperature)(features, positions), close),
    ]
    for fast, together in pairs:
        assert float(fast) == pytest.approx(slow_loss(features, together, temperature), rel=1e-5)


def test_the_dense_loss_is_the_mean_of_the_loss_at_every_place() -> None:
    features = torch.randn(5, 2, 4, 3, 2, generator=torch.Generator().manual_seed(2))
    positions = torch.tensor([0.2, 0.25, 0.5, 0.9, 1.0], dtype=torch.float64)
    close = [[bool(abs(a - b) < 0.1) for b in positions] for a in positions]
    slow = [slow_loss(features[..., y, x], close, 0.1) for y in range(3) for x in range(2)]
    fast = DensePositionalContrastiveLoss(0.1, 0.1)(features, positions)
    assert float(fast) == pytest.approx(sum(slow) / len(slow), rel=1e-5)


def test_the_dense_loss_is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    features = torch.randn(4, 2, 3, 5, 5, generator=torch.Generator().manual_seed(3))
    loss = DensePositionalContrastiveLoss(0.2, 0.1)
    whole = float(loss(features, POSITIONS[:4]))
    monkeypatch.setattr("contrastive_seg.losses.positional._ELEMENTS", 7 * 64)
    assert float(loss(features, POSITIONS[:4])) == pytest.approx(whole, rel=1e-6)


def test_an_anchor_without_a_positive_is_left_out() -> None:
    features = torch.randn(4, 1, 3, generator=torch.Generator().manual_seed(4))
    partitions = torch.tensor([0, 0, 1, 2])
    together = [[bool(a == b) for b in partitions] for a in partitions]
    loss = GroupContrastiveLoss(0.1)(features, partitions)
    assert float(loss) == pytest.approx(slow_loss(features, together, 0.1), rel=1e-5)


def test_a_batch_without_any_positive_has_loss_and_gradient_zero() -> None:
    features = torch.randn(3, 1, 3, requires_grad=True)
    loss = GroupContrastiveLoss(0.1)(features, torch.tensor([0, 1, 2]))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert features.grad is not None and bool((features.grad == 0).all())


@pytest.mark.parametrize("threshold", [0.0, -0.1, math.nan])
def test_a_threshold_that_leaves_no_positive_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        PositionalContrastiveLoss(threshold)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        NTXentLoss(temperature)


def test_positions_that_do_not_fit_the_slices_are_refused(a_batch: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="positions"):
        PositionalContrastiveLoss()(a_batch, POSITIONS[:5])
    with pytest.raises(ValueError, match="partitions"):
        GroupContrastiveLoss()(a_batch, PARTITIONS[:5])


SLICES, PLACES = (8, 2, 16), (8, 2, 4, 3, 3)


@pytest.mark.parametrize(
    ("loss", "right"),
    [
        (NTXentLoss(), SLICES),
        (lambda features: GroupContrastiveLoss()(features, PARTITIONS), SLICES),
        (lambda features: PositionalContrastiveLoss()(features, POSITIONS), SLICES),
        (lambda features: DensePositionalContrastiveLoss()(features, POSITIONS), PLACES),
    ],
    ids=["nt-xent", "group", "positional", "dense"],
)
def test_features_of_another_shape_are_refused_with_their_shape(loss, right: tuple[int, ...]) -> None:
    assert float(loss(torch.randn(right))) > 0
    for wrong in {(8, 16), SLICES, (8, 2, 16, 16), PLACES} - {right}:
        with pytest.raises(ValueError, match=r"\(8, .*\(slices, views, dim"):
            loss(torch.randn(wrong))


def test_without_a_second_view_there_is_no_positive() -> None:
    with pytest.raises(ValueError, match="one view"):
        NTXentLoss()(torch.randn(8, 1, 16))


def test_the_scale_of_the_features_does_not_matter(a_batch: torch.Tensor) -> None:
    loss = PositionalContrastiveLoss()
    assert float(loss(a_batch * 1000, POSITIONS)) == pytest.approx(float(loss(a_batch, POSITIONS)), rel=1e-5)


def test_gradients_are_right_in_float64() -> None:
    features = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    dense = torch.randn(3, 2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(NTXentLoss(0.3), (features,))
    assert torch.autograd.gradcheck(lambda f: GroupContrastiveLoss(0.3)(f, PARTITIONS[:4]), (features,))
    positional = PositionalContrastiveLoss(0.1, 0.3)
    assert torch.autograd.gradcheck(lambda f: positional(f, POSITIONS[:4]), (features,))
    assert torch.autograd.gradcheck(
        lambda f: DensePositionalContrastiveLoss(0.1, 0.3)(f, POSITIONS[:3]), (dense,), atol=1e-4
    )


def test_half_precision_features_are_compared_in_float32(a_batch: torch.Tensor) -> None:
    half = a_batch.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = NTXentLoss(0.05)(half)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(NTXentLoss(0.05)(half.float())), rel=1e-6)


def test_an_anchor_is_never_its_own_negative_at_a_small_temperature() -> None:
    vectors = F.normalize(torch.randn(128, 64, generator=torch.Generator().manual_seed(5)), dim=1)
    logits = vectors @ vectors.T / 0.01
    positive = torch.arange(128) ^ 1
    loss = masked_info_nce(logits, positive[:, None] == torch.arange(128))
    exact = logits.double().fill_diagonal_(-math.inf)
    expected = (torch.logsumexp(exact, 1) - exact[torch.arange(128), positive]).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
