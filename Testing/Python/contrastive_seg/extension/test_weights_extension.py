"""Weights as an extension of 3D Slicer: complete, buildable, and found once it is installed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.extension.cmake_files import read_tree
from contrastive_seg.extension.tree import About, write_extension
from contrastive_seg.weights.card import TrainingData, WeightCard
from contrastive_seg.weights.files import load_weights, write_pair
from contrastive_seg.weights.resolver import Resolver
from contrastive_seg.weights.sources import PATH_VARIABLE
from contrastive_seg.weights.store import Store

NAME = "ContrastiveSegWeightsStarters"
STARTERS = ["ct-torso", "mr-brain", "mr-hippocampus", "us-fetal-head"]
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The starters alone."""
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(tmp_path / "home"))
    return Store()


def put(folder: Path, **changes: Any) -> None:
    """The smallest starter under another card."""
    found = Store().find("us-fetal-head")
    assert found.card is not None
    card = WeightCard.from_dict({**found.card.to_dict(), **changes})
    write_pair(folder / f"{len(list(folder.glob('*')))}.safetensors", found.path.read_bytes(), card)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """The checks of Slicer's catalogue."""
    command = [sys.executable, str(ROOT / "Testing" / "check_catalogue.py"), str(folder)]
    utf8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=utf8)


def test_the_starters_become_an_extension_that_the_catalogue_would_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "Slicer Extension ü"
    status, out, _ = call(
        capsys, "weights", "pack", *STARTERS, "--as-extension", NAME, "--output", target, "--json"
    )
    assert status == 0 and [one["name"] for one in json.loads(out)["weights"]] == STARTERS
    there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    models = f"{NAME}/Resources/Models"
    assert there == {
        *("CMakeLists.txt", "LICENSE", "README.md", f"{NAME}.json", f"{NAME}.png"),
        *(f"{NAME}/CMakeLists.txt", f"{NAME}/{NAME}.py", f"{NAME}/Resources/Icons/{NAME}.png"),
        f"{models}/LICENSE.txt",
        *(f"{models}/{name}{suffix}" for name in STARTERS for suffix in (".card.json", ".safetensors")),
    }
    done = check(target)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cmake_lists_every_file_of_the_module(tmp_path: Path, a_store: Store) -> None:
    root = write_extension(STARTERS, About(NAME), tmp_path / "x", a_store).root
    module = root / NAME
    there = {path.relative_to(module).as_posix() for path in module.rglob("*") if path.is_file()}
    tree = read_tree(root)
    assert set(tree.files) == there - {"CMakeLists.txt"}
    assert tree.name == NAME and tree.modules == [NAME]


def test_the_resolver_finds_the_weights_of_an_installed_extension(
    tmp_path: Path, a_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "new", name="ct-torso", version="2")
    put(tmp_path / "new", name="heart")
    store = Store([tmp_path / "new"])
    root = write_extension(["ct-torso@2", "heart"], About(NAME), tmp_path / "x", store).root
    monkeypatch.setenv(PATH_VARIABLE, str(root / NAME / "Resources" / "Models"))
    found = {(one.name, one.version): one for one in Resolver().entries()}
    assert found[("ct-torso", "2")].used and found[("heart", "1")].used
    assert found[("heart", "1")].source.label == f"extension {NAME}"
    assert "is newer" in found[("ct-torso", "1")].state
    assert load_weights("heart")[0].name == "heart"


