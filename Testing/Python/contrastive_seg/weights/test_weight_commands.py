"""``contrastive-seg weights``: what a person reads, and what a script gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import call, run_command
from published_networks import PositionalEncoder
from weight_parts import card_for, tensors_of

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.files import load_weights, save_weights


@pytest.fixture
def my_weights(a_home_without_weights: Path) -> Path:
    """Two weights in the user's folder."""
    for name in ("alpha", "beta"):
        save_weights(a_home_without_weights, tensors_of(UNet(1, 2, 4)), card_for(name=name))
    return a_home_without_weights


def mine(told: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Those of the user: others may come with the module."""
    return [one for one in told["weights"] if str(folder) in one.get("path", one.get("weights", ""))]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def test_list_shows_a_table(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "weights", "list")
    assert status == 0 and err == ""
    for word in ("alpha", "beta", "macl", "unet 4", "MR", "Hippocamp", "mr-hippocampus", "us-fetal-head"):
        assert word in out
    assert "of your own" not in out


def test_list_says_where_weights_of_ones_own_belong(
    a_home_without_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "weights", "list")
    assert status == 0 and "Weights of your own belong" in out


def test_list_gives_scripts_the_cards(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (my_weights / "beta.card.json").write_text("{}", "utf-8")
    status, out, _ = call(capsys, "weights", "list", "--json")
    told = json.loads(out)
    assert status == 0 and told["folder"] == str(my_weights)
    right, wrong = mine(told, my_weights)
    assert right["name"] == "alpha" and right["preprocessing"]["plane"] == "coronal"
    assert wrong["name"] == "beta" and wrong["error"]["code"] == "bad-card"


def test_an_empty_list_says_where_weights_belong(
    a_home_without_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "weights", "list", "--json")
    assert status == 0 and json.loads(out)["folder"] == str(a_home_without_weights)
    assert mine(json.loads(out), a_home_without_weights) == []


def test_a_further_folder_can_be_named(
    some_weights: Path, a_home_without_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "weights", "show", "small", "--folder", some_weights.parent, "--json")
    assert status == 0 and json.loads(out)["path"] == str(some_weights)


def test_show_tells_everything_on_the_card(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "weights", "show", "alpha")
    assert status == 0
    for text in ("0.5 to 99.5", "coronal", "CC-BY-4.0", "7000", "contrastive-seg pretrain --method macl"):
        assert text in out
    values = json.loads(call(capsys, "weights", "show", my_weights / "alpha.safetensors", "--json")[1])
    assert values["training_data"][0]["volumes"] == 200 and len(values["sha256"]) == 64


def test_brackets_in_a_card_are_text_and_a_sha256_is_shown_in_full(
    a_home_without_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = card_for(anatomy="Heart [LA]", modality="[bold]MR[/]", parts={"encoder": "encoder."})
    card = save_weights(a_home_without_weights, tensors_of(UNet(1, 2, 4), "encoder"), card)
    for command in (["list"], ["show", "small"]):
        out = call(capsys, "weights", *command)[1]
        assert "[LA]" in out and "[bold]" in out
    joined = "".join(part.strip() for line in out.splitlines() for part in line.split("│")[2:3])
    assert card.sha256 in joined


def test_show_of_unknown_weights_is_a_mistake(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "weights", "show", "alfa", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "unknown-weights" and "alpha" in err


def test_show_of_a_checkpoint_names_the_pickle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04")
    status, out, _ = call(capsys, "weights", "show", tmp_path / "model.pth", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "pickle"


def test_verify_names_what_is_damaged_and_fails(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "weights", "verify", "--json")
    assert status == 0 and json.loads(out)["ok"]
    damage(my_weights / "beta.safetensors")
    status, out, _ = call(capsys, "weights", "verify", "--json")
    told = json.loads(out)
    assert status == 2 and not told["ok"]
    assert [one["ok"] for one in mine(told, my_weights) if not one["ok"]] == [False]
    status, out, _ = call(capsys, "weights", "verify", "alpha", "beta")
    assert status == 2 and "yes" in out and "SHA256" in out


def test_verify_of_one_says_why_it_fails(my_weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "weights", "verify", "beta")[0] == 0
    damage(my_weights / "beta.safetensors")
    status, out, err = call(capsys, "weights", "verify", "beta", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "wrong-sha256"
    assert "beta.safetensors" in err and "Traceback" not in err


def test_export_and_import_go_through_a_zip_file(
    my_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared.zip"
    assert call(capsys, "weights", "export", "alpha", "--output", shared)[0] == 0
    status, _, err = call(capsys, "weights", "import", shared)
    assert status == 2 and "already" in err
    status, out, _ = call(capsys, "weights", "import", shared, "--name", "gamma", "--json")
    assert status == 0 and json.loads(out)["path"] == str(my_weights / "gamma.safetensors")
    assert load_weights("gamma")[0].name == "gamma"


def test_import_converts_an_original_checkpoint_only_when_asked_to(
    tmp_path: Path, a_home_without_weights: Path
) -> None:
    path = tmp_path / "latest.pth"
    network = PositionalEncoder(1, 4)
    torch.save({"net": {f"encoder.{key}": value for key, value in network.state_dict().items()}}, path)
    refused = run_command("weights", "import", path)
    assert refused.returncode == 2 and "weights import --from" in refused.stderr
    done = run_command(
        "weights", "import", "--from", "pcl", path, "--name", "chd", "--modality", "CT", "--half", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["modality"], told["licence"]) == ("CT", "not stated by its authors")
    assert load_weights(a_home_without_weights / "chd.safetensors")[0].in_channels == 1


def test_options_for_checkpoints_need_their_origin(
    some_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(capsys, "weights", "import", some_weights, "--modality", "CT", "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "usage" and "--modality" in err


@pytest.mark.parametrize("name", ["a/b", "con", "", " x"])
def test_a_name_that_weights_cannot_have_is_told_before_anything_is_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(capsys, "weights", "import", tmp_path / "none.zip", "--name", name)
    told = " ".join(err.split())
    assert status == 2 and f"Weights cannot be called '{name}'" in told and "letters, digits" in told


def test_an_unknown_origin_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = call(capsys, "weights", "import", "--from", "vgg", tmp_path / "x.pth")
    assert status == 2 and "pcl, macl, echo, med-moco" in err
