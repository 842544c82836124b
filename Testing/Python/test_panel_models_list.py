"""The list of all weights in the section Models, and more of them from the extension server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import slicer
import slicer.util
from project_tree import ROOT
from scene_parts import tip_of, wait_until

from contrastive_seg.extension.archive import Application, build_archive
from contrastive_seg.extension.tree import About, write_extension
from contrastive_seg.weights.archive import export_weights
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import write_pair
from contrastive_seg.weights.resolver import Resolver
from contrastive_seg.weights.store import Store
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsExtensions import WeightsExtensions
from ContrastiveSegLib.WeightsFolders import SETTING, WeightsFolders
from ContrastiveSegLib.WorkerProcess import WorkerProcess
from slicer_harness import in_application

STARTERS = ["ct-torso", "mr-brain", "mr-hippocampus", "us-fetal-head"]
HEART = "ContrastiveSegWeightsHeart"


@pytest.fixture
def a_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own weights: the setting of the application names the folder."""
    monkeypatch.delenv("CONTRASTIVE_SEG_MODELS", raising=False)
    monkeypatch.delenv("CONTRASTIVE_SEG_MODEL_PATH", raising=False)
    slicer.app.userSettings().setValue(SETTING, str(tmp_path / "Models ü"))
    (tmp_path / "Models ü").mkdir()
    yield tmp_path / "Models ü"
    slicer.app.userSettings().remove(SETTING)


@pytest.fixture
def a_server(tmp_path: Path) -> Iterator[Any]:
    """The Extensions Manager with nothing installed, and without network until a test gives it some."""
    if in_application():
        pytest.skip("the application's own Extensions Manager is not filled for a test")
    model = slicer.app.extensionsManagerModel()
    model._folder, model._server, model._url = tmp_path / "Extensions 1", None, "https://extensions.example"
    model._installed, model._disabled, model._tasks, model._metadata = [], set(), [], {}
    yield model
    model._installed, model._server = [], None
    slicer.app.moduleManager().factoryManager().searchPaths = ()


@pytest.fixture
def an_archive(tmp_path: Path) -> Path:
    """A real weights extension, as the server has it."""
    put(tmp_path / "made", "heart", version="3")
    write_extension(["heart"], About(HEART), tmp_path / "source", Store([tmp_path / "made"]))
    return build_archive(tmp_path / "source", tmp_path, Application("5.13", "1", "linux"))


def put(folder: Path, name: str, version: str = "1") -> None:
    """A starter under another name and version."""
    found = Store().find("ct-torso")
    card = WeightCard.from_dict({**found.card.to_dict(), "name": name, "version": version})
    write_pair(folder / f"{name}-{version}.safetensors", found.path.read_bytes(), card)


def opened(widget: Any) -> Any:
    """The section, unfolded."""
    widget.ui.modelsCollapsibleButton.collapsed = False
    return next(one for one in widget.panel.sections if type(one).__name__ == "ModelsSection")


def rows(widget: Any) -> list[list[str]]:
    table = widget.ui.modelsTable
    return [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount)]


def choices(widget: Any) -> list[str]:
    box = widget.ui.weightsSelector
    return [str(box.itemData(index) or "") for index in range(box.count)]


def offered(widget: Any) -> list[str]:
    box = widget.ui.moreWeightsSelector
    return [box.itemText(index) for index in range(box.count)]


def said(widget: Any) -> str:
    return str(widget.ui.moreWeightsLabel.text)


def test_the_list_names_every_source_and_what_a_newer_version_replaces(
    a_models_folder, a_server, a_panel, tmp_path
):
    put(a_models_folder, "ct-torso", "2")
    put(a_models_folder, "mine")
    put(tmp_path / "Extension" / "Resources" / "Models", "mine", "1.1")
    slicer.app.moduleManager().factoryManager().searchPaths = (str(tmp_path / "Extension"), str(tmp_path))
    opened(a_panel)
    assert rows(a_panel) == [
        ["ct-torso", "2", "your own"],
        ["mine", "1 (not used)", "your own"],
        ["mine", "1.1", "extension Extension"],
        ["ct-torso", "1 (not used)", "ContrastiveSeg"],
        *([name, "1", "ContrastiveSeg"] for name in STARTERS[1:]),
    ]
    a_panel.ui.modelsTable.setCurrentCell(3, 0)
    details = a_panel.ui.modelDetailsLabel.text
    assert "Not used: version 2 from your own is newer." in details
    assert "Licence: Apache-2.0" in details and "2.4 MB" in details and "Images: CT, Abdomen" in details
    assert not a_panel.ui.deleteModelButton.enabled
    a_panel.ui.modelsTable.selectRow(0)
    assert "Used. Replaces version 1 from ContrastiveSeg." in a_panel.ui.modelDetailsLabel.text
    table = a_panel.ui.modelsTable
    italic = [table.item(row, 0).font().italic() for row in range(table.rowCount)]
    assert italic == [False, True, False, True, False, False, False]
    a_panel.enter()
    assert choices(a_panel) == ["", "ct-torso", "mine", *STARTERS[1:]]


