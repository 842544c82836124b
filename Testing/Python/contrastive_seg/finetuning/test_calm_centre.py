"""A pretrained encoder's last features have the size that a new decoder expects."""

from __future__ import annotations

import pytest
import torch

from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.transfer import Pretrained
from contrastive_seg.networks.build import build_network
from contrastive_seg.weights.card import WeightCard

ARCHITECTURE = Architecture((0, 1), 4, 1.0)


def pretrained(parts: tuple[str, ...], swell: float) -> Pretrained:
    """Weights whose centre gives features ``swell`` times as large."""
    torch.manual_seed(2)
    network = build_network("unet", 3, 2, 4)
    with torch.no_grad():
        for name in ("weight", "bias"):
            network.get_parameter(f"encoder.levels.4.2.{name}").mul_(swell)
    card = WeightCard(
        name="x", method="pcl", network="unet", width=4, in_channels=3, modality="MR", anatomy="x",
        licence="CC0-1.0", engine_version="0", parts={part: f"{part}." for part in parts},
    )  # fmt: skip
    tensors = {k: v for k, v in network.state_dict().items() if k.split(".")[0] in parts}
    return Pretrained(card, tensors)


def centre(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    inputs = torch.zeros(len(images), ARCHITECTURE.in_channels, *images.shape[-2:])
    inputs[:, :3] = images
    network.eval()
    with torch.no_grad():
        features: torch.Tensor = network.get_submodule("encoder")(inputs)[-1]
    return features


@pytest.mark.parametrize("swell", [0.01, 1.0, 50.0])
def test_features_keep_their_direction_and_get_a_size_of_one(swell: float):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one = centre(pretrained(("encoder",), 1.0).start(ARCHITECTURE, 0, images), images)
    found = centre(pretrained(("encoder",), swell).start(ARCHITECTURE, 0, images), images)
    assert float(found.square().mean().sqrt()) == pytest.approx(1.0, rel=1e-4)
    torch.testing.assert_close(found, one, rtol=1e-3, atol=1e-4)


def test_a_decoder_that_knows_the_features_gets_them_as_they_are():
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = pretrained(("encoder", "decoder"), 50.0).start(ARCHITECTURE, 0, images)
    assert float(centre(network, images).square().mean().sqrt()) > 5
