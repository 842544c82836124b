"""The plain steps that speed is compared with compute what the engine computes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Benchmarks"))
from benchmarklib.plain_pretraining import STEPS, supervised_contrast, whiten

from contrastive_seg.losses import IterativeNormalization, NTXentLoss, PositionalContrastiveLoss


def test_the_plain_losses_have_the_engines_values():
    torch.manual_seed(0)
    features = torch.randn(6, 2, 16)
    joined = features.transpose(0, 1).flatten(0, 1)
    identity = torch.arange(6).repeat(2)
    plain = supervised_contrast(joined, identity[:, None] == identity)
    torch.testing.assert_close(plain, NTXentLoss(0.1)(features))
    positions = torch.linspace(0.1, 0.5, 6).double()
    both = positions.repeat(2)
    plain = supervised_contrast(joined, (both[:, None] - both).abs() < 0.1)
    torch.testing.assert_close(plain, PositionalContrastiveLoss(0.1, 0.1)(features, positions))


def test_the_plain_whitening_is_the_engines_with_one_group():
    torch.manual_seed(0)
    x = torch.randn(8, 12, 5, 5)
    torch.testing.assert_close(whiten(x), IterativeNormalization(12, 1).train()(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["pcl", "macl", "simclr"])
def test_the_plain_steps_learn(method: str):
    torch.manual_seed(0)
    network, channels = ("echo-unet", 3) if method == "simclr" else ("unet", 1)
    step = STEPS[method](network, 4, torch.randn(4, channels, 64, 64), torch.linspace(0.1, 1, 4).double())
    losses = [step() for _ in range(4)]
    assert losses[-1] < losses[0]