def test_what_can_be_downloaded_stands_in_the_same_list(a_models_folder, a_server, a_panel, monkeypatch):
    card = WeightCard.from_dict({**Store().find("ct-torso").card.to_dict(), "version": "7"})
    offer = SimpleNamespace(
        id=card.name, version="7", size=3_000_000, licence="CC0-1.0", sha256=card.sha256, card=card
    )
    made = Resolver.__init__
    monkeypatch.setattr(Resolver, "__init__", lambda self, store=None, offers=(): made(self, store, [offer]))
    opened(a_panel)
    assert rows(a_panel)[-1] == ["ct-torso", "7", "not downloaded yet"]
    assert ["ct-torso", "1", "ContrastiveSeg"] in rows(a_panel)
    a_panel.ui.modelsTable.setCurrentCell(len(STARTERS), 0)
    details = a_panel.ui.modelDetailsLabel.text
    assert "Not downloaded yet." in details and "3.0 MB" in details and "Licence: CC0-1.0" in details
    assert "not on this computer" in tip_of(a_panel.ui.deleteModelButton)
    a_panel.enter()
    assert choices(a_panel) == ["", *STARTERS]


def test_the_section_is_folded_at_first_and_nothing_is_read(a_models_folder, a_server, a_panel):
    section = next(one for one in a_panel.panel.sections if type(one).__name__ == "ModelsSection")
    a_panel.enter()
    assert a_panel.ui.modelsCollapsibleButton.collapsed
    assert not a_panel.ui.modelsContents.visible
    assert section.entries == [] and not section.checking.isBusy
    opened(a_panel)
    assert section.entries and section.checking.isBusy
    a_panel.exit()
    assert not section.checking.isBusy
    section.fill()  # as when a download ends meanwhile
    assert section.entries and not section.checking.isBusy


def test_files_are_checked_while_the_panel_stays_responsive(a_models_folder, a_server, a_panel):
    put(a_models_folder, "good")
    put(a_models_folder, "bad")
    damaged = a_models_folder / "bad-1.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    section = opened(a_panel)
    assert {one.checksum for one in section.entries} == {"not yet checked"}
    wait_until(lambda: not section.checking.isBusy)
    assert {one.name: one.checksum for one in section.entries} == {
        "bad": "wrong",
        **dict.fromkeys(["good", *STARTERS], "checked"),
    }
    wait_until(lambda: (a_models_folder / ".checked.json").is_file())
    a_panel.ui.modelsTable.setCurrentCell(0, 0)
    assert "changed or damaged" in a_panel.ui.modelDetailsLabel.text
    assert rows(a_panel)[0] == ["bad", "1 (damaged)", "your own"]
    a_panel.ui.modelsTable.selectRow(1)
    assert "unchanged, as its card says" in a_panel.ui.modelDetailsLabel.text
    a_panel.enter()
    a_panel.ui.weightsSelector.setCurrentIndex(1 + choices(a_panel)[1:].index("good"))
    assert "SHA256 checked" in tip_of(a_panel.ui.weightsSelector)


