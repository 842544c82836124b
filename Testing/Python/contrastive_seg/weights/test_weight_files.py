"""Weights in real files: whole ones come back, damaged, exchanged and dangerous ones are refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from weight_parts import card_for, tensors_of

from contrastive_seg import atomic
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import load_weights, save_weights


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def refusal(path: Path | str) -> ContrastiveSegError:
    """Why weights cannot be loaded; the sentence names the file."""
    with pytest.raises(ContrastiveSegError) as refused:
        load_weights(path)
    assert str(path) in refused.value.sentence and refused.value.what_to_do
    return refused.value


def rewrite_card(path: Path, **changes: Any) -> None:
    """Changes fields of the card beside weights."""
    card = path.with_name(path.stem + ".card.json")
    card.write_text(json.dumps({**json.loads(card.read_text("utf-8")), **changes}), "utf-8")


def test_weights_come_back_bit_for_bit_with_a_card_that_knows_them(
    some_weights: Path, its_card: WeightCard, a_network: UNet
) -> None:
    card, tensors = load_weights(some_weights)
    assert card == its_card
    assert card.sha256 == hashlib.sha256(some_weights.read_bytes()).hexdigest()
    parts = (a_network.encoder, a_network.decoder)
    assert card.parameters == sum(p.numel() for part in parts for p in part.parameters())
    expected = tensors_of(a_network)
    assert set(tensors) == set(expected)
    assert all(torch.equal(tensors[key], value) for key, value in expected.items())


@pytest.mark.parametrize("place", ["file", "card", "folder", "name", "other name", "folder with card.json"])
def test_weights_are_found_by_file_card_folder_and_name(
    some_weights: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(some_weights.parent))
    if place == "folder with card.json":
        some_weights.with_name("small.card.json").rename(some_weights.with_name("card.json"))
    elif place == "other name":
        some_weights = some_weights.rename(some_weights.with_name("file.safetensors"))
        some_weights.with_name("small.card.json").rename(some_weights.with_name("file.card.json"))
    wanted = {
        "file": some_weights,
        "card": some_weights.with_name("small.card.json"),
        "name": "small",
        "other name": "small",
    }.get(place, some_weights.parent)
    assert load_weights(wanted)[0].name == "small"


def test_saving_to_a_folder_makes_it_and_names_the_files_after_the_card(
    tmp_path: Path, a_network: UNet
) -> None:
    folder = tmp_path / "new" / "Gewichte ✓"
    save_weights(folder, tensors_of(a_network), card_for(name="Herz MR"))
    assert sorted(p.name for p in folder.iterdir()) == ["Herz MR.card.json", "Herz MR.safetensors"]


def test_half_precision_halves_the_file_and_costs_a_thousandth(tmp_path: Path, a_network: UNet) -> None:
    tensors = tensors_of(a_network)
    card = save_weights(tmp_path / "half.safetensors", tensors, card_for(), half=True)
    save_weights(tmp_path / "whole.safetensors", tensors, card_for())
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    again, loaded = load_weights(tmp_path / "half.safetensors")
    assert again == card and loaded["encoder.levels.0.0.weight"].dtype == torch.float32
    for key, value in tensors.items():
        assert loaded[key].dtype == value.dtype
        assert torch.allclose(loaded[key].float(), value.float(), rtol=1e-3, atol=1e-6), key


def test_half_precision_spares_what_it_cannot_hold(tmp_path: Path, a_network: UNet) -> None:
    tensors = tensors_of(a_network)
    tensors["encoder.levels.0.1.running_var"] = torch.full((4,), 1e6)
    tensors["encoder.levels.0.4.running_var"] = torch.full((4,), 1e-9)
    tensors["encoder.levels.1.0.weight"] = tensors["encoder.levels.1.0.weight"] * 1e7
    path = tmp_path / "small.safetensors"
    save_weights(path, tensors, card_for(), half=True)
    loaded = load_weights(path)[1]
    for key in (
        "encoder.levels.0.1.running_var",
        "encoder.levels.0.4.running_var",
        "encoder.levels.1.0.weight",
    ):
        assert torch.equal(loaded[key], tensors[key])
    assert load_file(path)["encoder.levels.2.0.weight"].dtype == torch.float16


def test_tensors_that_share_memory_or_are_views_are_saved_as_they_look(tmp_path: Path) -> None:
    network = UNet(1, 2, 4)
    tensors = tensors_of(network, "encoder")
    shared = torch.arange(4.0)
    tensors["encoder.levels.0.1.weight"] = shared
    tensors["encoder.levels.0.1.bias"] = shared
    key = "encoder.levels.0.3.weight"
    tensors[key] = tensors[key].transpose(2, 3)
    save_weights(tmp_path / "x.safetensors", tensors, card_for(parts={"encoder": "encoder."}))
    loaded = load_weights(tmp_path / "x.safetensors")[1]
    assert torch.equal(loaded["encoder.levels.0.1.bias"], shared) and torch.equal(loaded[key], tensors[key])


@pytest.mark.parametrize("length", [0, 3, 8, 100, 5000, -1, -1000])
def test_a_truncated_file_is_called_truncated(some_weights: Path, length: int) -> None:
    data = some_weights.read_bytes()
    some_weights.write_bytes(data[:length])
    error = refusal(some_weights)
    assert error.code == "truncated-weights" and "ends too early" in error.sentence


def test_one_changed_bit_is_a_wrong_sha256(some_weights: Path, its_card: WeightCard) -> None:
    data = bytearray(some_weights.read_bytes())
    data[-5] ^= 1
    some_weights.write_bytes(data)
    error = refusal(some_weights)
    assert error.code == "wrong-sha256" and its_card.sha256 in error.sentence
    assert hashlib.sha256(data).hexdigest() in error.sentence


def test_weights_exchanged_for_others_are_noticed_although_they_are_sound(
    some_weights: Path, tmp_path: Path
) -> None:
    save_weights(tmp_path / "other.safetensors", tensors_of(UNet(1, 2, 4)), card_for(name="other"))
    (tmp_path / "other.safetensors").replace(some_weights)
    assert refusal(some_weights).code == "wrong-sha256"


def test_sha256_is_checked_every_time(some_weights: Path) -> None:
    load_weights(some_weights)
    data = bytearray(some_weights.read_bytes())
    data[-5] ^= 1
    some_weights.write_bytes(data)
    assert refusal(some_weights).code == "wrong-sha256"


def test_a_changed_header_is_noticed(some_weights: Path) -> None:
    data = some_weights.read_bytes()
    some_weights.write_bytes(data.replace(b"encoder.levels.0.0.bias", b"encoder.levels.0.0.bios"))
    assert refusal(some_weights).code == "wrong-sha256"


@pytest.mark.parametrize(
    "header",
    [
        b"\xff" * 40,
        b"{" + b" " * 40,
        b'{"a": 1}',
        b'{"a": {"shape": [1], "data_offsets": "x"}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b"[" * 9000,
    ],
    ids=["no text", "no JSON", "no tensor", "no offsets", "more than it says", "deep"],
)
def test_a_file_with_another_header_is_refused(some_weights: Path, header: bytes) -> None:
    data = len(header).to_bytes(8, "little") + header + b"\0" * 4000
    some_weights.write_bytes(data)
    rewrite_card(some_weights, sha256=hashlib.sha256(data).hexdigest())
    assert refusal(some_weights).code == "bad-weights"


def test_a_file_that_only_looks_like_safetensors_is_refused_by_its_reader(some_weights: Path) -> None:
    header = b'{"encoder.levels.0.0.weight": {"dtype": "F32", "shape": [4, 1, 3, 3], "data_offsets": [0, 8]}}'
    data = len(header).to_bytes(8, "little") + header + b"\0" * 8
    some_weights.write_bytes(data)
    rewrite_card(
        some_weights,
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=36,
        parts={"encoder": "encoder."},
    )
    assert refusal(some_weights).code == "bad-weights"


def _pickles(folder: Path) -> dict[str, bytes]:
    """Traps of every kind, by the kind."""
    trap = Trap(folder / "sprung")
    buffers = {}
    for kind, new in (("torch zip", True), ("torch before 1.6", False)):
        buffer = io.BytesIO()
        torch.save({"encoder.levels.0.0.weight": trap}, buffer, _use_new_zipfile_serialization=new)
        buffers[kind] = buffer.getvalue()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        buffers[f"protocol {protocol}"] = pickle.dumps({"state_dict": trap}, protocol)
        buffers[f"protocol {protocol}, no container"] = pickle.dumps(trap, protocol)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    buffers["first PyTorch"] = buffer.getvalue()
    return buffers


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".ckpt", ".bin"])
def test_no_pickle_is_loaded_whatever_its_kind_and_name(some_weights: Path, suffix: str) -> None:
    place = some_weights.with_suffix(suffix)
    for kind, content in _pickles(some_weights.parent).items():
        place.write_bytes(content)
        rewrite_card(some_weights, sha256=hashlib.sha256(content).hexdigest())
        error = refusal(place)
        assert error.code == "pickle", kind
        assert "never loaded" in error.sentence and "weights import --from" in error.what_to_do
    assert not (some_weights.parent / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b\x08 something", b"\x89HDF\r\n\x1a\n"])
def test_other_files_are_refused(some_weights: Path, content: bytes) -> None:
    some_weights.write_bytes(content)
    assert refusal(some_weights).code in {"bad-weights", "truncated-weights"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 8}, "'width' is 8, but 'encoder.levels.0.0.weight' has 4 output channels"),
        ({"in_channels": 3}, "'in_channels' is 3, but 'encoder.levels.0.0.weight' takes 1"),
        ({"network": "echo-unet", "width": None}, "'network' is echo-unet, but"),
        (
            {"network": "deeplabv3", "width": None},
            "'network' is deeplabv3, but there is no tensor 'encoder.body.conv1.weight'",
        ),
        ({"parameters": 5}, "'parameters' is 5, but the tensors hold"),
        ({"parts": {"encoder": "encoder."}}, "'parts' says nothing of 'decoder."),
        ({"parts": {"encoder": "net."}}, "'parts.encoder' is 'net.', but no tensor's name begins so"),
    ],
)
def test_a_card_that_disagrees_with_its_tensors_is_refused_by_the_field(
    some_weights: Path, changes: dict[str, Any], said: str
) -> None:
    rewrite_card(some_weights, **changes)
    error = refusal(some_weights)
    assert error.code == "bad-card" and said in error.sentence


def test_a_card_with_an_unknown_field_is_refused_when_weights_are_loaded(some_weights: Path) -> None:
    rewrite_card(some_weights, trained_by="me")
    card = some_weights.with_name("small.card.json")
    with pytest.raises(ContrastiveSegError, match="'trained_by' is unknown") as refused:
        load_weights(some_weights)
    assert refused.value.code == "bad-card" and str(card) in refused.value.sentence


def test_weights_without_a_card_are_refused(some_weights: Path) -> None:
    some_weights.with_name("small.card.json").unlink()
    with pytest.raises(ContrastiveSegError) as refused:
        load_weights(some_weights)
    assert refused.value.code == "no-card"


def test_cards_that_disagree_are_not_written(tmp_path: Path, a_network: UNet) -> None:
    for wrong in ({"width": 8}, {"in_channels": 2}, {"parts": {"encoder": "encoder."}}):
        with pytest.raises(ContrastiveSegError) as refused:
            save_weights(tmp_path / "x", tensors_of(a_network), card_for(**wrong))
        assert refused.value.code == "bad-card"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_loaded(
    some_weights: Path, a_network: UNet, value: float
) -> None:
    tensors = {key: one.clone() for key, one in tensors_of(a_network).items()}
    tensors["encoder.levels.1.0.weight"][0, 0] = value
    with pytest.raises(ContrastiveSegError, match=r"not finite, in encoder\.levels\.1\.0\.weight"):
        save_weights(some_weights.parent / "x.safetensors", tensors, card_for())
    save_file({key: one.contiguous() for key, one in tensors.items()}, some_weights)
    rewrite_card(some_weights, sha256=hashlib.sha256(some_weights.read_bytes()).hexdigest())
    assert refusal(some_weights).code == "nonfinite-weights"


def test_a_full_disk_leaves_neither_file_and_says_so(a_small_disk: Path) -> None:
    with pytest.raises(ContrastiveSegError) as refused:
        save_weights(a_small_disk, tensors_of(UNet(1, 2, 8)), card_for(width=8))
    assert refused.value.code == "disk-full" and str(a_small_disk) in refused.value.sentence
    assert list(a_small_disk.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_old_weights_as_they_were(a_small_disk: Path) -> None:
    kept = save_weights(a_small_disk, tensors_of(UNet(1, 2, 1)), card_for(width=1))
    with pytest.raises(ContrastiveSegError, match="not enough space"):
        save_weights(a_small_disk, tensors_of(UNet(1, 2, 8)), card_for(width=8))
    assert load_weights(a_small_disk)[0] == kept


def test_a_card_that_cannot_be_renamed_into_place_is_told(
    some_weights: Path, a_network: UNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(part: Path, path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    before = some_weights.read_bytes()
    monkeypatch.setattr(atomic, "_rename", fails)
    with pytest.raises(ContrastiveSegError) as refused:
        save_weights(some_weights, tensors_of(a_network), card_for(), half=True)
    assert refused.value.code == "no-write-permission"
    assert some_weights.read_bytes() == before
    assert [p.name for p in some_weights.parent.iterdir() if p.name.startswith(".part")] == []


def test_cards_can_be_read_without_loading_torch() -> None:
    program = (
        "import sys, contrastive_seg.weights.store as store\n"
        "store.Store().list()\n"
        "print(sorted({'numpy', 'torch', 'safetensors', 'monai'} & set(sys.modules)))"
    )
    folder = Path(atomic.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"
