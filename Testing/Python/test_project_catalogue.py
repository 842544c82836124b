"""The checks of Slicer's catalogue: this project passes, and each kind of mistake is found."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import ROOT

from contrastive_seg.extension.tree import About, write_extension
from contrastive_seg.weights.store import Store

sys.path.insert(0, str(ROOT / "Testing"))

import check_catalogue

NAME = "ContrastiveSegWeightsTorso"
MODULE = f"{NAME}/{NAME}.py"


@pytest.fixture(scope="module")
def a_right_extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the catalogue would take."""
    folder = tmp_path_factory.mktemp("extension")
    return write_extension(["us-fetal-head"], About(NAME), folder / "right", Store(user=folder)).root


@pytest.fixture
def an_extension(a_right_extension: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(a_right_extension, tmp_path / "copy"))


def test_this_project_passes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "Testing" / "check_catalogue.py")],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_right_extension_passes(an_extension: Path) -> None:
    assert check_catalogue.problems(an_extension) == []


def test_a_checkout_that_is_too_large_is_found(an_extension: Path) -> None:
    with (an_extension / "large.bin").open("wb") as file:
        file.truncate(100_000_001)
    assert any("100 MB at most" in one for one in check_catalogue.problems(an_extension))


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("CMakeLists.txt", "## NEXT_MODULE\n", "", "lacks '## NEXT_MODULE'"),
        ("CMakeLists.txt", "find_package(Slicer REQUIRED)", "", "lacks 'find_package(Slicer REQUIRED)'"),
        ("CMakeLists.txt", 'set(EXTENSION_CONTRIBUTORS "C', 'set(X "C', "does not set EXTENSION_CONTR"),
        ("CMakeLists.txt", "painted slices. They", "painted slices; They", "semicolon"),
        ("CMakeLists.txt", "Pretrained weights", "<b>Pretrained</b> weights", "plain text"),
        ("CMakeLists.txt", 'ICONURL "https', 'ICONURL "http', "not the https address of a picture"),
        ("CMakeLists.txt", f"/main/{NAME}.png", "/main/gone.png", "gone.png, which is not in the repo"),
        ("CMakeLists.txt", f"{NAME}.png", f"{NAME}.svg", "of a picture (png)"),
        ("CMakeLists.txt", 'DEPENDS "NA"', 'DEPENDS "PyTorch"', "build_dependencies"),
        (f"{NAME}/CMakeLists.txt", "  Resources/Models/LICENSE.txt\n", "", "LICENSE.txt is not listed"),
        (f"{NAME}/CMakeLists.txt", f"  Resources/Icons/{NAME}.png\n", "", "has no icon"),
        (f"{NAME}/CMakeLists.txt", "LICENSE.txt", "LICENCE.txt", "which is no file of the module"),
        (MODULE, "import qt", "import qt\nimport torch", "imports torch at file scope"),
        (MODULE, "import qt", "import qt\nprint(qt)", "executed at file scope"),
        (MODULE, "import qt", "import qt\nFOLDER = os.getcwd()", "executed at file scope"),
        (MODULE, "import qt", "import qt (", "is not Python"),
        ("README.md", "![Icon]", "[Icon]", "has no picture"),
        ("README.md", "itation", "ontact", "how to cite"),
        (f"{NAME}.json", '"tier": 1', '"tier": 6', "must be 1 to 5"),
        (f"{NAME}.json", '"tier": 1', '"tier": true', "wrong type"),
        (f"{NAME}.json", '"tier": 1', '"teir": 1', "does not know"),
        (f"{NAME}.json", "v1.0.1", "v1.0.0", "not version 1.0.1"),
        (f"{NAME}.json", "/Slicer" + NAME, "/" + NAME, "begins with Slicer"),
        (f"{NAME}.json", "https://github", "git@github", "not an https address"),
        (f"{NAME}.json", "{", "[", "cannot be read"),
    ],
)
def test_each_mistake_is_found(an_extension: Path, name: str, before: str, after: str, told: str) -> None:
    text = (an_extension / name).read_text("utf-8")
    if after == "ontact":
        text = text.replace("Cite", "See")
    assert before in text
    (an_extension / name).write_text(text.replace(before, after), "utf-8")
    found = check_catalogue.problems(an_extension)
    assert any(told in one for one in found), found


@pytest.mark.parametrize(
    ("gone", "told"),
    [("LICENSE", "no LICENSE"), ("README.md", "no README.md"), (f"{NAME}.json", "cannot be read")],
)
def test_a_missing_document_is_found(an_extension: Path, gone: str, told: str) -> None:
    (an_extension / gone).unlink()
    assert any(told in one for one in check_catalogue.problems(an_extension))


def test_an_icon_of_another_size_is_found(an_extension: Path) -> None:
    icon = an_extension / f"{NAME}.png"
    data = bytearray(icon.read_bytes())
    data[19] = 64
    icon.write_bytes(data)
    assert check_catalogue.problems(an_extension) == [f"{NAME}.png is not a PNG of 128 x 128 pixels in RGBA."]


def test_packages_and_requirements_that_disturb_others_are_found(an_extension: Path) -> None:
    module = an_extension / NAME
    (module / "utils").mkdir()
    (module / "utils" / "more.py").write_text("import slicer, monai\npip_install('torch')\n", "utf-8")
    (module / "Resources" / "requirements.txt").write_text("torch>=2\nnumpy==1\n", "utf-8")
    cmake = module / "CMakeLists.txt"
    text = cmake.read_text("utf-8").replace("${MODULE_NAME}.py\n", "${MODULE_NAME}.py\n  utils/more.py\n", 1)
    cmake.write_text(text.replace("RESOURCES\n", "RESOURCES\n  Resources/requirements.txt\n", 1), "utf-8")
    found = " ".join(check_catalogue.problems(an_extension))
    for told in ("'utils' is too common", "imports monai", "asks for torch", "numpy==1", "installs torch"):
        assert told in found


def test_a_folder_without_an_extension_is_told_in_a_sentence(tmp_path: Path) -> None:
    (found,) = check_catalogue.problems(tmp_path)
    assert "CMakeLists.txt" in found and "Traceback" not in found


def test_the_entry_must_be_an_object(an_extension: Path) -> None:
    (an_extension / f"{NAME}.json").write_text(json.dumps([1]), "utf-8")
    assert f"{NAME}.json is no JSON object." in check_catalogue.problems(an_extension)
