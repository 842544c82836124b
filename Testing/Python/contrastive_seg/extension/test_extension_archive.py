"""The archive for Install from file: exactly what Slicer's macros would install, and it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from archives import unpack
from command_line import call
from project_tree import ROOT

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.extension.archive import Application, build_archive, origin_of
from contrastive_seg.extension.cmake_files import read_tree
from contrastive_seg.extension.tree import About, write_extension
from contrastive_seg.weights.store import Store

NAME = "ContrastiveSegWeightsTorso"
LINUX = Application("5.12.1", "34045", "linux")
SCRIPTED = "lib/Slicer-5.12/qt-scripted-modules"

STUB = """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(one ${MY_SCRIPTS} ${MY_RESOURCES})
    file(APPEND "${CMAKE_BINARY_DIR}/files.txt" "${one}\\n")
  endforeach()
  file(APPEND "${CMAKE_BINARY_DIR}/said.txt" "${PROJECT_NAME}\\n${EXTENSION_DESCRIPTION}\\n")
  file(APPEND "${CMAKE_BINARY_DIR}/said.txt" "${EXTENSION_DEPENDS}\\n${EXTENSION_ICONURL}\\n")
endmacro()
macro(slicer_add_python_unittest)
endmacro()
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
"""


@pytest.fixture
def a_weights_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of one."""
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(tmp_path / "home"))
    return write_extension(["ct-torso"], About(NAME), tmp_path / "source ü", Store()).root


def names_of(archive: Path) -> list[str]:
    if archive.suffix == ".zip":
        return zipfile.ZipFile(archive).namelist()
    with tarfile.open(archive) as opened:
        return opened.getnames()


def installed(archive: Path, folder: Path) -> Path:
    """Unpacks as the Extensions Manager does: without the folder that is called as the archive."""
    unpack(archive, folder)
    (top,) = folder.iterdir()
    return top


@pytest.mark.parametrize("extension", [ROOT, NAME])
def test_the_archive_holds_the_listed_files_and_the_description_and_nothing_else(
    extension: Path | str, a_weights_extension: Path, tmp_path: Path
) -> None:
    source = a_weights_extension if extension == NAME else ROOT
    archive = build_archive(source, tmp_path / "out", LINUX)
    tree = read_tree(source)
    top = archive.name.removesuffix(".tar.gz")
    expected = [f"{top}/share/Slicer-5.12/{tree.name}.s4ext"]
    expected += [f"{top}/{SCRIPTED}/{path}" for path in tree.files]
    names = names_of(archive)
    assert sorted(names) == sorted(expected) and names[0] == expected[0]
    content = installed(archive, tmp_path / "installed") / SCRIPTED
    assert all((content / path).read_bytes() == one.read_bytes() for path, one in tree.files.items())


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed.")
@pytest.mark.parametrize("extension", [ROOT, NAME])
def test_the_lists_are_read_as_cmake_reads_them(
    extension: Path | str, a_weights_extension: Path, tmp_path: Path
) -> None:
    source = a_weights_extension if extension == NAME else ROOT
    (tmp_path / "slicer").mkdir()
    (tmp_path / "slicer" / "SlicerConfig.cmake").write_text(STUB, "utf-8")
    (tmp_path / "slicer" / "empty.cmake").write_text("", "utf-8")
    command = ["cmake", "-S", source, "-B", tmp_path / "build", f"-DSlicer_DIR={tmp_path / 'slicer'}"]
    command += ["-DBUILD_TESTING=ON", "-DCMAKE_C_COMPILER_WORKS=1", "-DCMAKE_CXX_COMPILER_WORKS=1"]
    no_compiler = {**os.environ, "CC": "true", "CXX": "true"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, encoding="utf-8", check=False, env=no_compiler
    )
    if "files.txt" not in os.listdir(tmp_path / "build"):
        pytest.skip(f"CMake does not run here: {done.stderr[-300:]}")
    tree = read_tree(source)
    assert (tmp_path / "build" / "files.txt").read_text("utf-8").splitlines() == list(tree.files)
    said = (tmp_path / "build" / "said.txt").read_text("utf-8").splitlines()
    known = [tree.variables[f"EXTENSION_{one}"] for one in ("DESCRIPTION", "DEPENDS", "ICONURL")]
    assert said == [tree.name, *known]


