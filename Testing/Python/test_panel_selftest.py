"""The tests that also run inside the application (Reload and Test)."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_self_test_of_the_module_passes(a_scene, a_module, caplog):
    import ContrastiveSeg

    with caplog.at_level(logging.WARNING):
        ContrastiveSeg.ContrastiveSegTest().runTest()
    skipped = [line for line in caplog.messages if "was skipped" in line]
    assert len(skipped) == 1 and "test_sourceTests was skipped" in skipped[0]  # it would run this again


def test_the_module_describes_itself(a_module):
    assert a_module.title == "ContrastiveSeg"
    assert a_module.categories == ("Segmentation",)
    assert "few slices" in a_module.helpText


def test_importing_the_module_loads_nothing_heavy():
    if "PythonSlicer" in sys.executable:
        pytest.skip("inside the application no second one is started")
    here = Path(__file__).resolve().parent
    code = (
        "import slicer_harness; slicer_harness.install(); import sys, ContrastiveSeg;"
        "heavy = {'torch', 'monai', 'ContrastiveSegLib', 'contrastive_seg'} & set(sys.modules);"
        "print(sorted(heavy), flush=True); slicer_harness.exit_now(0)"
    )
    paths = [str(here.parents[1] / "ContrastiveSeg"), str(here)]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_done_when_the_application_starts_loads_nothing_heavy():
    if "PythonSlicer" in sys.executable:
        pytest.skip("inside the application no second one is started")
    here = Path(__file__).resolve().parent
    module = here.parents[1] / "ContrastiveSeg" / "ContrastiveSeg.py"
    code = (
        "import slicer_harness; slicer_harness.install(); import sys; from pathlib import Path;"
        "from slicer_harness.module_host import load_module;"
        "before = set(sys.modules);"
        f"load_module(Path({str(module)!r}));"  # also tells it that the application is up
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names);"
        "print(sorted(new), flush=True); slicer_harness.exit_now(0)"
    )
    paths = [str(module.parent), str(here)]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "['ContrastiveSeg', 'ContrastiveSegLib']"
