"""The section Models: the list of weights, import and delete, export, pretraining; with real children."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from command_line import run_command
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_volume, is_alive, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.Panels.ExportSection import ExportSection
from ContrastiveSegLib.Panels.ModelsSection import ModelsSection
from ContrastiveSegLib.Panels.PretrainingSection import PretrainingSection
from ContrastiveSegLib.PretrainingFolder import PretrainingFolder
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.WeightsFolders import SETTING, WeightsFolders

STARTERS = Path(__file__).resolve().parents[2] / "ContrastiveSeg" / "Resources" / "Models"
SHAPE = (20, 40, 48)
SMALL = ["--width", "4", "--size", "64", "--batch", "8", "--device", "cpu", "--threads", "1"]


@pytest.fixture
def a_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own weights: one of the starters under another name."""
    folder = tmp_path / "Models ü"
    folder.mkdir()
    copy_weights(folder, "mine")
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(folder))
    return folder


@pytest.fixture
def some_volumes(tmp_path: Path) -> Path:
    folder = tmp_path / "volumes 患者"
    folder.mkdir()
    for seed in range(2):
        array = np.asarray(two_organs(SHAPE, seed)[0].array)
        sitk.WriteImage(sitk.GetImageFromArray(array), str(folder / f"{seed}.nii.gz"))
    return folder


@pytest.fixture
def no_pretraining() -> Any:
    """No pretraining that another test has left."""
    root = PretrainingFolder.of("x").path.parent
    shutil.rmtree(root, ignore_errors=True)
    yield
    shutil.rmtree(root, ignore_errors=True)


def copy_weights(folder: Path, name: str) -> Path:
    card = json.loads((STARTERS / "mr-brain.card.json").read_text("utf-8"))
    (folder / f"{name}.card.json").write_text(json.dumps({**card, "name": name}), "utf-8")
    return Path(shutil.copy(STARTERS / "mr-brain.safetensors", folder / f"{name}.safetensors"))


def section(widget: Any, kind: type) -> Any:
    return next(one for one in widget.panel.sections if isinstance(one, kind))


def opened(widget: Any) -> ModelsSection:
    widget.ui.modelsCollapsibleButton.collapsed = False
    widget.enter()
    return section(widget, ModelsSection)


def names(widget: Any) -> list[str]:
    table = widget.ui.modelsTable
    return [table.item(row, 0).text() for row in range(table.rowCount)]


def choose(widget: Any, name: str) -> None:
    widget.ui.modelsTable.selectRow(names(widget).index(name))


def offered(widget: Any) -> list[str]:
    box = widget.ui.weightsSelector
    return [str(box.itemData(index)) for index in range(box.count)]


def test_the_list_has_all_weights_and_their_cards_in_plain_words(a_models_folder, a_panel):
    opened(a_panel)
    ui = a_panel.ui
    assert names(a_panel) == ["mine", "ct-torso", "mr-brain", "mr-hippocampus", "us-fetal-head"]
    assert ui.modelDetailsLabel.text == "" and ui.modelDetailsLabel.isHidden()
    assert not ui.deleteModelButton.enabled and "Choose weights" in tip_of(ui.deleteModelButton)
    choose(a_panel, "mr-brain")
    text = ui.modelDetailsLabel.text
    for words in ("Images: MR, Brain", "Licence: CC-BY", "SimCLR", "20 volumes", "from: ContrastiveSeg"):
        assert words in text
    assert "Only weights of your own" in tip_of(ui.deleteModelButton)
    wait_until(lambda: "unchanged" in ui.modelDetailsLabel.text)
    choose(a_panel, "mine")
    assert "your own" in ui.modelDetailsLabel.text and ui.deleteModelButton.enabled


def test_a_changed_file_and_a_missing_card_are_told(a_models_folder, a_panel):
    with (a_models_folder / "mine.safetensors").open("ab") as file:
        file.write(b"more")
    (copy_weights(a_models_folder, "bare")).with_name("bare.card.json").unlink()
    opened(a_panel)
    choose(a_panel, "mine")
    wait_until(lambda: "changed or damaged" in a_panel.ui.modelDetailsLabel.text)
    choose(a_panel, "bare")
    assert (
        "card" in a_panel.ui.modelDetailsLabel.text and "cannot be read" in a_panel.ui.modelDetailsLabel.text
    )