def test_the_description_says_what_slicers_generator_writes(
    a_weights_extension: Path, tmp_path: Path
) -> None:
    top = installed(build_archive(a_weights_extension, tmp_path / "out", LINUX), tmp_path / "installed")
    text = (top / "share" / "Slicer-5.12" / f"{NAME}.s4ext").read_text("utf-8")
    said = dict(line.split(" ", 1) for line in text.splitlines())
    assert said["scm"] == "local" and said["scmurl"] == "NA" and said["depends"] == "NA"
    assert said["category"] == "Segmentation" and said["tier"] == "1" and said["enabled"] == "1"
    assert said["description"].startswith("Pretrained weights") and "Abdomen" in said["description"]
    assert said["homepage"] == f"https://github.com/ContrastiveSeg/Slicer{NAME}"
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("system", "inside", "suffix"),
    [
        ("linux", "", ".tar.gz"),
        ("win", "", ".zip"),
        ("macosx", f"Slicer.app/Contents/Extensions-34045/{NAME}/", ".tar.gz"),
    ],
)
def test_each_system_gets_its_own_layout(
    a_weights_extension: Path, tmp_path: Path, system: str, inside: str, suffix: str
) -> None:
    archive = build_archive(a_weights_extension, tmp_path, Application("5.10", "34045", system, "arm64"))
    assert archive.name == f"34045-{system}-arm64-{NAME}-localNA-NA{suffix}"
    top = archive.name.removesuffix(suffix)
    names = names_of(archive)
    assert f"{top}/{inside}share/Slicer-5.10/{NAME}.s4ext" in names
    assert f"{top}/{inside}lib/Slicer-5.10/qt-scripted-modules/{NAME}.py" in names


def test_the_same_source_gives_the_same_archive(a_weights_extension: Path, tmp_path: Path) -> None:
    first, second = (build_archive(a_weights_extension, tmp_path / name, LINUX) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    (a_weights_extension / NAME / "unlisted.py").write_text("", "utf-8")
    assert build_archive(a_weights_extension, tmp_path / "c", LINUX).read_bytes() == first.read_bytes()


def test_a_checkout_is_named_by_its_commit_and_its_secrets_stay_at_home(
    a_weights_extension: Path, tmp_path: Path
) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "DOC: x"]):
        subprocess.run([*git, *command], cwd=a_weights_extension, check=True, capture_output=True)
    assert origin_of(a_weights_extension).url == "NA"
    for remote, shown in {
        "https://user:secret@example.org/x.git": "https://example.org/x.git",
        "git@example.org:team/x.git": "https://example.org/team/x.git",
        str(tmp_path): "NA",
    }.items():
        subprocess.run(["git", "config", "remote.origin.url", remote], cwd=a_weights_extension, check=True)
        origin = origin_of(a_weights_extension)
        assert origin.url == shown and origin.kind == "git" and len(origin.revision) == 7
    archive = build_archive(a_weights_extension, tmp_path / "out", LINUX)
    assert f"{NAME}-git{origin.revision}-{origin.date}" in archive.name


def test_a_listed_file_that_is_missing_is_refused(a_weights_extension: Path, tmp_path: Path) -> None:
    (a_weights_extension / NAME / "Resources" / "Models" / "ct-torso.card.json").unlink()
    with pytest.raises(ContrastiveSegError, match=r"lists 'Resources/Models/ct-torso\.card\.json'"):
        build_archive(a_weights_extension, tmp_path / "out", LINUX)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("if(WIN32)\nset(A b)\nendif()", "a condition"),
        ("foreach(a b)\nendforeach()", "foreach"),
        ("slicerMacroBuildLoadableModule(NAME X)", "slicerMacroBuildLoadableModule"),
        ("set(A (b))", "brackets"),
        ('set(A "b', "not understood"),
        ("set(A b", "not closed"),
        ("add_subdirectory(Gone)", "cannot be read"),
        ("slicerMacroBuildScriptedModule(NAME A NAME B)", "no name"),
        ("slicerMacroBuildScriptedModule(NAME A SCRIPTS ../CMakeLists.txt)", "no file of the module"),
    ],
)
def test_what_is_not_understood_without_cmake_is_refused(
    a_weights_extension: Path, tmp_path: Path, line: str, reason: str
) -> None:
    cmake = a_weights_extension / "CMakeLists.txt"
    cmake.write_text(cmake.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(ContrastiveSegError, match=reason) as refused:
        build_archive(a_weights_extension, tmp_path / "out", LINUX)
    assert refused.value.code == "bad-extension"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("five", "34045", "linux", "amd64"), "'five'"),
        (("5.12", "../x", "linux", "amd64"), "'../x'"),
        (("5.12", "34045", "beos", "amd64"), "'beos'"),
        (("5.12", "34045", "linux", "a b"), "'a b'"),
    ],
)
def test_an_application_that_cannot_be_is_refused(arguments: tuple[str, str, str, str], named: str) -> None:
    with pytest.raises(ContrastiveSegError) as refused:
        Application(*arguments)
    assert named in refused.value.sentence


def test_the_command_and_the_script_make_the_archive(
    a_weights_extension: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--output",
        tmp_path / "a",
        "--slicer-version",
        "5.12",
        "--slicer-revision",
        "1",
        "--os",
        "linux",
    ]
    status, out, _ = call(capsys, "weights", "archive", a_weights_extension, *options)
    (archive,) = (tmp_path / "a").iterdir()
    assert status == 0 and archive.name in out.replace("\n", "")
    script = [sys.executable, ROOT / "Testing" / "Tools" / "build_extension_archive.py", a_weights_extension]
    options[1] = tmp_path / "b"
    done = subprocess.run(
        [*map(str, [*script, *options])], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b" / archive.name).read_bytes() == archive.read_bytes()
    options[-1] = "beos"
    done = subprocess.run(
        [*map(str, [*script, *options])], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2 and "beos" in done.stderr and "Traceback" not in done.stderr
