"""The two networks of multi-scale cross contrast."""

from __future__ import annotations

import pytest
import torch

from contrastive_seg.networks.cross_unet import CrossUNet
from contrastive_seg.networks.swin_unet import PatchExpand, SwinUNet


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_both_have_the_published_number_of_parameters():
    assert parameters(CrossUNet(1, 4)) == 1_813_764
    assert parameters(SwinUNet(3, 4)) == 27_168_420


@pytest.mark.parametrize("size", [(224, 224), (96, 64), (32, 160)])
def test_the_swin_unet_takes_any_multiple_of_32(size: tuple[int, int]):
    network = SwinUNet(2, 3, width=12).eval()
    assert network(torch.zeros(2, 2, *size)).shape == (2, 3, *size)


def test_the_maps_have_the_published_channels_and_resolutions():
    cnn = CrossUNet(1, 4).eval()
    found = cnn.decoder.maps(cnn.encoder(torch.zeros(1, 1, 224, 224)))
    assert [tuple(m.shape[1:]) for m in found] == [
        (128, 28, 28),
        (64, 56, 56),
        (32, 112, 112),
        (16, 224, 224),
    ]
    swin = SwinUNet(1, 4).eval()
    found = swin.decoder.maps(swin.encoder(torch.zeros(1, 1, 224, 224)))
    assert [tuple(m.shape[1:]) for m in found] == [(384, 14, 14), (192, 28, 28), (96, 56, 56), (96, 224, 224)]


def test_expanded_patches_lie_where_their_pixel_was():
    torch.manual_seed(0)
    expand = PatchExpand(6, 2, 3)
    x = torch.randn(1, 6, 4, 5)
    whole = expand(x)
    assert whole.shape == (1, 3, 8, 10)
    torch.testing.assert_close(whole[:, :, 4:6, 6:8], expand(x[:, :, 2:3, 3:4]))


def test_every_parameter_of_the_swin_unet_learns():
    torch.manual_seed(0)
    network = SwinUNet(1, 2, width=12).eval()  # no block is left out by chance
    network(torch.randn(2, 1, 96, 96)).square().mean().backward()
    idle = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()]
    # Where the windows are no larger than the map there is one relative position for each pair only.
    assert not idle


def test_the_second_block_of_a_stage_sees_across_windows():
    torch.manual_seed(0)
    network = SwinUNet(1, 2, width=12).eval()
    stage = network.encoder.layers[0]
    x = torch.randn(1, 12, 14, 14)
    changed = x.clone()
    changed[:, :, 6, 6] += torch.randn(12)  # a constant would be lost in the normalisation
    difference = (stage(changed) - stage(x)).abs().sum(dim=1)[0]
    assert difference[:7, :7].any() and difference[7:, 7:].any()