def test_own_weights_are_deleted_after_asking_and_leave_all_lists(a_models_folder, a_panel, monkeypatch):
    opened(a_panel)
    assert "mine" in offered(a_panel)
    choose(a_panel, "mine")
    asked: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, title: bool(asked.append(text)))
    a_panel.ui.deleteModelButton.click()
    assert "mine" in asked[0] and (a_models_folder / "mine.safetensors").is_file()
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, title: True)
    a_panel.ui.deleteModelButton.click()
    assert {one.name for one in a_models_folder.iterdir()} <= {".checked.json"}
    assert "mine" not in names(a_panel) and "mine" not in offered(a_panel)


def test_a_file_of_weights_is_imported_and_one_that_is_none_is_explained(
    a_models_folder, a_panel, tmp_path, monkeypatch
):
    models, ui = opened(a_panel), a_panel.ui
    archive = tmp_path / "from a colleague.zip"
    done = run_command("weights", "export", "us-fetal-head", "--output", archive)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr(models.questions, "openFile", lambda *about: str(archive))
    ui.importModelButton.click()
    assert not ui.importModelButton.enabled and "Checking" in ui.modelsStatusLabel.text
    wait_until(
        lambda: (a_models_folder / "us-fetal-head.safetensors").is_file() and ui.importModelButton.enabled
    )
    assert "are among your own now" in ui.modelsStatusLabel.text
    assert ui.modelsTable.item(ui.modelsTable.currentRow(), 0).text() == "us-fetal-head"

    replaced: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, title: bool(replaced.append(text)))
    ui.importModelButton.click()
    wait_until(lambda: bool(replaced) and ui.importModelButton.enabled)
    assert "Nothing was imported" in ui.modelsStatusLabel.text

    bad = tmp_path / "holiday.zip"
    bad.write_bytes(b"no archive")
    monkeypatch.setattr(models.questions, "openFile", lambda *about: str(bad))
    ui.importModelButton.click()
    wait_until(lambda: ui.importModelButton.enabled)
    assert "holiday.zip" in ui.modelsStatusLabel.text and "does not hold weights" in ui.modelsStatusLabel.text
    assert "Traceback" not in ui.modelsStatusLabel.text


def test_another_folder_is_an_application_setting_that_the_child_hears_of(a_panel, tmp_path, monkeypatch):
    monkeypatch.delenv("CONTRASTIVE_SEG_MODELS", raising=False)
    other = tmp_path / "shared drive"
    other.mkdir()
    copy_weights(other, "shared")
    models = opened(a_panel)
    monkeypatch.setattr(models.questions, "folder", lambda *about: str(other))
    try:
        a_panel.ui.chooseModelsFolderButton.click()
        assert "shared" in names(a_panel) and "shared" in offered(a_panel)
        assert slicer.app.userSettings().value(SETTING) == str(other)
        environment = a_panel.panel.learning.worker._environment()
        assert environment.value("CONTRASTIVE_SEG_MODELS") == str(other)
        monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(tmp_path))
        a_panel.panel.update()
        assert not a_panel.ui.chooseModelsFolderButton.enabled
        assert "environment variable" in tip_of(a_panel.ui.chooseModelsFolderButton)
    finally:
        WeightsFolders.choose("")


