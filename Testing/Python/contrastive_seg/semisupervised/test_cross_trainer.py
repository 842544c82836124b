"""Two networks that learn from painted and unpainted slices, in the session and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import array_of, run_command, same_grid, write_pair
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.networks.build import build_network
from contrastive_seg.semisupervised.trainer import CrossTrainer
from contrastive_seg.semisupervised.unlabelled import UnlabelledSampler
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import save_weights

SLICES = [2, 6, 12, 17, 21]


@pytest.fixture
def a_session(tmp_path: Path) -> FinetuningSession:
    settings = FinetuneSettings(device="cpu", steps=3, threads=1, semi_supervised="mcsc")
    session = FinetuningSession(tmp_path / "run", settings)
    volume, truth = two_organs()
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    return session


def test_both_networks_learn_and_the_mask_is_that_of_the_first(a_session: FinetuningSession):
    prediction = a_session.train()[0]
    trainer = a_session.trainer
    assert isinstance(trainer, CrossTrainer) and a_session.step == 3
    _, truth = two_organs()
    assert prediction.labels.shape == truth.shape
    assert all(one.grad is not None for one in trainer.partner.head.parameters())
    moved = trainer.partner_optimizer.state_dict()["state"]
    assert len(moved) == len(trainer.partner_optimizer.param_groups[0]["params"])


def test_unpainted_slices_of_the_volume_bring_what_the_painted_ones_say(a_session: FinetuningSession):
    a_session.train()
    sampler = a_session.trainer.unlabelled  # type: ignore[union-attr]
    assert isinstance(sampler, UnlabelledSampler)
    indices = sorted(one.index for one in sampler.slices)
    assert indices == [i for i in range(24) if i not in SLICES]
    assert all(one.prior is not None for one in sampler.slices)
    rows = sampler.draw(5, (32, 32), np.random.default_rng(0))
    assert rows.shape == (5, 3 + 3 + 1, 32, 32) and bool(rows.isfinite().all())


def test_other_volumes_lend_their_images(a_session: FinetuningSession):
    other, _ = two_organs(seed=5)
    a_session.set_unlabelled([other])
    a_session.train()
    slices = a_session.trainer.unlabelled.slices  # type: ignore[union-attr]
    assert len(slices) == 24 - len(SLICES) + 24
    assert sum(one.prior is None for one in slices) == 24


def test_beside_whole_volumes_they_do_so_along_all_planes(tmp_path: Path):
    volume, truth = two_organs((16, 24, 32))
    volume = Volume(volume.array, np.diag([1.0, 1.0, 1.0, 1.0]))
    settings = FinetuneSettings(device="cpu", steps=1, threads=1, semi_supervised="mcsc")
    session = FinetuningSession(tmp_path, settings)
    session.set_cases([Case(volume, SparseLabels(truth.astype(np.int16)))])
    session.set_unlabelled([volume])
    session.train()
    own = [view.view for case in session._prepared or [] for view in case.views]  # with slices held back
    slices = session.trainer.unlabelled.slices  # type: ignore[union-attr]
    axes = sorted(one.view.axis for one in slices if not any(one.view is view for view in own))
    assert axes == [0] * 16 + [1] * 24 + [2] * 32


@pytest.mark.parametrize(("budget", "alone", "with_partner"), [(60, 16, 16), (600, 32, 16), (3000, 32, 32)])
def test_the_network_is_one_that_can_be_trained_in_the_time_beside_its_partner(
    tmp_path: Path, budget: float, alone: int, with_partner: int
):
    volume, truth = two_organs()
    pixels = {}
    for method, width in (("", alone), ("mcsc", with_partner)):
        settings = FinetuneSettings(budget=budget, device="cpu", threads=1, semi_supervised=method)
        session = FinetuningSession(tmp_path / (method or "alone"), settings)
        session.set_cases([Case(volume, keep_slices(truth, SLICES))])
        session._prepare(lambda: False)
        assert session.state is not None and session.state.architecture.width == width
        pixels[method] = session.state.architecture.pixel
    assert pixels["mcsc"] >= pixels[""]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path):
    found = []
    for name in ("a", "b"):
        settings = FinetuneSettings(device="cpu", steps=2, threads=1, seed=4, semi_supervised="mcsc")
        session = FinetuningSession(tmp_path / name, settings)
        volume, truth = two_organs()
        session.set_cases([Case(volume, keep_slices(truth, SLICES))])
        session.train()
        found.append(session.trainer.network.state_dict())  # type: ignore[union-attr]
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_only_networks_with_maps_can_be_the_first_one():
    with pytest.raises(ContrastiveSegError, match="deeplabv3"):
        FinetuneSettings(network="deeplabv3", semi_supervised="mcsc")
    with pytest.raises(ContrastiveSegError, match="mixmatch"):
        FinetuneSettings(semi_supervised="mixmatch")


def test_weights_of_another_network_are_refused_before_anything_is_written(tmp_path: Path):
    torch.manual_seed(0)
    tensors = {
        k: v for k, v in build_network("echo-unet", 1, 2).state_dict().items() if k.startswith("encoder")
    }
    card = WeightCard(
        name="echo", method="simclr", network="echo-unet", width=None, in_channels=1, modality="US",
        anatomy="x", licence="CC0-1.0", engine_version="0",
    )  # fmt: skip
    save_weights(tmp_path / "echo.safetensors", tensors, card)
    settings = FinetuneSettings(weights=str(tmp_path / "echo.safetensors"), semi_supervised="mcsc")
    with pytest.raises(ContrastiveSegError, match="echo-unet"):
        FinetuningSession(tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_command_learns_from_a_folder_without_annotations(tmp_path: Path):
    files = write_pair(tmp_path / "labelled")
    other = write_pair(tmp_path / "others", seed=3)["image"]
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    (folder / "one.nii.gz").write_bytes(other.read_bytes())
    (folder / "broken.nii.gz").write_bytes(b"nothing")
    done = run_command(
        "finetune", files["image"], files["labels"], "--ignore", 255, "--output", tmp_path / "run",
        "--semi-supervised", "mcsc", "--unlabelled", folder, "--steps", 2, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "broken.nii.gz" in done.stderr
    assert same_grid(tmp_path / "run" / "prediction.nii.gz", files["image"])
    assert array_of(tmp_path / "run" / "prediction.nii.gz").any()
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text("utf-8"))
    assert provenance["settings"]["semi_supervised"] == "mcsc"
    done = run_command(
        "finetune", files["image"], files["labels"], "--output", tmp_path / "other", "--unlabelled", folder,
        "--json",
    )  # fmt: skip
    assert done.returncode == 2 and "--semi-supervised" in done.stdout + done.stderr
