"""Linear evaluation: a 1x1 convolution on frozen features."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from command_line import call, run_command
from contrastive_seg_phantom import two_organs

from contrastive_seg.compute import Compute
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import build_network
from contrastive_seg.pretraining.linear_eval import Labelled, LinearProbe, _Seen, linear_eval
from contrastive_seg.weights.card import Preprocessing, WeightCard
from contrastive_seg.weights.files import save_weights

CPU = Compute(torch.device("cpu"))


def card(**changes) -> WeightCard:
    values = {
        "name": "small", "method": "pcl", "network": "unet", "width": 4, "in_channels": 1, "modality": "CT",
        "anatomy": "Phantom", "licence": "CC0-1.0", "engine_version": "0.1",
    }  # fmt: skip
    return WeightCard(**{**values, **changes})


@pytest.fixture
def pretrained() -> dict[str, torch.Tensor]:
    """A U-Net's encoder, its batch norm used to images."""
    torch.manual_seed(1)
    network = build_network("unet", 1, 2, 4)
    for _ in range(20):
        network(torch.randn(4, 1, 32, 32))
    return {key: value for key, value in network.state_dict().items() if key.startswith("encoder.")}


@pytest.fixture
def cases() -> list[Labelled]:
    """Three phantoms with complete label maps."""
    found = [two_organs((8, 40, 48), seed) for seed in range(3)]
    return [Labelled(volume, truth.astype(np.int16)) for volume, truth in found]


def test_features_of_all_levels_tell_bright_organs_from_the_rest(pretrained, cases):
    begun = linear_eval(card(), pretrained, cases[:2], cases[2:], CPU, steps=1)
    scores = linear_eval(card(), pretrained, cases[:2], cases[2:], CPU, steps=60)
    assert set(scores) == {1, 7}
    assert sum(scores.values()) > sum(begun.values()) + 0.3


def test_only_the_convolution_on_top_is_trained(pretrained):
    probe = LinearProbe(card(), pretrained, 3)
    assert [name for name, one in probe.named_parameters() if one.requires_grad] == [
        "head.weight",
        "head.bias",
    ]
    probe.train()
    before = {k: v.clone() for k, v in probe.body.state_dict().items()}
    probe(torch.randn(2, 1, 32, 32)).sum().backward()
    after = probe.body.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)  # statistics of batch norm, too


def test_the_decoder_is_asked_too_where_it_was_pretrained(pretrained):
    torch.manual_seed(1)
    whole = build_network("unet", 1, 2, 4).state_dict()
    both = {key: value for key, value in whole.items() if not key.startswith("head")}
    parts = {"encoder": "encoder.", "decoder": "decoder."}
    more = LinearProbe(card(parts=parts), both, 3).head.in_channels
    assert more == LinearProbe(card(), pretrained, 3).head.in_channels + 4


def test_random_features_are_those_of_the_same_parts(pretrained, cases, monkeypatch):
    made = []
    before = LinearProbe.__init__

    def noted(self, *arguments, **options):
        before(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(LinearProbe, "__init__", noted)
    for parts in ({"encoder": "encoder."}, {"encoder": "encoder.", "decoder": "decoder."}):
        linear_eval(None, {}, cases[:1], cases[1:], CPU, steps=1, like=card(parts=parts))
    assert [one.decodes for one in made] == [False, True]
    assert made[1].head.in_channels == made[0].head.in_channels + 4


def test_images_are_prepared_as_the_card_says(cases):
    prepared = Preprocessing(None, (10.0, 90.0), 2.0, "sagittal", 64)
    view = _Seen.of(cases[0], (0, 1, 7), prepared).view
    assert (view.axis, view.pixel) == (2, 2.0)
    assert (view.normalisation.low, view.normalisation.high) == (10, 90)
    narrow = _Seen.of(cases[0], (0, 1), Preprocessing((20.0, 80.0))).view.normalisation
    usual = _Seen.of(cases[0], (0, 1), Preprocessing()).view.normalisation
    array = np.asarray(cases[0].volume.array)
    assert [narrow.low, narrow.high] == pytest.approx(np.percentile(array, [20, 80]), rel=1e-3)
    assert [usual.low, usual.high] == pytest.approx(np.percentile(array, [0.5, 99.5]), rel=1e-3)
    whole = _Seen.of(cases[0], (0, 1), Preprocessing(None)).view.normalisation
    assert (whole.low, whole.high) == (array.min(), array.max())


def test_labels_of_one_class_are_refused(pretrained, cases):
    empty = [Labelled(cases[0].volume, np.zeros_like(cases[0].labels))]
    with pytest.raises(ContrastiveSegError) as told:
        linear_eval(card(), pretrained, empty, cases, CPU, steps=1)
    assert told.value.code == "no-annotation"


@pytest.mark.slow
def test_the_advice_for_labels_and_voxels_that_cannot_be_can_be_followed(pretrained, cases, tmp_path: Path):
    save_weights(tmp_path / "weights" / "small.safetensors", pretrained, card())
    for number, case in enumerate(cases[:2]):
        image, labels = np.array(case.volume.array, np.float32), case.labels.copy()
        image[0, 0, 0], labels[0] = np.nan, -1
        for kind, array in (("images", image), ("labels", labels)):
            (tmp_path / kind).mkdir(exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / kind / f"{number}.nii.gz"))
    command = ["linear-eval", tmp_path / "weights", "--data", tmp_path, "--steps", 2, "--device", "cpu"]
    for advice in ("--replace-nonfinite", "--ignore -1"):
        done = run_command(*command)
        assert done.returncode == 2 and advice in " ".join(done.stderr.split())
        command += advice.split()
    done = run_command(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tested_on"] == 1


@pytest.fixture
def a_study(pretrained, cases, tmp_path: Path) -> Path:
    """images/, labels/ and the weights in weights/."""
    save_weights(tmp_path / "weights" / "small.safetensors", pretrained, card())
    for number, case in enumerate(cases):
        for kind, array in (("images", case.volume.array), ("labels", case.labels)):
            (tmp_path / kind).mkdir(exist_ok=True)
            image = sitk.GetImageFromArray(np.asarray(array))
            sitk.WriteImage(image, str(tmp_path / kind / f"{number}.nii.gz"))
    return tmp_path


def in_few_steps(study: Path) -> tuple:
    return ("linear-eval", study / "weights", "--data", study, "--steps", 5, "--device", "cpu", "--json")


def test_the_command_compares_with_random_features(a_study: Path):
    done = run_command(*in_few_steps(a_study))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["mean"]) == {"small", "random"} and found["trained_on"] == 2 and found["tested_on"] == 1
    assert run_command("linear-eval", "nowhere", "--data", a_study).returncode == 2
    done = run_command("linear-eval", a_study / "weights", "--data", a_study, "--seed=-1")
    assert done.returncode == 2 and "The seed is -1" in done.stderr and "Traceback" not in done.stderr


def test_a_stopped_evaluation_compares_nothing(a_study: Path, capsys, monkeypatch):
    @contextmanager
    def stopped(on_first):
        yield lambda: True

    monkeypatch.setattr("contrastive_seg.commands.linear_eval.stop_on_interrupt", stopped)
    status, out, _ = call(capsys, *in_few_steps(a_study))
    assert status == 1 and json.loads(out) == {"stopped": True}