@pytest.mark.slow
def test_a_tuned_model_is_exported_and_the_comparison_is_told(a_panel, tmp_path, monkeypatch):
    ui, exports = a_panel.ui, section(a_panel, ExportSection)
    a_panel.enter()
    assert not ui.exportModelButton.enabled and tip_of(ui.exportModelButton)
    image, truth = two_organs(SHAPE)
    volume = add_volume(image.array, name="Doe John")
    segmentation = add_segmentation(volume, ["Liver"])
    paint(segmentation, "Liver", only_slices(truth == 1, 0, [4, 9, 14]), volume)
    a_panel.enter()
    assert "Nothing has been learnt" in tip_of(ui.exportModelButton)
    a_panel.panel.learning.settings = {"steps": 2, "threads": 1}
    ui.startButton.click()
    assert "Wait until the learning" in tip_of(ui.exportModelButton)
    wait_until(lambda: not a_panel.panel.learning.machine.state.isBusy, 200)
    assert RunFolder.existing(volume, segmentation) is not None and ui.exportModelButton.enabled

    target = tmp_path / "für Kollegen" / "liver model"
    monkeypatch.setattr(exports.questions, "newFolder", lambda *about: str(target))
    ui.exportFormatSelector.setCurrentIndex(ui.exportFormatSelector.findData("torchscript"))
    told: list[float] = []
    exports.exporting.progressed.connect(told.append)
    ui.exportModelButton.click()
    assert ui.exportModelButton.text == "Stop" and not ui.exportProgressBar.isHidden()
    wait_until(lambda: not exports.exporting.isBusy, 120)
    assert "compared with the original on 4 real slices" in ui.exportStatusLabel.text, (
        ui.exportStatusLabel.text
    )
    assert told and max(told) <= 1.0 and ui.exportProgressBar.isHidden()
    card = json.loads((target / "model.json").read_text("utf-8"))
    assert [one["name"] for one in card["output"]["channels"]] == ["Background", "Liver"]
    assert "Doe" not in (target / "README.txt").read_text("utf-8") + json.dumps(card)

    ui.exportModelButton.click()
    wait_until(lambda: not exports.exporting.isBusy, 120)
    assert "is there already" in ui.exportStatusLabel.text and "fdecea" in ui.exportStatusLabel.styleSheet

    monkeypatch.setattr(exports.questions, "newFolder", lambda *about: str(tmp_path / "stopped"))
    ui.exportModelButton.click()
    ui.exportModelButton.click()
    wait_until(lambda: not exports.exporting.isBusy, 120)
    assert "Stopped" in ui.exportStatusLabel.text and not (tmp_path / "stopped").exists()


def prepare(widget: Any, volumes: Path, extra: list[str]) -> PretrainingSection:
    part = section(widget, PretrainingSection)
    widget.ui.modelsCollapsibleButton.collapsed = False
    widget.enter()
    part.pretraining.extra = [*SMALL, *extra]
    widget.ui.pretrainFolderEdit.text = str(volumes)
    widget.ui.pretrainNameEdit.text = "our abdomen"
    widget.ui.pretrainAnatomyEdit.text = "two organs"
    widget.ui.pretrainLicenceEdit.text = "-- ours --"
    return part


def test_pretraining_needs_a_folder_and_a_name(a_models_folder, no_pretraining, a_panel, some_volumes):
    a_panel.enter()
    ui = a_panel.ui
    button = ui.pretrainButton
    assert not button.enabled and "Choose a folder" in tip_of(button)
    ui.pretrainFolderEdit.text = "/no/such/folder"
    assert "no folder '/no/such/folder'" in tip_of(button)
    ui.pretrainFolderEdit.text = str(some_volumes)
    assert "name" in tip_of(button)
    ui.pretrainNameEdit.text = "../evil"
    assert not button.enabled and "letters" in tip_of(button)
    ui.pretrainNameEdit.text = "mine"
    button.click()
    assert "weights called 'mine' already" in ui.pretrainStatusLabel.text
    ui.pretrainMethodSelector.setCurrentIndex(ui.pretrainMethodSelector.findData("byol"))
    assert "no slices are pushed apart" in ui.pretrainMethodHelpLabel.text
    assert not ui.pretrainLossButton.enabled and "no curve yet" in tip_of(ui.pretrainLossButton)


