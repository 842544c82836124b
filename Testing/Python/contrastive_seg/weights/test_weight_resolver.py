"""One list over all sources: who wins, what is shadowed, and what is known about the SHA256."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from command_line import call
from weight_parts import card_for, tensors_of

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.checksums import CHECKED, RECORD, UNCHECKED, WRONG, Checksums
from contrastive_seg.weights.files import save_weights
from contrastive_seg.weights.resolver import Resolver
from contrastive_seg.weights.sources import PATH_VARIABLE, extension_folders, extension_of, own_folders
from contrastive_seg.weights.store import Store


def put(place: Path, **card: object) -> None:
    torch.manual_seed(0)
    save_weights(place, tensors_of(UNet(1, 2, 4)), card_for(**card))


@dataclass(frozen=True)
class Offered:
    """As a catalogue has it."""

    id: str
    version: str
    size: int = 5_000_000
    licence: str = "CC0-1.0"
    sha256: str = "0" * 64

    @property
    def card(self) -> WeightCard:
        return card_for(name=self.id, version=self.version)


@pytest.fixture
def an_extension_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an installed extension has its weights, as the panel tells its children."""
    installed = tmp_path / "Extensions ü" / "ContrastiveSegWeightsHeart" / "lib" / "Slicer-5.12"
    folder = installed / "qt-scripted-modules" / "Resources" / "Models"
    monkeypatch.setenv(PATH_VARIABLE, os.pathsep.join([str(tmp_path / "nowhere"), str(folder)]))
    return folder


def lines() -> dict[tuple[str, str], tuple[str, bool]]:
    """(source, version) -> (state, used) of the weights called small."""
    found = [one for one in Resolver().entries() if one.name == "small"]
    return {(one.source.label, one.version): (one.state, one.used) for one in found}


def test_the_sources_are_listed_in_their_order(
    a_home_without_weights: Path, an_extension_folder: Path, tmp_path: Path
) -> None:
    put(an_extension_folder, name="theirs")
    put(a_home_without_weights, name="mine")
    put(tmp_path / "further", name="named")
    found = Resolver(Store([tmp_path / "further"]), [Offered("later", "1")]).entries()
    labels = list(dict.fromkeys(one.source.label for one in found))
    assert labels == [
        *("your own", "folder", "extension ContrastiveSegWeightsHeart", "starter", "not downloaded"),
    ]


def test_of_equal_versions_the_users_own_are_used(
    a_home_without_weights: Path, an_extension_folder: Path
) -> None:
    put(an_extension_folder)
    put(a_home_without_weights)
    assert lines() == {
        ("your own", "1.2"): ("used", True),
        ("extension ContrastiveSegWeightsHeart", "1.2"): (
            "not used: the same version comes first from your own",
            False,
        ),
    }
    assert a_home_without_weights in Store().find("small").path.parents


