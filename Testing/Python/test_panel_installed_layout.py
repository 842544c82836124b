"""Both extensions from their archives, in the flat layout of an installation, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from archives import unpack
from project_tree import ROOT

from contrastive_seg.extension.archive import Application, build_archive
from contrastive_seg.extension.tree import About, write_extension
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import write_pair
from contrastive_seg.weights.store import Store

pytestmark = pytest.mark.standin

NAME = "ContrastiveSegWeightsHeart"

PROGRAM = """
import json, sys
from pathlib import Path
import slicer_harness
slicer = slicer_harness.install()
from slicer_harness.module_host import load_module

ours, theirs = map(Path, sys.argv[1:3])
slicer.app.moduleManager().factoryManager().searchPaths = (str(ours), str(theirs))
load_module(theirs / "ContrastiveSegWeightsHeart.py")
data = slicer.modules.contrastivesegweightsheart
text = data.widgetRepresentation().self().text.text
import ContrastiveSegWeightsHeart
ContrastiveSegWeightsHeart.ContrastiveSegWeightsHeartTest().runTest()
load_module(ours / "ContrastiveSeg.py")
panel = slicer.modules.contrastiveseg.widgetRepresentation()
panel.enter()
box = panel.self().ui.weightsSelector
panel.self().ui.modelsCollapsibleButton.collapsed = False
table = panel.self().ui.modelsTable
import contrastive_seg
print("told", json.dumps({
    "engine": contrastive_seg.__file__,
    "hidden": data.hidden,
    "text": text,
    "choices": [str(box.itemData(i) or "") for i in range(box.count)],
    "rows": [[table.item(i, k).text() for k in range(3)] for i in range(table.rowCount)],
}), flush=True)
slicer.app.moduleManager().unload("ContrastiveSeg")
slicer_harness.exit_now(0)
"""


def installed(name: str, source: Path, folder: Path) -> Path:
    """The folder of scripted modules that an installation of the archive has."""
    archive = build_archive(source, folder, Application("5.12", "34045", "linux"))
    unpack(archive, folder)
    (folder / archive.name.removesuffix(".tar.gz")).rename(folder / name)
    return folder / name / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def test_both_extensions_work_from_their_archives(tmp_path: Path) -> None:
    found = Store().find("mr-brain")
    assert found.card is not None
    for name, version in (("heart", "1"), ("mr-brain", "2")):
        card = WeightCard.from_dict({**found.card.to_dict(), "name": name, "version": version})
        write_pair(tmp_path / "new" / f"{name}.safetensors", found.path.read_bytes(), card)
    store = Store([tmp_path / "new"])
    source = write_extension(["heart", "mr-brain@2"], About(NAME), tmp_path / "source", store).root
    folder = tmp_path / "Extensions ü"
    ours, theirs = installed("ContrastiveSeg", ROOT, folder), installed(NAME, source, folder)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("CONTRASTIVE_SEG_")},
        "CONTRASTIVE_SEG_MODELS": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "Testing" / "Python"),
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ours), str(theirs)],
        capture_output=True, text=True, encoding="utf-8", env=environment, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("told "))[5:])
    assert told["engine"].startswith(str(ours)) and told["hidden"] is True
    assert "heart 1: MR" in told["text"] and "Licence: CC-BY-4.0" in told["text"]
    assert {"heart", "mr-brain", "ct-torso"} <= set(told["choices"])
    assert ["mr-brain", "2", "extension Heart"] in told["rows"]
    assert ["mr-brain", "1 (not used)", "ContrastiveSeg"] in told["rows"]
