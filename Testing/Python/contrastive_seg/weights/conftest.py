"""Weights of a small U-Net, in files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from weight_parts import card_for, tensors_of

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import save_weights


@pytest.fixture(autouse=True)
def a_home_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own weights, which is not there yet."""
    folder = tmp_path / "Modelle ü"
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(folder))
    return folder


@pytest.fixture
def a_network() -> UNet:
    """A pretrained U-Net of width 4 for one channel."""
    torch.manual_seed(3)
    network = UNet(1, 2, 4)
    network(torch.randn(4, 1, 32, 32))  # so that the statistics of batch norm are not the first ones
    return network.eval()


@pytest.fixture
def some_weights(tmp_path: Path, a_network: UNet) -> Path:
    """Encoder and decoder of the network in a file, with a card."""
    path = tmp_path / "weights" / "small.safetensors"
    save_weights(path, tensors_of(a_network), card_for())
    return path


@pytest.fixture
def its_card(some_weights: Path) -> WeightCard:
    """The card beside them."""
    return WeightCard.read(some_weights.with_name("small.card.json"))