def test_own_volumes_become_weights_that_stand_in_the_lists_at_once(
    a_models_folder, no_pretraining, a_panel, some_volumes
):
    part, ui = prepare(a_panel, some_volumes, ["--steps", "6"]), a_panel.ui
    ui.pretrainButton.click()
    assert ui.pretrainButton.text == "Stop" and not ui.pretrainProgressBar.isHidden()
    assert not ui.pretrainNameEdit.enabled
    wait_until(lambda: not part.pretraining.isBusy, 200)
    assert "Finished" in ui.pretrainStatusLabel.text, ui.pretrainStatusLabel.text
    assert "our abdomen" in names(a_panel) and "our abdomen" in offered(a_panel)
    text = ui.modelDetailsLabel.text
    assert "MR, two organs" in text and "PCL" in text and "-- ours --" in text and "2 volumes" in text
    assert "Loss" in ui.pretrainMonitorLabel.text and "effective rank" in ui.pretrainMonitorLabel.text

    table, series, chart = part.plot.nodes("loss")
    rows = table.GetTable().GetNumberOfRows()
    assert rows == part.plot.count("loss") > 0
    assert table.GetTable().GetValueByName(rows - 1, "step").ToInt() == 6
    assert series.GetTableNodeID() == table.GetID() and chart.GetNumberOfPlotSeriesNodes() == 1
    part.plot.add({"step": 7, "loss": 0.5, "effective_rank": 3.0})
    assert part.plot.nodes("loss")[0] is table and table.GetTable().GetNumberOfRows() == rows + 1
    ranks = part.plot.nodes("rank")[2].GetYAxisRange()
    assert ranks[0] == 0 and ranks[1] > 3.0, "small changes must not look dramatic"
    assert chart.GetXAxisRange()[1] == 7, "the newest point is out of view"
    slicer.mrmlScene.Clear(0)
    again = part.plot.nodes("loss")[0]  # the scene has gone, the curve has not
    assert again.GetTable().GetNumberOfRows() == rows + 1
    assert not part.pretraining.interrupted() and ui.pretrainButton.text == "Start pretraining"


def test_stop_keeps_checkpoint_and_weights_and_resume_ends_it(
    a_models_folder, no_pretraining, a_panel, some_volumes
):
    part, ui = prepare(a_panel, some_volumes, ["--steps", "100000"]), a_panel.ui
    ui.pretrainButton.click()
    wait_until(lambda: part.plot.count("loss") > 1, 200)
    assert "left" in ui.pretrainProgressBar.text
    pids = part.pretraining.pids
    ui.pretrainButton.click()
    assert ui.pretrainButton.text == "Stopping" and not ui.pretrainButton.enabled
    wait_until(lambda: not part.pretraining.isBusy, 100)
    assert "Stopped" in ui.pretrainStatusLabel.text and "our abdomen" in names(a_panel)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 10)
    assert ui.pretrainButton.text == "Resume" and not ui.pretrainAnewButton.isHidden()
    first = json.loads((a_models_folder / "our abdomen.card.json").read_text("utf-8"))

    folder = PretrainingFolder.of("our abdomen")
    choices = folder.choices()
    steps = int(first["metrics"]["steps"])
    choices["extra"] = [*SMALL, "--steps", str(steps + 2)]
    (folder.path / "panel.json").write_text(json.dumps(choices), "utf-8")
    earlier = part.plot.count("loss")
    ui.pretrainButton.click()
    assert "Going on" in ui.pretrainStatusLabel.text
    wait_until(lambda: not part.pretraining.isBusy, 200)
    assert "Finished" in ui.pretrainStatusLabel.text, ui.pretrainStatusLabel.text
    assert part.plot.count("loss") > earlier, "the curve before the stop is missing"
    last = json.loads((a_models_folder / "our abdomen.card.json").read_text("utf-8"))
    assert last["metrics"]["steps"] == steps + 2 and last["sha256"] != first["sha256"]
    assert not folder.path.exists() and ui.pretrainAnewButton.isHidden()