def test_a_newer_version_wins_wherever_it_lies_and_the_list_says_so(
    a_home_without_weights: Path, an_extension_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(a_home_without_weights, version="1.9")
    put(an_extension_folder, version="1.10")
    shadowed = "not used: version 1.10 from extension ContrastiveSegWeightsHeart is newer"
    assert lines() == {
        ("your own", "1.9"): (shadowed, False),
        ("extension ContrastiveSegWeightsHeart", "1.10"): ("used", True),
    }
    assert an_extension_folder in Store().find("small").path.parents
    assert a_home_without_weights in Store().find("small@1.9").path.parents
    status, out, _ = call(capsys, "weights", "list")
    assert status == 0 and "is newer" in out and "1.9" in out and "not used" in out


def test_what_the_list_calls_used_is_what_the_name_means(
    a_home_without_weights: Path, an_extension_folder: Path
) -> None:
    for folder, versions in ((a_home_without_weights, "12"), (an_extension_folder, "32")):
        for version in versions:
            put(folder / f"v{version}.safetensors", version=version)
            put(folder / f"w{version}.safetensors", version=version, name="other")
    used = Resolver().used()
    assert {one.path for one in used} == {Store().find(one.name).path for one in used}
    assert len(used) == 2 + 4  # the starters


def test_weights_without_a_card_in_an_extension_belong_to_somebody_else(
    a_home_without_weights: Path, an_extension_folder: Path
) -> None:
    put(an_extension_folder)
    (an_extension_folder / "foreign.safetensors").write_bytes(b"")
    (an_extension_folder / "wrong.safetensors").write_bytes(b"")
    (an_extension_folder / "wrong.card.json").write_text("{}", "utf-8")
    found = [one for one in Resolver().entries() if one.source.kind == "extension"]
    assert {one.name: one.state for one in found} == {"small": "used", "wrong": "cannot be used"}


def test_weights_that_cannot_be_used_shadow_nothing(
    a_home_without_weights: Path, an_extension_folder: Path
) -> None:
    put(a_home_without_weights, version="9")
    (a_home_without_weights / "small.card.json").write_text("{}", "utf-8")
    put(an_extension_folder, version="1")
    assert Store().find("small").card is not None
    assert lines()[("extension ContrastiveSegWeightsHeart", "1")] == ("used", True)


def test_what_can_be_downloaded_replaces_nothing_before_it_is_here(a_home_without_weights: Path) -> None:
    put(a_home_without_weights, version="1")
    offers = [Offered("small", "2"), Offered("small", "1"), Offered("new", "1")]
    found = {(one.name, one.version): one for one in Resolver(offers=offers).entries()}
    assert found[("small", "1")].used and found[("small", "1")].is_here
    assert found[("small", "2")].state == "not downloaded yet" and not found[("small", "2")].used
    assert found[("new", "1")].offer == offers[2] and found[("small", "2")].size == 5_000_000
    assert found[("small", "2")].licence == "CC0-1.0" and found[("small", "2")].card is not None


def test_the_sha256_is_not_yet_checked_then_checked_then_wrong(
    a_home_without_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(a_home_without_weights)
    assert not (a_home_without_weights / RECORD).exists()
    assert _checksum() == UNCHECKED
    assert call(capsys, "weights", "verify", "small")[0] == 0
    assert _checksum() == CHECKED
    path = a_home_without_weights / "small.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    assert _checksum() == UNCHECKED
    told = json.loads(call(capsys, "weights", "list", "--check", "--json")[1])
    assert [one["checksum"] for one in told["weights"] if one["name"] == "small"] == [WRONG]
    assert _checksum() == WRONG


def _checksum() -> str:
    return next(one.checksum for one in Resolver().entries() if one.name == "small")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 3}', '{"a": [1, 2]}'])
def test_a_damaged_record_of_checks_only_means_not_yet_checked(
    a_home_without_weights: Path, text: str
) -> None:
    put(a_home_without_weights)
    (a_home_without_weights / RECORD).write_text(text, "utf-8")
    assert _checksum() == UNCHECKED
    Resolver().check(Resolver().entries())
    assert _checksum() == CHECKED


def test_a_file_that_has_gone_or_cannot_be_kept_in_mind_stays_unchecked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    checksums = Checksums(tmp_path / "file")  # where no folder can be made
    assert checksums.check(tmp_path / "gone", "0" * 64) == UNCHECKED
    checksums.save()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_large_file_is_checked_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(5 << 19))
    checksums = Checksums(tmp_path)
    assert list(checksums.checking(tmp_path / "large")) == [0.4, 0.8, 1.0]
    assert checksums.state(tmp_path / "large", "0" * 64) == WRONG


def test_our_own_folder_is_no_other_extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PATH_VARIABLE, os.pathsep.join([str(own_folders()[0]), str(tmp_path), ""]))
    assert extension_folders() == [tmp_path]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/x/Heart/lib/Slicer-5.12/qt-scripted-modules/Resources/Models", "Heart"),
        ("/x/Heart/lib/Custom-1.0/qt-scripted-modules/Resources/Models", "Heart"),
        ("/src/SlicerHeart/Heart/Resources/Models", "Heart"),
        ("/somewhere/else", ""),
    ],
)
def test_the_extension_is_seen_from_where_its_folder_lies(folder: str, name: str) -> None:
    assert extension_of(Path(folder)) == name
