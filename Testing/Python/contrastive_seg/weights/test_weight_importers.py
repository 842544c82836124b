"""Checkpoints of the original repositories: converted they compute the same; others are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_networks import (
    EchoEncoder,
    EchoNetwork,
    PositionalDecoder,
    PositionalEncoder,
    trained,
)
from torch import nn

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.losses import IterativeNormalization
from contrastive_seg.networks.deeplabv3 import DeepLabV3, ResNetEncoder
from contrastive_seg.networks.echo_unet import EchoUNet
from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.files import load_weights, save_weights
from contrastive_seg.weights.importers import import_checkpoint
from contrastive_seg.weights.load import load_into


def named(prefix: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """Its tensors under a prefix."""
    return {prefix + key: value for key, value in module.state_dict().items()}


def saved(path: Path, content: Any) -> Path:
    """A checkpoint as a training script leaves it."""
    torch.save(content, path)
    return path


def loaded(origin: str, path: Path, network: nn.Module) -> set[str]:
    """Imports into files, loads these into a network, and says which parts."""
    card, tensors = import_checkpoint(origin, path)
    folder = path.parent / "imported"
    save_weights(folder, tensors, card)
    return set(load_into(network.eval(), *load_weights(folder / f"{card.name}.safetensors")).loaded)


@pytest.mark.parametrize(
    ("origin", "encoder", "decoder"),
    [("pcl", "encoder.", "decoder."), ("macl", "share_encoder.", "online_decoder.")],
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_a_unet_of_pcl_and_macl_computes_the_same_after_conversion(
    tmp_path: Path, origin: str, encoder: str, decoder: str, legacy: bool
) -> None:
    original = trained(PositionalEncoder(1, 4), 1)
    torch.manual_seed(2)
    upper = PositionalDecoder(4).eval()
    heads = {
        "head.2.weight": torch.zeros(64, 64),
        "target_pixel_projector.0.weight": torch.zeros(16, 64, 3, 3),
    }
    state = {**named(encoder, original), **named(decoder, upper), **heads}
    path = tmp_path / "latest.pth"
    torch.save({"net": state, "epoch": 3}, path, _use_new_zipfile_serialization=not legacy)
    network = UNet(1, 2, 4)
    assert loaded(origin, path, network) == {"encoder", "decoder"}
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        ours, theirs = network.encoder(image), original(image)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
        assert torch.equal(network.decoder(ours), upper(theirs))


def test_an_encoder_alone_saved_from_several_gpus_is_read_too(tmp_path: Path) -> None:
    original = trained(PositionalEncoder(4, 8), 4)
    path = saved(tmp_path / "MACL BraTS.pth", {"model_state_dict": named("module.share_encoder.", original)})
    card, tensors = import_checkpoint("macl", path, modality="MR", anatomy="Brain", licence="by request")
    assert (card.name, card.method, card.network, card.width, card.in_channels) == (
        *("macl-MACL-BraTS", "macl", "unet"),
        *(8, 4),
    )
    assert card.parts == {"encoder": "encoder."} and all(key.startswith("encoder.") for key in tensors)
    assert (card.modality, card.anatomy, card.licence) == ("MR", "Brain", "by request")
    assert str(tmp_path) not in card.to_json()


@pytest.mark.parametrize(("prefix", "method"), [("encoder.", "simclr"), ("online_network.encoder.", "byol")])
def test_the_echo_unets_encoder_computes_the_same_after_conversion(
    tmp_path: Path, prefix: str, method: str
) -> None:
    original = trained(EchoEncoder(), 3)
    state = {
        **named(prefix, original),
        **named("target_network.encoder.", EchoEncoder()),
        "projection.model.0.weight": torch.zeros(512, 512),
    }
    path = saved(
        tmp_path / "epoch=3.ckpt", {"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 1e-3}}
    )
    network = EchoUNet(3, 1)
    assert loaded("echo", path, network) == {"encoder"}
    assert import_checkpoint("echo", path)[0].method == method
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        pairs = zip(network.encoder(image), original(image), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_a_whole_echo_unet_computes_the_same_after_conversion(tmp_path: Path) -> None:
    original = trained(EchoNetwork(), 3)
    assert isinstance(original, EchoNetwork)
    network = EchoUNet(3, 1)
    path = saved(tmp_path / "best.ckpt", {"state_dict": named("model.", original)})
    assert loaded("echo", path, network) == {"encoder", "decoder"}
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        ours = network.decoder(network.encoder(image))
        assert torch.allclose(ours, original.decoded(image), atol=1e-5)


@pytest.mark.parametrize(
    ("origin", "prefix"), [("echo", "encoder."), ("med-moco", "backbone."), ("med-moco", "")]
)
def test_a_resnet_goes_into_deeplabv3(tmp_path: Path, origin: str, prefix: str) -> None:
    original = trained(ResNetEncoder(3), 3)
    assert isinstance(original, ResNetEncoder)
    state = named(prefix, original.body)
    state |= {f"{prefix}fc.weight": torch.zeros(10, 2048), "queue": torch.zeros(128, 8)}
    state |= {"encoder_k.module.0.conv1.weight": torch.zeros(1)}
    network = DeepLabV3(3, 1)
    assert loaded(origin, saved(tmp_path / "latest.pth", {"state_dict": state}), network) == {"encoder"}
    image = torch.randn(1, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(network.encoder(image)[-1], original(image)[-1])


@pytest.mark.parametrize("groups", [1, 8])
def test_whitening_in_place_of_the_last_batch_norm_computes_the_same(tmp_path: Path, groups: int) -> None:
    original = trained(ResNetEncoder(3), 3)
    assert isinstance(original, ResNetEncoder)
    block = original.body.layer4[2]
    whitening = IterativeNormalization(2048, groups)
    with torch.no_grad():
        # Any matrix and mean: what counts is where they go.
        mixing = torch.randn(groups, 2048 // groups, 2048 // groups) / 45
        whitening.running_whitening.copy_(torch.eye(2048 // groups) + 0.1 * mixing)
        whitening.running_mean.copy_(torch.randn_like(whitening.running_mean) * 0.1)
        whitening.weight.copy_(torch.rand(2048) + 0.5)
        whitening.bias.copy_(torch.randn(2048) * 0.1)
    block.bn3 = whitening
    state = {}
    for key, value in named("backbone.", original.body).items():
        if key.startswith("backbone.layer4.2.bn3."):
            key = key.replace("running_whitening", "running_wm")
            value = value.reshape(1, 2048, 1, 1) if value.ndim == 1 else value
        state[key] = value
    network = DeepLabV3(3, 1)
    loaded("med-moco", saved(tmp_path / "latest.pth", {"state_dict": state}), network)
    image = torch.randn(1, 3, 48, 48)
    with torch.no_grad():
        ours, theirs = network.encoder(image)[-1], original.eval()(image)[-1]
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


class Trap:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
def test_a_checkpoint_that_would_run_a_program_is_not_opened(tmp_path: Path, legacy: bool) -> None:
    content = {"net": named("encoder.", PositionalEncoder(1, 4)), "args": Trap(tmp_path / "sprung")}
    path = tmp_path / "latest.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    error = refusal("pcl", path)
    assert error.code == "unsafe-checkpoint" and "mkdir" in error.sentence
    assert "state_dict" in error.what_to_do and not (tmp_path / "sprung").exists()


def test_other_objects_in_a_checkpoint_are_refused_too(tmp_path: Path) -> None:
    content = {"state_dict": named("encoder.", PositionalEncoder(1, 4)), "config": nn.Identity()}
    assert refusal("pcl", saved(tmp_path / "x.pth", content)).code == "unsafe-checkpoint"
    assert refusal("pcl", saved(tmp_path / "y.pth", {"net": np.zeros(3)})).code in {
        "unsafe-checkpoint",
        "foreign-checkpoint",
    }


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x80\x02}q\x00", b"no checkpoint"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    assert refusal("pcl", path).code in {"unreadable-file", "unsafe-checkpoint"}


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", {"net": named("encoder.", PositionalEncoder(1, 4))})
    path.write_bytes(path.read_bytes()[:-2000])
    assert refusal("pcl", path).code in {"unreadable-file", "unsafe-checkpoint"}


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    assert refusal("pcl", tmp_path / "nowhere.pth").code == "unreadable-file"


@pytest.mark.parametrize(
    "content",
    [{}, [1, 2], {"net": {}}, {"epoch": 3}, torch.zeros(3)],
    ids=["empty", "list", "no net", "no state", "tensor"],
)
def test_a_checkpoint_without_a_network_is_refused(tmp_path: Path, content: Any) -> None:
    error = refusal("pcl", saved(tmp_path / "x.pth", content))
    assert error.code == "foreign-checkpoint" and "no network" in error.sentence


def test_the_checkpoint_of_another_repository_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", {"net": named("share_encoder.", PositionalEncoder(1, 4))})
    error = refusal("pcl", path)
    assert error.code == "foreign-checkpoint" and "'share_encoder.contr_1_1.0.weight'" in error.sentence
    assert "macl" in error.what_to_do


@pytest.mark.parametrize("change", ["missing", "other shape", "no norm"])
def test_an_incomplete_checkpoint_is_refused_with_what_is_missing(tmp_path: Path, change: str) -> None:
    state = named("encoder.", PositionalEncoder(1, 4))
    if change == "missing":
        del state["encoder.contr_3_2.0.weight"]
    elif change == "other shape":
        state["encoder.contr_3_2.0.weight"] = torch.zeros(16, 16, 5, 5)
    else:
        state = {key: value for key, value in state.items() if ".1." not in key or "center" in key}
    error = refusal("pcl", saved(tmp_path / "x.pth", {"net": state}))
    assert error.code == "foreign-checkpoint"
    assert ("levels.0.1" if change == "no norm" else "encoder.levels.2.3.weight") in error.sentence


@pytest.mark.parametrize(("origin", "said"), [("mcsc", "Swin-UNet"), ("vgg", "'vgg' is none")])
def test_other_repositories_are_refused(tmp_path: Path, origin: str, said: str) -> None:
    with pytest.raises(ContrastiveSegError, match=said) as refused:
        import_checkpoint(origin, tmp_path / "x.pth")
    assert refused.value.code == "unknown-origin" and "pcl, macl, echo, med-moco" in refused.value.what_to_do


def refusal(origin: str, path: Path) -> ContrastiveSegError:
    """Why a checkpoint cannot be imported; the sentence names the file."""
    with pytest.raises(ContrastiveSegError) as refused:
        import_checkpoint(origin, path)
    assert str(path) in refused.value.sentence and refused.value.what_to_do
    return refused.value


def test_a_checkpoint_with_a_very_long_name_is_imported(tmp_path: Path) -> None:
    path = saved(tmp_path / f"{'fold-1_' * 20}.pth", {"net": named("encoder.", PositionalEncoder(1, 4))})
    card, _ = import_checkpoint("pcl", path)
    assert card.name.startswith("pcl-fold-1_fold-1_")