def test_what_a_card_says_cannot_break_the_extensions_files(tmp_path: Path) -> None:
    evil = "a\"); message(FATAL_ERROR \"; ${HOME} \\ 'x' @EXTENSION@ | `y` Ünï"
    put(tmp_path / "new", name="Herz ü 1", anatomy=evil, modality="MR; CT", licence=f"own {evil}")
    put(tmp_path / "new", name="Herz é 1", training_data=[])
    about = About(NAME, contributors=f"{evil}\n({evil})", licence_text="Full text @X@.")
    store = Store([tmp_path / "new"])
    root = write_extension(["Herz ü 1", "Herz é 1"], about, tmp_path / "x", store).root
    tree = read_tree(root)
    assert evil.replace(";", ",") in tree.variables["EXTENSION_DESCRIPTION"]
    assert tree.variables["EXTENSION_CONTRIBUTORS"].count("Ünï") == 2
    assert all(path.isascii() and " " not in path for path in tree.files)
    models = [path for path in tree.files if path.endswith(".safetensors")]
    assert [Path(path).name for path in models] == ["Herz-1-2.safetensors", "Herz-1.safetensors"]
    module = (root / NAME / f"{NAME}.py").read_text("utf-8")
    values = [one.value for one in ast.walk(ast.parse(module)) if isinstance(one, ast.Constant)]
    assert about.contributors in values
    assert "Full text @X@." in (root / "LICENSE").read_text("utf-8")
    done = check(root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_licence_names_that_of_every_weights_and_of_their_data(tmp_path: Path) -> None:
    data = [TrainingData("Hearts", "CC-BY-4.0", "https://example.org/hearts", 3).__dict__]
    put(tmp_path / "new", name="heart", licence="CC-BY-SA-4.0", training_data=data)
    store = Store([tmp_path / "new"])
    root = write_extension(["heart", "ct-torso"], About(NAME), tmp_path / "x", store).root
    text = (root / "LICENSE").read_text("utf-8")
    assert "heart, version 1: CC-BY-SA-4.0" in text and "https://example.org/hearts" in text
    assert "ct-torso, version 1: Apache-2.0" in text
    assert text == (root / NAME / "Resources" / "Models" / "LICENSE.txt").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["", "weights", "My Weights", "Üb", "A", "../X", "1Weights", "A" * 65, "ContrastiveSeg"]
)
def test_a_name_that_no_module_can_have_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(
        capsys, "weights", "pack", "ct-torso", "--as-extension", name, "--output", tmp_path / "x"
    )
    assert status == 2 and "cannot be called" in err and not (tmp_path / "x").exists()


def test_a_name_that_the_panel_would_not_find_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(
        capsys, "weights", "pack", "ct-torso", "--as-extension", "MyWeights", "--output", tmp_path / "x"
    )
    assert status == 0 and "begins with ContrastiveSegWeights" in err.replace("\n", " ")


def test_the_empty_folder_one_is_in_will_do(
    tmp_path: Path, a_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    packed = write_extension(["ct-torso"], About(NAME), Path("."), a_store)
    assert packed.root == tmp_path / "x" and (tmp_path / "x" / "CMakeLists.txt").is_file()


def test_what_is_there_already_is_left_alone(tmp_path: Path, a_store: Store) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").write_text("precious", "utf-8")
    with pytest.raises(ContrastiveSegError) as refused:
        write_extension(["ct-torso"], About(NAME), tmp_path / "x", a_store)
    assert refused.value.code == "extension-exists"
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["mine"]


def test_damaged_weights_are_not_packed_and_nothing_half_is_left(tmp_path: Path) -> None:
    put(tmp_path / "new", name="heart", sha256="0" * 64)
    with pytest.raises(ContrastiveSegError) as refused:
        write_extension(["ct-torso", "heart"], About(NAME), tmp_path / "x", Store([tmp_path / "new"]))
    assert refused.value.code == "wrong-sha256"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, a_store: Store) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ContrastiveSegError) as refused:
        write_extension(["ct-torso"], About(NAME), tmp_path / "file" / "x", a_store)
    assert refused.value.code == "no-write-permission"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_licence_file_that_cannot_be_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(
        capsys,
        *("weights", "pack", "ct-torso", "--as-extension", NAME, "--output", tmp_path / "x"),
        *("--licence-file", tmp_path / "gone"),
    )
    assert status == 2 and "gone" in err and not (tmp_path / "x").exists()