def test_more_weights_are_found_installed_after_asking_and_used_at_once(
    a_models_folder, a_server, a_panel, an_archive, monkeypatch
):
    a_server._server = {
        HEART: (an_archive, "For <b>hearts</b>.<br>New."),
        "SlicerHeart": (an_archive, "Not ours."),
    }
    asked = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *_: asked.append(text) or True)
    opened(a_panel)
    assert not a_panel.ui.installWeightsButton.visible
    a_panel.ui.moreWeightsButton.click()
    assert not a_panel.ui.moreWeightsButton.enabled and "asked" in tip_of(a_panel.ui.moreWeightsButton)
    wait_until(lambda: offered(a_panel) == ["Heart"])
    assert said(a_panel) == f"{HEART}: For hearts . New." and len(rows(a_panel)) == 4
    assert a_panel.ui.installWeightsButton.enabled and "heart" not in choices(a_panel)
    a_panel.ui.installWeightsButton.click()
    assert "For hearts . New." in asked[0] and "extensions.example" in asked[0]
    assert "Installing" in said(a_panel)
    wait_until(lambda: "is installed" in said(a_panel))
    assert ["heart", "3", "extension Heart"] in rows(a_panel) and "heart" in choices(a_panel)
    assert offered(a_panel) == [] and not a_panel.ui.installWeightsButton.visible
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: "has no weights" in said(a_panel))


def test_weights_that_are_installed_from_elsewhere_do_not_wake_a_hidden_panel(
    a_models_folder, a_server, a_panel, an_archive
):
    opened(a_panel)
    editor = next(one.editor for one in a_panel.panel.sections if hasattr(one, "editor"))
    a_panel.exit()
    assert not editor._watchesViews
    assert a_server.installExtension(str(an_archive))  # as the Extensions Manager does in any module
    assert not editor._watchesViews and not a_panel.panel.selectors.isActive
    a_panel.enter()
    assert ["heart", "3", "extension Heart"] in rows(a_panel) and "heart" in choices(a_panel)


def test_nothing_is_installed_without_consent(a_models_folder, a_server, a_panel, an_archive, monkeypatch):
    a_server._server = {HEART: (an_archive, "")}
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: False)
    opened(a_panel)
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: offered(a_panel) == ["Heart"])
    a_panel.ui.installWeightsButton.click()
    assert a_server._installed == [] and a_server._tasks == []
    assert a_panel.ui.installWeightsButton.enabled and a_panel.ui.moreWeightsButton.enabled


def test_without_network_a_sentence_says_what_else_can_be_done(a_models_folder, a_server, a_panel):
    opened(a_panel)
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: "cannot be reached" in said(a_panel))
    assert "from a file" in said(a_panel) and str(a_models_folder) in said(a_panel)
    assert a_panel.ui.moreWeightsButton.enabled
    a_server._url = ""
    a_panel.ui.moreWeightsButton.click()
    assert "No extension server is set" in said(a_panel) and a_panel.ui.moreWeightsButton.enabled


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_failed_installation_is_told(a_models_folder, a_server, a_panel, an_archive, monkeypatch, content):
    a_server._server = {HEART: (an_archive, "")}
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: True)
    opened(a_panel)
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: offered(a_panel) == ["Heart"])
    if content is None:
        an_archive.unlink()
    else:
        an_archive.write_bytes(content)
    a_panel.ui.installWeightsButton.click()
    wait_until(lambda: "could not be installed" in said(a_panel))
    assert a_panel.ui.installWeightsButton.enabled and "heart" not in choices(a_panel)


def test_the_network_may_go_between_listing_and_download(
    a_models_folder, a_server, a_panel, an_archive, monkeypatch
):
    a_server._server = {HEART: (an_archive, "")}
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_: True)
    opened(a_panel)
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: offered(a_panel) == ["Heart"])
    a_server._server = None
    a_panel.ui.installWeightsButton.click()
    assert "could not be started" in said(a_panel) and a_panel.ui.moreWeightsButton.enabled


@pytest.mark.parametrize("text", ["", "[]", "3", "{"])
def test_an_answer_that_cannot_be_read_is_told(a_models_folder, a_server, a_panel, monkeypatch, text):
    a_server._server = {}
    written = Path.write_text
    monkeypatch.setattr(
        Path,
        "write_text",
        lambda self, content, *rest: written(self, text if "Metadata" in self.name else content),
    )
    opened(a_panel)
    a_panel.ui.moreWeightsButton.click()
    wait_until(lambda: "Asking" not in said(a_panel))
    expected = "has no weights" if text == "[]" else "cannot be read"
    assert expected in said(a_panel) and a_panel.ui.moreWeightsButton.enabled


