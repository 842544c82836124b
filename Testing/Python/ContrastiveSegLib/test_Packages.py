"""What is there, read from real folders of packages."""

import sys
from pathlib import Path

import pytest

from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.LoadedPackages import LoadedPackages
from ContrastiveSegLib.SetUp.Packages import Packages


@pytest.fixture
def a_folder(tmp_path):
    """Where packages lie, and a function that puts one there."""

    def put(name="tiny", version="1.5", *, code=True, metadata=True, record=True):
        if code:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "__init__.py").write_text("value = 1\n", "utf-8")
        described = tmp_path / f"{name}-{version}.dist-info"
        described.mkdir()
        if metadata:
            (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if record:
            (described / "RECORD").write_text(f"{name}/__init__.py,sha256=x,10\n", "utf-8")
        return Packages([str(tmp_path)])

    return put


@pytest.mark.parametrize(
    ("installed", "condition"),
    [
        ("1.5", Condition.UpToDate),
        ("1.10.2+cu128", Condition.UpToDate),
        ("1.9rc1", Condition.UpToDate),
        ("1.3.9", Condition.TooOld),
        ("2.0", Condition.TooNew),
        ("2.0.1+cpu", Condition.TooNew),
    ],
)
def test_versions_are_compared_with_floor_and_ceiling(a_folder, installed, condition):
    state = a_folder(version=installed).state("tiny>=1.4,<2")
    assert (state.condition, state.installed) == (condition, installed)
    assert state.needed == "1.4 to 1.x" and state.words == condition.value
    assert state.isMet is (condition is Condition.UpToDate)


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("tiny>=1.4", "1.4 or later"),
        ("tiny", "any"),
        ("tiny<2", "below 2"),
        ("tiny>=1,<1.9", "1 to below 1.9"),
    ],
)
def test_what_is_needed_is_said_in_words(a_folder, requirement, words):
    assert a_folder().state(requirement).needed == words


def test_what_is_not_there_is_missing(a_folder):
    assert a_folder().state("other>=1").condition is Condition.Missing


def test_names_are_compared_as_pip_does(a_folder):
    assert a_folder("tiny_thing").state("Tiny-Thing>=1").condition is Condition.UpToDate


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"metadata": False, "record": False}, "broken off half-way"),
        ({"record": False}, "files are missing"),
        ({"code": False}, "files are missing"),
    ],
)
def test_a_half_installed_package_is_broken(a_folder, how, problem):
    state = a_folder(**how).state("tiny>=1")
    assert state.condition is Condition.Broken and problem in state.problem


def test_files_that_a_full_disk_left_empty_are_found(a_folder, tmp_path):
    packages = a_folder()
    (tmp_path / "tiny" / "__init__.py").write_text("")
    assert packages.state("tiny>=1").condition is Condition.Broken


def test_two_versions_in_one_folder_are_broken(a_folder):
    a_folder(version="1.4")
    state = a_folder(version="1.5").state("tiny>=1")
    assert state.condition is Condition.Broken and "two versions" in state.problem


def test_torch_without_its_description_is_broken(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit", "utf-8")
    packages = Packages([str(tmp_path)])
    assert packages.state("torch>=2").condition is Condition.Broken
    assert packages.hasModule("torch")


def test_a_package_replaced_under_the_application_is_named(a_folder):
    import numpy

    newer = a_folder("numpy", "99.1")
    assert LoadedPackages(newer).replaced() == ["numpy"]
    same = Packages([str(Path(numpy.__file__).parents[1])])
    assert "numpy" in sys.modules and LoadedPackages(same).replaced() == []
