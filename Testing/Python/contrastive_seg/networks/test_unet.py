import pytest
import torch

from contrastive_seg.networks.unet import UNet


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("width", "classes", "encoder", "whole"),
    [(32, 8, 4_713_568, 7_763_584), (48, 4, None, 17_462_016)],
)
def test_the_unet_has_the_published_number_of_parameters(width, classes, encoder, whole):
    network = UNet(in_channels=1, classes=classes, width=width)
    assert parameters(network) == whole
    if encoder is not None:
        assert parameters(network.encoder) == encoder


def test_logits_have_the_size_of_the_image():
    network = UNet(in_channels=3, classes=5, width=4)
    assert network(torch.zeros(2, 3, 48, 32)).shape == (2, 5, 48, 32)