@pytest.mark.standin  # the application reloads the panel that it shows, not the one of this test
def test_killed_it_can_be_resumed_by_a_new_panel_or_begun_anew_after_asking(
    a_models_folder, no_pretraining, a_panel, some_volumes, monkeypatch
):
    part, ui = prepare(a_panel, some_volumes, ["--steps", "100000"]), a_panel.ui
    ui.pretrainButton.click()
    wait_until(lambda: part.plot.count("loss") > 0, 200)
    pids = part.pretraining.pids
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: not part.pretraining.isBusy, 20)
    assert "ended from outside" in ui.pretrainStatusLabel.text and "Resume" in ui.pretrainStatusLabel.text
    assert "fdecea" in ui.pretrainStatusLabel.styleSheet
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 10)
    a_panel.onReload()
    again = slicer.modules.ContrastiveSegWidget
    ui = again.ui
    assert ui.pretrainButton.text == "Resume" and ui.pretrainButton.enabled
    assert ui.pretrainNameEdit.text == "our abdomen" and ui.pretrainFolderEdit.text == str(some_volumes)
    asked, answers = [], [False, True]
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_: asked.append(text) or answers.pop(0)
    )
    ui.pretrainAnewButton.click()
    assert "'our abdomen'" in asked[0] and ui.pretrainButton.text == "Resume"
    ui.pretrainAnewButton.click()
    assert ui.pretrainButton.text == "Start pretraining" and ui.pretrainNameEdit.enabled
    assert not PretrainingFolder.of("our abdomen").path.exists()


@pytest.mark.standin  # the application reloads the panel that it shows, not the one of this test
def test_closing_the_panel_ends_a_pretraining(a_models_folder, no_pretraining, a_panel, some_volumes):
    part = prepare(a_panel, some_volumes, ["--steps", "100000"])
    a_panel.ui.pretrainButton.click()
    wait_until(lambda: part.plot.count("loss") > 0, 200)
    pids = part.pretraining.pids
    a_panel.onReload()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 40)
    assert PretrainingFolder.of("our abdomen").hasCheckpoint()


def test_a_collapse_is_told_and_stays_to_be_read(a_models_folder, no_pretraining, a_panel, some_volumes):
    part, ui = prepare(a_panel, some_volumes, ["--steps", "100000"]), a_panel.ui
    ui.pretrainButton.click()
    wait_until(lambda: part.plot.count("loss") > 0, 200)
    events = part.pretraining._process.signals  # as the engine would tell it after hours
    events["note"].emit({"type": "note", "code": "collapse", "message": "The features collapse."})
    told = part.plot.count("loss")
    wait_until(lambda: part.plot.count("loss") > told + 1)
    assert ui.pretrainStatusLabel.text == "The features collapse."
    assert "fdecea" in ui.pretrainStatusLabel.styleSheet
    part.pretraining.close()
    part.pretraining._onFinished({"name": "mine", "complete": True})
    assert "hardly better than none" in ui.pretrainStatusLabel.text


def test_a_folder_without_volumes_is_explained(a_models_folder, no_pretraining, a_panel, tmp_path):
    empty = tmp_path / "nothing"
    empty.mkdir()
    part = prepare(a_panel, empty, ["--steps", "2"])
    a_panel.ui.pretrainButton.click()
    wait_until(lambda: not part.pretraining.isBusy, 100)
    assert "nothing" in a_panel.ui.pretrainStatusLabel.text
    assert a_panel.ui.pretrainButton.text == "Start pretraining"


@pytest.mark.standin  # the application reloads the panel that it shows, not the one of this test
def test_all_choices_of_an_interrupted_pretraining_stand_in_the_fields_again(
    a_models_folder, no_pretraining, a_panel
):
    chosen = {"data": "/x", "name": "abdomen", "method": "byol", "modality": "US", "anatomy": "liver",
              "licence": "ours", "minutes": 720.0}  # fmt: skip
    PretrainingFolder.of("abdomen").begin(chosen)
    (PretrainingFolder.of("abdomen").path / "pretraining.safetensors").write_bytes(b"")
    a_panel.onReload()
    made = slicer.modules.ContrastiveSegWidget.panel.sections  # of the classes that were loaded again
    again = next(one for one in made if type(one).__name__ == PretrainingSection.__name__)
    assert again.ui.pretrainButton.text == "Resume" and again.choices() == chosen