def test_a_slicer_without_extensions_manager_says_so(a_models_folder, a_server, monkeypatch):
    monkeypatch.setattr(WeightsFolders, "extensionsManager", staticmethod(lambda: None))
    extensions = WeightsExtensions()
    with pytest.raises(UserError, match=r"no Extensions Manager\. Copy weights"):
        extensions.lookUp()
    assert not extensions.isBusy and WeightsFolders.extensions() == []
    extensions.close()


def test_an_extension_that_is_installed_from_a_file_is_found_until_it_is_disabled(
    a_models_folder, a_server, an_archive
):
    assert a_server.installExtension(str(an_archive))
    assert [one.extension for one in WeightsFolders.extensions()] == [HEART]
    assert WeightsFolders.store().find("heart").card.version == "3"
    a_server._disabled = {HEART}
    assert WeightsFolders.extensions() == []


def test_the_same_folder_and_our_own_are_not_listed_twice(a_models_folder, a_server, an_archive):
    a_server.installExtension(str(an_archive))
    installed = a_server.extensionModulePaths(HEART)
    module = Path(__file__).resolve().parents[2] / "ContrastiveSeg"
    slicer.app.moduleManager().factoryManager().searchPaths = (
        *installed,
        *installed,
        str(module),
        "/nowhere",
    )
    assert [one.extension for one in WeightsFolders.extensions()] == [HEART]


def test_child_processes_find_the_same_weights(a_models_folder, a_server, an_archive, monkeypatch):
    a_server.installExtension(str(an_archive))
    environment = WeightsFolders.environment()
    assert environment["CONTRASTIVE_SEG_MODELS"] == str(a_models_folder)
    (theirs,) = environment["CONTRASTIVE_SEG_MODEL_PATH"].split(os.pathsep)
    assert HEART in theirs
    of_worker = WorkerProcess._environment()
    for name, value in environment.items():
        assert of_worker.value(name) == value
        monkeypatch.setenv(name, value)
    assert Store().find("heart").path == WeightsFolders.store().find("heart").path
    assert Store().user == a_models_folder


def test_the_command_line_lists_the_same_as_the_panel(a_models_folder, a_server, a_panel, an_archive):
    put(a_models_folder, "heart", "2")
    a_server.installExtension(str(an_archive))
    opened(a_panel)
    done = subprocess.run(
        ["PythonSlicer", "-m", "contrastive_seg.cli", "weights", "list", "--json"],
        env={**os.environ, **WeightsFolders.environment(), "PYTHONPATH": str(ROOT / "ContrastiveSeg")},
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)["weights"]
    shown = [[one["name"], one["version"], one["extension"]] for one in told if one["used"]]
    assert ["heart", "3", HEART] in shown
    assert [name for name, *_ in rows(a_panel)] == [one["name"] for one in told]


@pytest.mark.parametrize("system", ["linux", "win"])
def test_slicers_own_reader_of_archives_takes_ours(a_server, an_archive, tmp_path, system):
    archive = build_archive(tmp_path / "source", tmp_path / "ü", Application("5.13", "1", system))
    assert a_server.installExtension(str(archive)) and a_server.installedExtensions == [HEART]
    (path,) = a_server.extensionModulePaths(HEART)
    assert (Path(path) / f"{HEART}.py").is_file()


def test_the_environment_wins_over_the_setting(a_models_folder, monkeypatch, tmp_path):
    assert WeightsFolders.user() == a_models_folder
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(tmp_path / "other"))
    assert WeightsFolders.user() == tmp_path / "other"


def test_weights_that_were_copied_by_hand_appear_when_the_panel_is_entered(
    a_models_folder, a_server, a_panel, tmp_path
):
    opened(a_panel)
    assert len(rows(a_panel)) == len(STARTERS)
    export_weights("us-fetal-head", tmp_path / "x.zip")
    export_weights("us-fetal-head", a_models_folder)
    (a_models_folder / "us-fetal-head.card.json").write_text("{", "utf-8")
    a_panel.enter()
    assert rows(a_panel)[0] == ["us-fetal-head", "(not used)", "your own"]
    assert "no JSON" in a_panel.ui.modelsTable.item(0, 0).toolTip()
    assert json.loads(json.dumps(choices(a_panel)))[-1] == "us-fetal-head"


def test_the_list_fits_into_a_narrow_panel(a_models_folder, a_server, a_panel):
    put(a_models_folder, "weights with a very long name that somebody has chosen without mercy")
    opened(a_panel)
    assert a_panel.parent.minimumSizeHint.width() <= 400
