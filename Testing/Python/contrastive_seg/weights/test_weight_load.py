"""Pretrained tensors in networks: what fits goes in, what does not is named tensor by tensor."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from weight_parts import card_for, tensors_of

from contrastive_seg.networks.deeplabv3 import DeepLabV3
from contrastive_seg.networks.echo_unet import EchoUNet
from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.load import LoadReport, WeightsDoNotFitError, load_into

ENCODER = {"encoder": "encoder."}
FIRST = "encoder.levels.0.0.weight"


def pretrained(network: nn.Module, *parts: str) -> dict[str, torch.Tensor]:
    """Copies of its tensors."""
    return {key: value.clone() for key, value in tensors_of(network, *parts).items()}


def refusal(target: nn.Module, *arguments: object, **options: object) -> WeightsDoNotFitError:
    """Why weights do not fit; the network must be as before."""
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(WeightsDoNotFitError) as refused:
        load_into(target, *arguments, **options)  # type: ignore[arg-type]
    assert refused.value.code == "weights-do-not-fit" and refused.value.what_to_do
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())
    return refused.value


def test_encoder_and_decoder_go_into_a_network_and_its_head_stays(a_network: UNet) -> None:
    target = UNet(1, 5, 4).eval()
    head = target.head.weight.detach().clone()
    report = load_into(target, card_for(), pretrained(a_network))
    assert report == LoadReport(
        {part: sorted(tensors_of(a_network, part)) for part in ("encoder", "decoder")}, [], []
    )
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        same = target.decoder(target.encoder(image)), a_network.decoder(a_network.encoder(image))
    assert torch.equal(*same)
    assert torch.equal(head, target.head.weight)


def test_weights_without_a_decoder_leave_the_networks_own(a_network: UNet) -> None:
    target = UNet(1, 2, 4)
    before = target.decoder.up[0].weight.detach().clone()
    report = load_into(target, card_for(parts=ENCODER), pretrained(a_network, "encoder"))
    assert report.left_out == ["decoder"] and set(report.loaded) == {"encoder"}
    assert torch.equal(before, target.decoder.up[0].weight)


def test_the_encoder_alone_can_be_asked_for(a_network: UNet) -> None:
    target = UNet(1, 2, 4)
    before = target.decoder.up[0].weight.detach().clone()
    report = load_into(target, card_for(), pretrained(a_network), parts=["encoder"])
    assert set(report.loaded) == {"encoder"} and report.left_out == []
    assert torch.equal(before, target.decoder.up[0].weight)


def test_asking_for_a_decoder_that_is_not_there_is_refused(a_network: UNet) -> None:
    error = refusal(
        UNet(1, 2, 4), card_for(parts=ENCODER), pretrained(a_network, "encoder"), parts=["decoder"]
    )
    assert "hold encoder, not decoder" in error.sentence


def test_other_names_on_the_card_are_translated(a_network: UNet) -> None:
    tensors = {
        key.replace("encoder.", "net.body.enc."): v for key, v in pretrained(a_network, "encoder").items()
    }
    target = UNet(1, 2, 4)
    load_into(target, card_for(parts={"encoder": "net.body.enc."}), tensors)
    assert torch.equal(target.state_dict()[FIRST], a_network.state_dict()[FIRST])


@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 9])
def test_weights_for_one_channel_see_the_central_slice_and_nothing_else(a_network: UNet, inputs: int) -> None:
    target = UNet(inputs, 2, 4).eval()
    report = load_into(target, card_for(), pretrained(a_network))
    images = torch.randn(2, inputs, 32, 32)
    central = min(inputs, 3) // 2
    with torch.no_grad():
        ours = target.encoder(images)[-1]
        theirs = a_network.encoder(images[:, central : central + 1])[-1]
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert len(report.adapted) == (inputs != 1)


def test_weights_for_one_channel_may_see_the_mean_of_neighbouring_slices(a_network: UNet) -> None:
    target = UNet(6, 2, 4).eval()
    load_into(target, card_for(), pretrained(a_network), context="mean", image_channels=3)
    images = torch.randn(2, 6, 32, 32)
    with torch.no_grad():
        ours = target.encoder(images)[-1]
        theirs = a_network.encoder(images[:, :3].mean(dim=1, keepdim=True))[-1]
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(("channels", "inputs", "images"), [(3, 1, None), (4, 3, None), (3, 3, 1), (5, 5, 3)])
def test_weights_for_several_channels_see_a_grey_image_as_if_it_were_in_each(
    channels: int, inputs: int, images: int | None
) -> None:
    source, target = UNet(channels, 2, 4).eval(), UNet(inputs, 2, 4).eval()
    card = card_for(in_channels=channels)
    load_into(target, card, pretrained(source), image_channels=images)
    grey = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        ours = target.encoder(grey.expand(-1, inputs, -1, -1))[-1]
        theirs = source.encoder(grey.expand(-1, channels, -1, -1))[-1]
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_weights_for_neighbouring_slices_keep_them_apart_and_priors_begin_at_zero() -> None:
    source, target = UNet(3, 2, 4), UNet(7, 2, 4)
    load_into(target, card_for(in_channels=3), pretrained(source), image_channels=3)
    first = target.state_dict()[FIRST]
    assert torch.equal(first[:, :3], source.state_dict()[FIRST]) and not first[:, 3:].any()


def test_as_many_channels_are_taken_as_they_are() -> None:
    source, target = UNet(5, 2, 4), UNet(5, 2, 4)
    report = load_into(target, card_for(in_channels=5), pretrained(source))
    assert torch.equal(target.state_dict()[FIRST], source.state_dict()[FIRST]) and report.adapted == []


def test_another_width_is_refused_with_every_tensor_and_both_shapes(a_network: UNet) -> None:
    target = UNet(1, 2, 8)
    error = refusal(target, card_for(parts=ENCODER), pretrained(a_network, "encoder"))
    wrong = [
        key
        for key, value in tensors_of(target, "encoder").items()
        if value.shape != a_network.state_dict()[key].shape
    ]
    assert [one.key for one in error.misfits] == wrong
    assert all(f"\n  {key}: " in error.sentence for key in wrong)
    assert f"{FIRST}: (4, 1, 3, 3) in the weights, (8, 1, 3, 3) in the network" in error.sentence
    assert "(unet, width 4) do not fit the network UNet" in error.sentence
    assert "width 4" in error.what_to_do and "width 8" in error.what_to_do


def test_another_width_and_number_of_channels_are_refused_together(a_network: UNet) -> None:
    error = refusal(UNet(3, 2, 8), card_for(), pretrained(a_network))
    assert f"{FIRST}: (4, 1, 3, 3) in the weights, (8, 3, 3, 3) in the network" in error.sentence


def test_a_missing_and_an_unknown_tensor_are_named(a_network: UNet) -> None:
    tensors = pretrained(a_network, "encoder")
    tensors["encoder.extra.weight"] = torch.zeros(2)
    del tensors["encoder.levels.1.3.bias"]
    error = refusal(UNet(1, 2, 4), card_for(parts=ENCODER), tensors)
    assert [one.key for one in error.misfits] == ["encoder.levels.1.3.bias", "encoder.extra.weight"]
    assert "encoder.levels.1.3.bias: missing in the weights, (8,) in the network" in error.sentence
    assert "encoder.extra.weight: (2,) in the weights, unknown to the network" in error.sentence


def test_weights_of_another_architecture_are_refused_whichever_it_is(a_network: UNet) -> None:
    networks: list[tuple[str, nn.Module]] = [("unet", a_network), ("echo-unet", EchoUNet(1, 2))]
    networks.append(("deeplabv3", DeepLabV3(1, 2)))
    for name, source in networks:
        card = card_for(network=name, width=4 if name == "unet" else None, parts=ENCODER)
        for other, target in networks:
            if other == name:
                assert load_into(target, card, pretrained(source, "encoder")).loaded
                continue
            error = refusal(target, card, pretrained(source, "encoder"))
            theirs, ours = set(tensors_of(source, "encoder")), set(tensors_of(target, "encoder"))
            assert {one.key for one in error.misfits} >= theirs ^ ours
            assert name in error.sentence and type(target).__name__ in error.sentence
            assert error.misfits[0].key in error.sentence
            assert f"Choose the network '{name}'" in error.what_to_do
