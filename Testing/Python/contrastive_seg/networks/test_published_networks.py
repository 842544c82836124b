"""Parameter counts and resolutions of the published networks."""

import pytest
import torch

from contrastive_seg.networks.deeplabv3 import DeepLabV3
from contrastive_seg.networks.echo_unet import EchoUNet


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_echo_unet_has_the_published_number_of_parameters():
    network = EchoUNet(3, 1)
    assert parameters(network) == 17_267_393
    # The published encoder carries an unused layer from 512 channels to one output.
    assert parameters(network.encoder) + 513 == 9_411_393


def test_deeplabv3_has_the_parameters_of_resnet50_with_atrous_pyramid():
    network = DeepLabV3(3, 1)
    assert parameters(network.encoder) == 23_508_032
    assert parameters(network) == 39_633_729


@pytest.mark.parametrize("network", [EchoUNet(1, 3), DeepLabV3(1, 3)], ids=["echo", "deeplab"])
def test_logits_have_the_size_of_the_image_and_every_parameter_learns(network):
    network.train()
    logits = network(torch.randn(1, 1, 64, 48))
    assert logits.shape == (1, 3, 64, 48)
    logits.square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_encoder_of_deeplabv3_keeps_an_eighth_of_the_resolution():
    with torch.no_grad():
        maps = DeepLabV3(1, 2).encoder(torch.zeros(1, 1, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 32, 32),
        (256, 16, 16),
        (512, 8, 8),
        (1024, 8, 8),
        (2048, 8, 8),
    ]
