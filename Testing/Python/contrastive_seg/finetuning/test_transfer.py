"""Fine-tuning that starts from pretrained weights, and on the other networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from contrastive_seg_phantom import keep_slices, two_organs
from safetensors.torch import load_file

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.transfer import encoder_rate
from contrastive_seg.networks.build import build_network
from contrastive_seg.provenance import write_provenance
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import save_weights

SLICES = [2, 6, 12, 17, 21]
WIDTH = 4


@pytest.fixture
def some_weights(tmp_path: Path) -> Path:
    """Encoder and decoder of a narrow U-Net that was pretrained on one channel."""
    torch.manual_seed(3)
    network = build_network("unet", 1, 2, WIDTH)
    network(torch.randn(4, 1, 32, 32))  # batch norm has seen something
    tensors = {k: v for k, v in network.state_dict().items() if not k.startswith("head")}
    card = WeightCard(
        name="small",
        method="macl",
        network="unet",
        width=WIDTH,
        in_channels=1,
        modality="MR",
        anatomy="Phantom",
        licence="CC0-1.0",
        engine_version="0.1",
        parts={"encoder": "encoder.", "decoder": "decoder."},
    )
    path = tmp_path / "weights" / "small.safetensors"
    save_weights(path, tensors, card)
    return path


def session_in(folder: Path, **changes) -> FinetuningSession:
    settings = {"device": "cpu", "steps": 3, "threads": 1, **changes}
    session = FinetuningSession(folder, FinetuneSettings(**settings))
    volume, truth = two_organs()
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    return session


def test_a_frozen_encoder_is_the_pretrained_one_and_the_decoder_learns(some_weights: Path, tmp_path: Path):
    session_in(tmp_path / "run", weights=str(some_weights), freeze=1.0).train()
    given = load_file(some_weights)
    learnt = load_file(tmp_path / "run" / "checkpoint.safetensors")
    encoder = [key for key in given if key.startswith("encoder.") and "levels.0.0.weight" not in key]
    assert len(encoder) > 20
    for key in encoder:
        torch.testing.assert_close(learnt[f"network/{key}"], given[key], rtol=0, atol=0)
    first = learnt["network/encoder.levels.0.0.weight"]
    torch.testing.assert_close(first[:, 1:2], given["encoder.levels.0.0.weight"])
    assert not first[:, [0, 2]].any() and first[:, 3:].any()  # the prior is not ignored
    name = "decoder.blocks.0.0.weight"
    change = (learnt[f"network/{name}"] - given[name]).abs().max()
    assert 0 < change < 0.05  # three steps away from where it began


def test_an_encoder_that_is_not_frozen_moves_less_than_the_decoder(some_weights: Path, tmp_path: Path):
    session = session_in(tmp_path / "run", weights=str(some_weights))
    session.train()
    learnt, given = load_file(tmp_path / "run" / "checkpoint.safetensors"), load_file(some_weights)
    assert (learnt["network/encoder.levels.2.0.weight"] - given["encoder.levels.2.0.weight"]).any()
    assert session.state is not None
    assert session.state.architecture.width == WIDTH and session.state.architecture.network == "unet"


def test_a_run_goes_on_when_its_weights_are_gone(some_weights: Path, tmp_path: Path):
    settings = FinetuneSettings(device="cpu", steps=3, weights=str(some_weights))
    session_in(tmp_path / "run", weights=str(some_weights)).train()
    shutil.rmtree(some_weights.parent)
    session = FinetuningSession.resume(tmp_path / "run", settings)
    volume, truth = two_organs()
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    session.train()
    assert session.step == 6
    assert session.weights["name"] == "small" and len(str(session.weights["sha256"])) == 64


def test_provenance_says_from_which_weights_a_run_began(some_weights: Path, tmp_path: Path):
    session = session_in(tmp_path / "run", weights=str(some_weights))
    session.train()
    card = WeightCard.read(some_weights.with_name("small.card.json"))
    assert session.weights["sha256"] == card.sha256 and session.weights["licence"] == "CC0-1.0"
    assert "command" not in session.weights
    path = write_provenance(
        session.folder,
        cases=[],
        settings=session.settings,
        device="cpu",
        history=[],
        rounds=[],
        weights=session.weights,
    )
    assert json.loads(path.read_text("utf-8"))["weights"]["sha256"] == card.sha256


def test_weights_that_are_not_there_are_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ContrastiveSegError) as told:
        session_in(tmp_path / "run", weights="nowhere")
    assert told.value.code == "unknown-weights" and "nowhere" in told.value.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("network", ["echo-unet", pytest.param("deeplabv3", marks=pytest.mark.slow)])
def test_other_networks_learn_go_on_and_take_another_class(tmp_path: Path, network: str):
    session = session_in(tmp_path / "run", network=network, steps=2)
    volume, truth = two_organs()
    one = keep_slices(truth, SLICES).array.copy()
    one[one == 7] = 0
    session.set_cases([Case(volume, SparseLabels(one))])
    first = session.train()[0]
    assert first.labels.shape == truth.shape
    session = FinetuningSession.resume(tmp_path / "run", session.settings)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    second = session.train()[0]
    assert session.step == 4 and set(session.state.architecture.values) == {0, 1, 7}  # type: ignore[union-attr]
    known = keep_slices(truth, SLICES).array != IGNORE
    assert (second.labels[known] == truth[known]).all()
    stored = json.loads((tmp_path / "run" / "checkpoint.json").read_text("utf-8"))
    assert stored["architecture"]["network"] == network


def test_an_unknown_network_or_share_is_named():
    for wrong in ({"network": "vnet"}, {"freeze": 1.5}):
        with pytest.raises(ContrastiveSegError) as told:
            FinetuneSettings(**wrong)  # type: ignore[arg-type]
        assert told.value.code == "bad-setting" and str(next(iter(wrong.values()))) in told.value.sentence


def test_the_more_labels_the_slower_the_pretrained_encoder_changes():
    rates = [encoder_rate(n) for n in (1, 5, 50, 200, 800, 2000, 100_000)]
    assert rates[:3] == [1.0] * 3 and rates[-2:] == pytest.approx([0.05] * 2)
    assert rates[2] > rates[3] > rates[4] > rates[5]
