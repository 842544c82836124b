"""Weights are found by name, the user's own before those that come with ContrastiveSeg."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from weight_parts import card_for, tensors_of

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights import store as module
from contrastive_seg.weights.files import save_weights
from contrastive_seg.weights.store import Store, own_folders


def put(place: Path, **card: object) -> None:
    """Weights of their own into a folder, or a file."""
    torch.manual_seed(0)
    save_weights(place, tensors_of(UNet(1, 2, 4)), card_for(**card))


def test_a_store_without_any_folder_is_empty(a_home_without_weights: Path, tmp_path: Path) -> None:
    found = Store([tmp_path / "nowhere"]).list()
    assert [one for one in found if a_home_without_weights in one.path.parents] == []
    assert not a_home_without_weights.exists()


def test_the_users_weights_come_first_then_further_folders_then_our_own(
    a_home_without_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    monkeypatch.setattr(module, "own_folders", lambda: [own])
    for folder, anatomy in ((own, "ours"), (tmp_path / "further", "further"), (a_home_without_weights, "my")):
        put(folder, anatomy=anatomy)
        put(folder, name=anatomy)
        store = Store([tmp_path / "further"])
        assert store.find("small").card == next(
            one.card for one in store.list() if one.card and one.card.anatomy == anatomy
        )
    assert [one.name for one in Store([tmp_path / "further"]).list()] == [
        *("my", "small"),
        *("further", "small"),
        *("ours", "small"),
    ]


def test_weights_in_a_folder_of_their_own_are_found_too(a_home_without_weights: Path) -> None:
    put(a_home_without_weights / "run 1" / "anything.safetensors", name="mine")
    (a_home_without_weights / "run 1" / "anything.card.json").rename(
        a_home_without_weights / "run 1" / "card.json"
    )
    assert Store().find("mine").path.name == "anything.safetensors"
    assert Store().find("anything").card == Store().find("mine").card


def test_of_several_versions_the_newest_is_meant(a_home_without_weights: Path) -> None:
    for version in ("1.9", "1.10", "1.2"):
        put(a_home_without_weights / f"{version}.safetensors", version=version)
    versions = {name: Store().find(name).card for name in ("small", "small@1.9")}
    assert [card.version for card in versions.values() if card] == ["1.10", "1.9"]


def test_weights_with_a_wrong_card_are_listed_with_the_reason(
    a_home_without_weights: Path, some_weights: Path
) -> None:
    put(a_home_without_weights, name="right")
    put(a_home_without_weights, name="wrong")
    put(a_home_without_weights, name="alone")
    (a_home_without_weights / "wrong.card.json").write_text("{", "utf-8")
    (a_home_without_weights / "alone.card.json").unlink()
    told = {one.name: one.problem.code if one.problem else None for one in Store().list()}
    assert told.items() >= {"right": None, "wrong": "bad-card", "alone": "no-card"}.items()


def test_unfinished_hidden_and_foreign_files_are_passed_over(a_home_without_weights: Path) -> None:
    put(a_home_without_weights, name="right")
    for name in (".part-1-0-x.safetensors", "model.pth", "readme.txt"):
        (a_home_without_weights / name).write_bytes(b"")
    (a_home_without_weights / "folder.safetensors").mkdir()
    names = [one.name for one in Store().list() if a_home_without_weights in one.path.parents]
    assert names == ["right"]


def test_one_file_in_two_folders_is_listed_once(a_home_without_weights: Path) -> None:
    put(a_home_without_weights)
    assert [one.name for one in Store([a_home_without_weights]).list()].count("small") == 1


@pytest.mark.skipif(os.name == "nt", reason="Links need a privilege on Windows.")
def test_a_broken_link_is_passed_over(a_home_without_weights: Path) -> None:
    put(a_home_without_weights, name="right")
    (a_home_without_weights / "gone.safetensors").symlink_to(a_home_without_weights / "nowhere")
    names = [one.name for one in Store().list() if a_home_without_weights in one.path.parents]
    assert names == ["right"]


def test_an_unknown_name_is_answered_with_those_that_are_like_it(a_home_without_weights: Path) -> None:
    put(a_home_without_weights, name="pcl-hippocampus")
    with pytest.raises(ContrastiveSegError) as refused:
        Store().find("pcl-hipocampus")
    assert refused.value.code == "unknown-weights"
    assert "'pcl-hipocampus'" in refused.value.sentence and "pcl-hippocampus" in refused.value.what_to_do


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000, "../../etc", "small@", "@1"])
def test_odd_names_are_unknown_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContrastiveSegError) as refused:
        Store().find(name)
    assert refused.value.code == "unknown-weights"


def test_a_folder_with_several_weights_asks_for_one_of_them(tmp_path: Path) -> None:
    put(tmp_path / "two", name="a")
    put(tmp_path / "two", name="b")
    with pytest.raises(ContrastiveSegError, match=r"a\.safetensors, b\.safetensors"):
        Store().find(tmp_path / "two")


def test_our_own_weights_lie_among_the_resources_of_the_module() -> None:
    folders = own_folders()
    assert folders[0].parts[-3:] == ("ContrastiveSeg", "Resources", "Models")
    assert folders[0].parent.is_dir()


def test_every_weights_that_come_with_the_module_have_a_right_card() -> None:
    problems = [str(one.problem) for one in Store().list() if one.problem]
    assert problems == []
