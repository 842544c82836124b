"""slicer-core can crash when the interpreter ends; the exit status must be true nevertheless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project_tree import MODULE, ROOT

HERE = ROOT / "Testing" / "Python"

# What is kept alive until the interpreter's end and then crashes, as slicer-core sometimes does.
CRASHES_AT_THE_END = """
import os, sys

class Bomb:
    def __del__(self, abort=os.abort):
        abort()

sys.bomb = Bomb()
"""


def _run_pytest(folder: Path, test: str, *, with_conftest: bool = True) -> subprocess.CompletedProcess[str]:
    """A test run of its own, with this project's conftest, of one file that uses slicer."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow: x\n  gpu: x\n", "utf-8")
    (folder / "test_one.py").write_text(
        "import slicer_harness\nslicer_harness.install()\n" + CRASHES_AT_THE_END + test, "utf-8"
    )
    plugin = ["-p", "conftest"] if with_conftest else []
    path = os.pathsep.join([str(HERE), str(MODULE)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "test_one.py"]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    from slicer_harness.libraries import check_libraries

    try:
        check_libraries()
    except RuntimeError as error:
        pytest.skip(str(error))


def test_a_run_that_passes_and_then_crashes_has_exit_status_0(tmp_path: Path) -> None:
    done = _run_pytest(tmp_path, "def test_passes():\n    assert True\n")
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_run_that_fails_and_then_crashes_has_exit_status_1(tmp_path: Path) -> None:
    done = _run_pytest(tmp_path, "def test_fails():\n    assert False\n")
    assert "1 failed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


def test_a_run_that_crashes_in_the_middle_does_not_look_passed(tmp_path: Path) -> None:
    done = _run_pytest(tmp_path, "def test_crashes():\n    os.abort()\n")
    assert done.returncode not in (0, 1)


def test_without_the_projects_conftest_the_crash_would_be_seen(tmp_path: Path) -> None:
    done = _run_pytest(tmp_path, "def test_passes():\n    assert True\n", with_conftest=False)
    assert "1 passed" in done.stdout
    assert done.returncode == -signal.SIGABRT
