"""Weights handed on as a folder or a zip file, and taken in again."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest
import torch

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.archive import export_weights, import_weights
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import load_weights


@pytest.mark.parametrize("target", ["shared.zip", "shared", "shared/other.safetensors"])
def test_exported_weights_come_back_as_they_were(some_weights: Path, tmp_path: Path, target: str) -> None:
    exported = export_weights(some_weights, tmp_path / target)
    imported = import_weights(exported.path, tmp_path / "mine")
    assert imported.path == tmp_path / "mine" / "small.safetensors"
    assert imported.path.read_bytes() == some_weights.read_bytes()
    assert load_weights(imported.path)[0] == load_weights(some_weights)[0] == imported.card


def test_a_folder_can_be_taken_in_under_another_name(some_weights: Path, tmp_path: Path) -> None:
    imported = import_weights(some_weights.parent, tmp_path / "mine", name="other")
    assert imported.path.name == "other.safetensors"
    card, _ = load_weights(imported.path)
    assert card.name == "other" and card.sha256 == load_weights(some_weights)[0].sha256


@pytest.mark.parametrize("name", ["../x", "a/b", "", "nul", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(some_weights: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ContrastiveSegError, match="'name'") as refused:
        import_weights(some_weights, tmp_path / "mine", name=name)
    assert refused.value.code == "bad-card" and not (tmp_path / "mine").exists()


def test_weights_are_not_replaced_unless_one_says_so(some_weights: Path, tmp_path: Path) -> None:
    import_weights(some_weights, tmp_path / "mine")
    with pytest.raises(ContrastiveSegError, match="already") as refused:
        import_weights(some_weights, tmp_path / "mine")
    assert refused.value.code == "weights-exist"
    assert import_weights(some_weights, tmp_path / "mine", overwrite=True).card.name == "small"


@pytest.mark.parametrize(
    ("target", "half"), [("theirs.safetensors", False), ("theirs.safetensors", True), ("theirs.zip", False)]
)
def test_an_export_replaces_nothing_unless_one_says_so(
    some_weights: Path, tmp_path: Path, target: str, half: bool
) -> None:
    there = tmp_path / "out" / target
    there.parent.mkdir()
    there.write_bytes(b"of somebody else")
    with pytest.raises(ContrastiveSegError, match="exists already") as refused:
        export_weights(some_weights, there, half=half)
    assert refused.value.code == "weights-exist" and "--overwrite" in refused.value.what_to_do
    assert there.read_bytes() == b"of somebody else"
    assert [one.name for one in there.parent.iterdir()] == [target]
    assert export_weights(some_weights, there, half=half, overwrite=True).path == there
    assert there.read_bytes() != b"of somebody else"


def test_damaged_weights_are_neither_exported_nor_taken_in(some_weights: Path, tmp_path: Path) -> None:
    export_weights(some_weights, tmp_path / "good.zip")
    some_weights.write_bytes(some_weights.read_bytes()[:-4])
    for act in (
        lambda: export_weights(some_weights, tmp_path / "x.zip"),
        lambda: import_weights(some_weights, tmp_path / "mine"),
    ):
        with pytest.raises(ContrastiveSegError) as refused:
            act()
        assert refused.value.code == "truncated-weights"
    assert not (tmp_path / "x.zip").exists() and not (tmp_path / "mine").exists()


def test_exporting_in_half_precision_makes_a_new_card(some_weights: Path, tmp_path: Path) -> None:
    exported = export_weights(some_weights, tmp_path / "half", half=True)
    assert exported.path.stat().st_size < 0.6 * some_weights.stat().st_size
    assert load_weights(exported.path)[0].sha256 != load_weights(some_weights)[0].sha256
    with pytest.raises(ContrastiveSegError, match="zip"):
        export_weights(some_weights, tmp_path / "half.zip", half=True)


def test_folders_in_an_archive_and_files_of_macos_do_not_matter(
    some_weights: Path, its_card: WeightCard, tmp_path: Path
) -> None:
    path = tmp_path / "nested.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("shared")
        archive.writestr("shared/deep/other.safetensors", some_weights.read_bytes())
        archive.writestr("shared/deep/other.card.json", its_card.to_json())
        archive.writestr("__MACOSX/shared/deep/._other.safetensors", b"attributes")
        archive.writestr("readme.txt", "hello")
    imported = import_weights(path, tmp_path / "mine")
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["small.card.json", "small.safetensors"]
    assert imported.card == its_card


def _member(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([_member("../../escaped.safetensors")], "leads out"),
        ([_member("a/../../escaped.txt")], "leads out"),
        ([_member("/absolute/escaped.txt")], "leads out"),
        ([_member("C:\\Windows\\escaped.txt")], "leads out"),
        ([_member("..\\escaped.txt")], "leads out"),
        ([_member("link", stat.S_IFLNK | 0o777)], "link"),
        ([_member("pipe", stat.S_IFIFO | 0o600)], "device"),
        ([_member("disk", stat.S_IFBLK | 0o600)], "device"),
        ([_member("terminal", stat.S_IFCHR | 0o600)], "device"),
        ([_member("same"), _member("same")], "same name"),
        ([_member(f"{n}") for n in range(1001)], "more than 1000"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_members_that_do_harm_elsewhere_is_refused_as_a_whole(
    some_weights: Path, its_card: WeightCard, tmp_path: Path, members: list[zipfile.ZipInfo], words: str
) -> None:
    path = tmp_path / "in" / "evil.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.safetensors", some_weights.read_bytes())
        archive.writestr("a.card.json", its_card.to_json())
        for one in members:
            archive.writestr(one, b"evil")
    with pytest.raises(ContrastiveSegError) as refused:
        import_weights(path, tmp_path / "mine")
    assert refused.value.code == "bad-archive" and words in refused.value.sentence
    assert not (tmp_path / "mine").exists() and list(tmp_path.rglob("*escaped*")) == []


def test_an_archive_that_swells_is_refused_before_it_is_unpacked(
    its_card: WeightCard, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.safetensors", "w", force_zip64=True) as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
        archive.writestr("a.card.json", its_card.to_json())
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ContrastiveSegError) as refused:
        import_weights(path, tmp_path / "mine")
    assert refused.value.code == "bad-archive" and "200 times" in refused.value.sentence


def test_an_archive_that_lies_about_its_sizes_unpacks_no_more_than_it_says(
    some_weights: Path, its_card: WeightCard, tmp_path: Path
) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.safetensors", bytes(32 << 20))
        archive.writestr("a.card.json", its_card.to_json())
    size = (32 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(ContrastiveSegError) as refused:
        import_weights(path, tmp_path / "mine")
    assert refused.value.code == "bad-archive"


@pytest.mark.parametrize(
    "kind", ["no zip", "empty", "truncated", "no card", "two weights", "wrong card", "no UTF-8", "damaged"]
)
def test_an_archive_that_is_not_right_is_refused(
    some_weights: Path, its_card: WeightCard, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        if kind != "empty":
            archive.writestr("a.safetensors", some_weights.read_bytes())
        if kind == "two weights":
            archive.writestr("b.safetensors", some_weights.read_bytes())
        card = {"wrong card": b"{}", "no UTF-8": b"\xff"}.get(kind, its_card.to_json().encode())
        if kind not in ("empty", "no card"):
            archive.writestr("a.card.json", card)
    data = path.read_bytes()
    if kind == "no zip":
        path.write_bytes(b"PK")
    elif kind == "truncated":
        path.write_bytes(data[:-100])
    elif kind == "damaged":
        path.write_bytes(data.replace(some_weights.read_bytes()[-64:-32], bytes(32), 1))
    with pytest.raises(ContrastiveSegError) as refused:
        import_weights(path, tmp_path / "mine")
    assert refused.value.code == ("bad-card" if kind == "wrong card" else "bad-archive")
    assert str(path) in refused.value.sentence and not (tmp_path / "mine").exists()


def test_an_archive_whose_weights_were_exchanged_is_refused(
    some_weights: Path, its_card: WeightCard, tmp_path: Path
) -> None:
    values = {**its_card.to_dict(), "sha256": hashlib.sha256(b"").hexdigest()}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.safetensors", some_weights.read_bytes())
        archive.writestr("card.json", json.dumps(values))
    with pytest.raises(ContrastiveSegError) as refused:
        import_weights(tmp_path / "x.zip", tmp_path / "mine")
    assert refused.value.code == "wrong-sha256"


@pytest.mark.parametrize("name", ["model.zip", "model.pth", "model.safetensors"])
def test_a_checkpoint_of_pytorch_is_not_taken_in_without_its_origin(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save({"net": {"a": torch.zeros(2)}}, path)
    with pytest.raises(ContrastiveSegError, match="--from") as refused:
        import_weights(path, tmp_path / "mine")
    assert refused.value.code == "pickle"


def test_a_full_disk_is_told_on_export(some_weights: Path, a_small_disk: Path) -> None:
    filler = a_small_disk / "filler"
    filler.write_bytes(bytes(180_000))
    with pytest.raises(ContrastiveSegError) as refused:
        export_weights(some_weights, a_small_disk / "x.zip")
    assert refused.value.code == "disk-full"
    assert list(a_small_disk.iterdir()) == [filler]
