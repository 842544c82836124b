"""Cards and tensors for tests of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from contrastive_seg.weights.card import Preprocessing, TrainingData, WeightCard


def card_for(**changes: Any) -> WeightCard:
    """The card of a U-Net of width 4, pretrained with its decoder."""
    values: dict[str, Any] = {
        "name": "small",
        "version": "1.2",
        "method": "macl",
        "network": "unet",
        "width": 4,
        "in_channels": 1,
        "modality": "MR",
        "anatomy": "Hippocampus",
        "licence": "CC-BY-4.0",
        "engine_version": "0.1",
        "preprocessing": Preprocessing(pixel_mm=1.0, plane="coronal", size=48),
        "parts": {"encoder": "encoder.", "decoder": "decoder."},
        "training_data": (TrainingData("Hippocampus", "CC-BY-SA 4.0", "https://example.org", 200, 7000),),
        "metrics": {"loss": 2.5, "effective_rank": 31.0},
        "seed": 7,
        "command": "contrastive-seg pretrain --method macl",
    }
    return WeightCard(**{**values, **changes})


def tensors_of(network: nn.Module, *parts: str) -> dict[str, torch.Tensor]:
    """Encoder and decoder of a network, by name."""
    wanted = parts or ("encoder", "decoder")
    return {key: value for key, value in network.state_dict().items() if key.split(".")[0] in wanted}
