"""Pretrained weights in the panel: the list, the choice, and a learning that starts from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import run_command
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_volume, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.RunFolder import RunFolder

PAINTED = [4, 9, 14]
SHAPE = (20, 40, 48)
STARTERS = ("ct-torso (CT,", "mr-brain (MR,", "mr-hippocampus (MR,", "us-fetal-head (US,")


@pytest.fixture
def a_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own weights, empty."""
    folder = tmp_path / "Models ü"
    folder.mkdir()
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(folder))
    return folder


@pytest.fixture
def some_weights(a_models_folder: Path, tmp_path: Path) -> Path:
    """Weights that the command line has really pretrained, on two small volumes."""
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(2):
        array = two_organs(SHAPE, seed)[0].array
        sitk.WriteImage(sitk.GetImageFromArray(np.asarray(array)), str(images / f"{seed}.nii.gz"))
    done = run_command(
        "pretrain", "--data", images, "--output", a_models_folder, "--method", "pcl", "--width", "4",
        "--size", "64", "--batch", "8", "--steps", "2", "--device", "cpu", "--name", "abdomen-small",
        "--modality", "CT", "--anatomy", "two organs", "--licence", "CC0-1.0", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["weights"])


def entries(widget: Any) -> list[str]:
    box = widget.ui.weightsSelector
    return [box.itemText(index) for index in range(box.count)]


def beside_the_starters(widget: Any) -> list[str]:
    """What the list offers beside the weights that come with the extension."""
    return [one for one in entries(widget) if not one.startswith(STARTERS)]


def paint_phantom() -> tuple[Any, Any]:
    image, truth = two_organs(SHAPE)
    volume = add_volume(image.array, name="Phantom")
    segmentation = add_segmentation(volume, ["Liver"])
    paint(segmentation, "Liver", only_slices(truth == 1, 0, PAINTED), volume)
    return volume, segmentation


def test_without_weights_a_learning_starts_from_nothing(a_models_folder, a_panel):
    a_panel.enter()
    assert beside_the_starters(a_panel) == ["Nothing"] and len(entries(a_panel)) == 1 + len(STARTERS)
    assert a_panel.ui.weightsSelector.currentIndex == 0


def test_weights_appear_when_the_panel_is_entered_and_are_saved_with_the_scene(
    a_models_folder, a_panel, some_weights
):
    a_panel.enter()
    assert beside_the_starters(a_panel) == ["Nothing", "abdomen-small (CT, two organs)"]
    a_panel.ui.weightsSelector.setCurrentIndex(1)
    assert a_panel.panel._parameters.weights == "abdomen-small"
    assert "PCL" in tip_of(a_panel.ui.weightsSelector) and "CC0-1.0" in tip_of(a_panel.ui.weightsSelector)
    some_weights.with_name("abdomen-small.card.json").unlink()
    a_panel.enter()
    assert beside_the_starters(a_panel) == ["Nothing", "abdomen-small (not on this computer)"]
    assert a_panel.ui.weightsSelector.currentText == "abdomen-small (not on this computer)"


def test_a_learning_starts_from_the_chosen_weights_and_keeps_them(a_panel, some_weights):
    volume, segmentation = paint_phantom()
    a_panel.enter()
    a_panel.panel.learning.settings = {"steps": 4}
    a_panel.ui.weightsSelector.setCurrentIndex(1)
    a_panel.ui.startButton.click()
    assert not a_panel.ui.weightsSelector.enabled
    wait_until(lambda: not a_panel.panel.learning.machine.state.isBusy, 120)
    run = RunFolder.existing(volume, segmentation)
    assert run is not None
    learnt = json.loads((run.path / "checkpoint.json").read_text("utf-8"))
    assert learnt["architecture"]["width"] == 4  # that of the weights, not that of the budget
    assert json.loads((run.path / "job.json").read_text("utf-8"))["settings"]["weights"] == "abdomen-small"
    assert a_panel.ui.weightsSelector.enabled and a_panel.ui.changedLabel.isHidden()


def test_weights_that_have_gone_are_told_and_nothing_is_learnt(a_models_folder, a_panel):
    paint_phantom()
    a_panel.panel._parameters.weights = "gone"
    a_panel.enter()
    a_panel.ui.startButton.click()
    wait_until(lambda: not a_panel.panel.learning.machine.state.isBusy, 60)
    assert "gone" in a_panel.ui.statusLabel.text
    a_panel.ui.weightsSelector.setCurrentIndex(0)
    assert a_panel.panel._parameters.weights == ""
    assert a_panel.ui.startButton.enabled
