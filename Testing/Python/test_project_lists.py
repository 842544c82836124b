"""Lists, names and promises of the project's files agree with each other and with the tree."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import tomllib

import pytest
from project_tree import MODULE, ROOT, tracked_files

sys.path.insert(0, str(ROOT / "Testing" / "Tools"))

import cmake_lists

CMAKE = (MODULE / "CMakeLists.txt").read_text("utf-8")
EXTENSION = (ROOT / "CMakeLists.txt").read_text("utf-8")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "Docs").rglob("*.md"))]


def test_cmake_lists_every_file_of_the_module_and_no_other() -> None:
    wanted = cmake_lists.wanted_lists(cmake_lists.module_files())
    assert cmake_lists.written_lists(CMAKE) == wanted, "Run: make cmake-lists"
    listed = [name for names in wanted.values() for name in names]
    assert len(listed) == len(set(listed))
    assert all((MODULE / name).is_file() for name in listed)


def test_cmake_lists_are_what_git_tracks() -> None:
    tracked = {p.relative_to(MODULE).as_posix() for p in tracked_files() if MODULE in p.parents}
    listed = {name for names in cmake_lists.written_lists(CMAKE).values() for name in names}
    assert listed == tracked - {"CMakeLists.txt"}


def test_the_list_tool_rewrites_a_wrong_list_and_leaves_the_rest() -> None:
    wrong = {"scripts": ["Gone.py"], "resources": []}
    text = cmake_lists.with_lists(CMAKE, wrong)
    assert cmake_lists.written_lists(text) == wrong
    assert cmake_lists.with_lists(text, cmake_lists.written_lists(CMAKE)) == CMAKE


def test_the_engine_the_library_and_the_resources_are_packaged() -> None:
    lists = cmake_lists.written_lists(CMAKE)
    assert lists["scripts"][0] == "ContrastiveSeg.py"
    assert "contrastive_seg/worker/__main__.py" in lists["scripts"]
    assert "ContrastiveSegLib/WorkerProcess.py" in lists["scripts"]
    assert {"Resources/Icons/ContrastiveSeg.png", "Resources/requirements.txt"} <= set(lists["resources"])


def test_the_extension_says_what_slicers_catalogue_asks_for() -> None:
    said = dict(re.findall(r'^set\((EXTENSION_\w+) "([^"]*)"\)', EXTENSION, re.MULTILINE))
    assert said["EXTENSION_HOMEPAGE"].rsplit("/", 1)[-1].startswith("Slicer")
    assert said["EXTENSION_CONTRIBUTORS"] and len(said["EXTENSION_DESCRIPTION"]) > 80
    assert said.get("EXTENSION_DEPENDS") == "PyTorch" or 'EXTENSION_DEPENDS "PyTorch"' in EXTENSION
    assert "## NEXT_MODULE" in EXTENSION
    for url in [said["EXTENSION_ICONURL"], *said["EXTENSION_SCREENSHOTURLS"].split()]:
        path = url.partition("/main/")[2]
        assert path.endswith((".png", ".jpg")) and (ROOT / path).is_file(), url


def test_the_catalogue_entry_obeys_schema_1_0_1() -> None:
    entry = json.loads((ROOT / "ContrastiveSeg.json").read_text("utf-8"))
    types = {
        "$schema": str,
        "category": str,
        "scm_url": str,
        "scm_revision": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "tier": int,
    }
    assert {key: type(value) for key, value in entry.items()} == types
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["category"] == "Segmentation"
    assert entry["build_dependencies"] == ["PyTorch"]
    assert 1 <= entry["tier"] <= 5
    homepage = re.search(r'EXTENSION_HOMEPAGE "([^"]*)"', EXTENSION)
    assert homepage and entry["scm_url"] == f"{homepage[1]}.git"


@pytest.mark.parametrize("place", ["Resources", "ContrastiveSeg/Resources/Icons"])
def test_the_icon_has_128_by_128_pixels_with_transparency(place: str) -> None:
    content = (ROOT / place / "ContrastiveSeg.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    assert (width, height, depth, colour) == (128, 128, 8, 6)  # 6: RGBA


def test_the_licence_is_apache_2_everywhere() -> None:
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence and "Version 2.0, January 2004" in licence
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert "Apache-2.0" in str(project["license"])
    assert "Apache" in (ROOT / "README.md").read_text("utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    import contrastive_seg

    version = contrastive_seg.__version__
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert newest and newest[1] == version
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "contrastive_seg.__version__"}


def test_the_checkout_is_small_enough_for_the_catalogue() -> None:
    sizes = {path: path.stat().st_size for path in tracked_files()}
    assert sum(sizes.values()) < 20_000_000
    # Starter weights have a limit of their own, in weights/test_starter_weights.py.
    others = {path: size for path, size in sizes.items() if path.parent.name != "Models"}
    assert {path.name for path, size in others.items() if size > 2_000_000} == set()


def test_the_commands_in_the_documents_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"demo", "test", "test-slow", "lint", "cmake-lists", "clean", "help"} <= targets
    named = {
        (path.name, word)
        for path in DOCUMENTS
        for word in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {("README.md", "demo"), ("README.md", "test")} <= named
    assert {(name, word) for name, word in named if word not in targets} == set()


def test_links_and_pictures_of_the_documents_exist() -> None:
    broken = []
    for path in DOCUMENTS:
        text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name) if name else path
            if not target.exists():
                broken.append(f"{path.name}: {link}")
            elif anchor and anchor not in _anchors(target.read_text("utf-8")):
                broken.append(f"{path.name}: {link} (no such heading)")
    assert not broken


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_command_line_of_the_readme_exists() -> None:
    from typer.main import get_command

    from contrastive_seg.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    text = (ROOT / "README.md").read_text("utf-8").replace("\\\n", " ")
    used = re.findall(r"^\s*(?:\$ )?contrastive-seg ([a-z-]+)(.*)$", text, re.MULTILINE)
    assert {"finetune", "predict", "evaluate"} <= {name for name, _ in used}
    for name, arguments in used:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        unknown = set(re.findall(r"--[a-z][a-z-]*", arguments)) - options
        assert not unknown, f"contrastive-seg {name} has no {unknown}"


def test_ci_runs_the_commands_that_are_run_at_home() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    called = set(re.findall(r"^make ([a-z-]+)", script.read_text("utf-8"), re.MULTILINE))
    assert called == {"lint", "test"}


def test_packages_of_the_constraints_are_pinned_once() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", pin) for pin in pins)
    names = [re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins]
    assert len(names) == len(set(names))
    assert {"torch", "monai", "numpy", "slicer-core", "vtk", "pytest", "ruff", "mypy"} <= set(names)
