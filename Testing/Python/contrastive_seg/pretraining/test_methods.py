import copy

import pytest
import torch

from contrastive_seg.pretraining.backbone import Backbone
from contrastive_seg.pretraining.data.slices import SliceBatch
from contrastive_seg.pretraining.methods import build_method
from contrastive_seg.pretraining.methods.macl import MACL
from contrastive_seg.pretraining.settings import METHODS, settings_for


class ShiftedViews:
    """The first view is the image, later ones are shifted and changed in brightness."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.roll(images, self.calls, dims=-1) * (1 + 0.1 * self.calls)

    def invariant(self, images: torch.Tensor) -> torch.Tensor:
        return images


def a_batch(count: int = 4, size: int = 64, channels: int = 1) -> SliceBatch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, channels, size, size, generator=generator)
    positions = torch.linspace(0.2, 1.0, count, dtype=torch.float64)
    return SliceBatch(
        images, None, positions, torch.arange(count) % 4 + 1, torch.zeros(count, dtype=torch.long)
    )


def settings(method: str, **changes):
    return settings_for(method, width=4, batch=4, queue=8 if "moco" in method else None, **changes)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_finite_loss_that_teaches_the_encoder(method):
    module = build_method(settings(method)).train()
    module.before_step(0.0)
    losses = module.loss(a_batch(), ShiftedViews())
    losses["loss"].backward()
    assert bool(torch.isfinite(losses["loss"]))
    gradients = [p.grad for p in module.backbone.encoder.parameters()]
    assert all(g is not None for g in gradients)
    assert max(float(g.abs().max()) for g in gradients) > 0


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_builds_the_same_weights(method):
    first, second = (build_method(settings(method, seed=3)).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("network", ["echo-unet", "deeplabv3"])
@pytest.mark.parametrize("method", ["simclr", "byol", "moco"])
def test_the_networks_of_the_echo_paper_learn_too(method, network):
    module = build_method(settings(method, network=network)).train()
    losses = module.loss(a_batch(2, 32), ShiftedViews())
    losses["loss"].backward()
    assert all(p.grad is not None for p in module.backbone.encoder.parameters())


def test_the_published_parameter_counts_are_met():
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    pcl = build_method(settings_for("pcl"))
    assert count(pcl.backbone.encoder) == 4_713_568
    assert count(pcl) == 5_238_880
    assert count(build_method(settings_for("macl"))) == 8_616_576


def test_macl_pretrains_the_decoder_blocks_it_uses():
    module = build_method(settings("macl")).train()
    module.loss(a_batch(), ShiftedViews())["loss"].backward()
    decoder = module.backbone.decoder
    used = [p.grad is not None for i in (2, 3) for p in decoder.blocks[i].parameters()]
    unused = [p.grad is None for i in (0, 1) for p in decoder.blocks[i].parameters()]
    assert all(used) and all(unused)
    assert module.backbone.parts == ("encoder", "decoder")


def test_macl_brings_the_smaller_images_to_the_grid_of_the_larger_ones():
    module = build_method(settings("macl"))
    assert isinstance(module, MACL)
    images = torch.zeros(1, 1, 128, 64)
    small = torch.nn.functional.interpolate(images, scale_factor=0.25)
    decoded = module._decode(module.backbone.encoder(small))
    assert decoded.shape == (1, 16, 8, 4)
    assert decoded.shape[-2:] == module.backbone(images).shape[-2:]


def test_byols_projector_and_predictor_have_the_published_size():
    module = build_method(settings("byol", network="echo-unet", in_channels=3))
    for mlp, size in ((module.projector, 512), (module.predictor, 256)):
        # No bias before the batch norm, which has one of its own.
        expected = size * 4096 + 2 * 4096 + 4096 * 256 + 256
        assert sum(parameter.numel() for parameter in mlp.parameters()) == expected


def test_byols_target_follows_and_ends_still():
    module = build_method(settings("byol"))
    with torch.no_grad():
        for parameter in module.backbone.parameters():
            parameter.add_(1.0)
    before = copy.deepcopy(module.target_backbone.state_dict())
    module.before_step(0.0)
    key = "encoder.levels.0.0.weight"
    moved = module.target_backbone.state_dict()[key] - before[key]
    torch.testing.assert_close(moved, torch.full_like(moved, 0.004), rtol=1e-3, atol=1e-6)
    still = copy.deepcopy(module.target_backbone.state_dict())
    module.before_step(1.0)
    assert torch.equal(module.target_backbone.state_dict()[key], still[key])


def test_mocos_queue_takes_the_keys_in_turn():
    module = build_method(settings("moco")).train()
    before = module.queue.clone()
    module.loss(a_batch(), ShiftedViews())
    assert int(module.place) == 4
    assert not torch.equal(module.queue[:, :4], before[:, :4])
    assert torch.equal(module.queue[:, 4:], before[:, 4:])
    module.loss(a_batch(), ShiftedViews())
    assert int(module.place) == 0
    torch.testing.assert_close(module.queue.norm(dim=0), torch.ones(8))


def test_decorrelation_uses_groups_that_divide_the_channels():
    module = build_method(settings("moco-local-decorrelated", group_channels=24))
    assert (module.whitening.channels, module.whitening.groups) == (64, 4)
    none = build_method(settings("moco-local-decorrelated", group_channels=1))
    assert isinstance(none.whitening, torch.nn.Identity)


def test_neighbouring_frames_serve_as_the_second_view():
    batch = a_batch()
    clip = SliceBatch(batch.images, batch.images + 5, batch.positions, batch.partitions, batch.volumes)
    module = build_method(settings("pcl")).eval()
    assert module.second_images(clip) is clip.neighbours
    assert module.second_images(batch) is batch.images


def test_the_backbone_has_the_names_of_the_segmentation_network():
    from contrastive_seg.networks.unet import UNet

    backbone = Backbone("unet", 1, 8, decoder=True).state_dict()
    network = UNet(1, 2, 8).state_dict()
    assert set(backbone) == {key for key in network if not key.startswith("head.")}
