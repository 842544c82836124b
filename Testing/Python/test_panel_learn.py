"""The section Learn: weights, method, device, the learning curve, and beginning anew."""

import json
import math

import numpy as np
import pytest
import slicer
import slicer.util
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_volume, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.LearningMethod import LearningMethod
from ContrastiveSegLib.Modality import Modality
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.State import State
from ContrastiveSegLib.TrainingPlot import TrainingPlot
from ContrastiveSegLib.WeightsChoice import WeightsChoice

SHAPE = (20, 40, 48)
PAINTED = [4, 9, 14]


@pytest.fixture
def a_phantom_scene(a_panel):
    """One organ painted on three slices; a learning takes two steps."""
    image, truth = two_organs(SHAPE)
    volume = add_volume(image.array, name="Phantom")
    segmentation = add_segmentation(volume, ["Liver"])
    paint(segmentation, "Liver", only_slices(truth == 1, 0, PAINTED), volume)
    a_panel.enter()
    a_panel.panel.learning.settings = {"steps": 2}
    return volume, segmentation


def learn(widget, button="startButton"):
    getattr(widget.ui, button).click()
    machine = widget.panel.learning.machine
    wait_until(lambda: not machine.state.isBusy, 120)
    assert machine.state is State.Done, widget.ui.statusLabel.text


def job_of(volume, segmentation):
    folder = RunFolder.existing(volume, segmentation)
    return json.loads((folder.path / "job.json").read_text("utf-8"))["settings"]


def checkpoint_of(volume, segmentation):
    folder = RunFolder.existing(volume, segmentation)
    return json.loads((folder.path / "checkpoint.json").read_text("utf-8"))


def answer_with(monkeypatch, agreed):
    asked = []

    def confirm(text, title=None, **kwargs):
        asked.append(text)
        return agreed

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
    return asked


def columns(table):
    data = table.GetTable()
    return {
        data.GetColumn(c).GetName(): [
            data.GetColumn(c).GetValue(row) for row in range(data.GetNumberOfRows())
        ]
        for c in range(data.GetNumberOfColumns())
    }


def test_learn_anew_forgets_what_was_learnt_after_asking(a_phantom_scene, a_panel, monkeypatch):
    volume, segmentation = a_phantom_scene
    assert not a_panel.ui.anewButton.enabled and "Nothing has been learnt" in tip_of(a_panel.ui.anewButton)
    learn(a_panel)
    learn(a_panel)
    assert checkpoint_of(volume, segmentation)["step"] == 4  # the second round went on
    assert a_panel.ui.anewButton.enabled
    asked = answer_with(monkeypatch, False)
    a_panel.ui.anewButton.click()
    assert asked and a_panel.panel.learning.machine.state is State.Done
    assert checkpoint_of(volume, segmentation)["step"] == 4
    answer_with(monkeypatch, True)
    learn(a_panel, "anewButton")
    assert checkpoint_of(volume, segmentation)["step"] == 2


def test_other_weights_and_another_method_begin_anew_after_asking(a_phantom_scene, a_panel, monkeypatch):
    volume, segmentation = a_phantom_scene
    ui = a_panel.ui
    learn(a_panel)
    assert ui.changedLabel.isHidden() and job_of(volume, segmentation)["semi_supervised"] == ""
    ui.methodSelector.setCurrentIndex(1)
    assert a_panel.panel._parameters.method is LearningMethod.SemiSupervised
    assert not ui.changedLabel.isHidden()
    asked = answer_with(monkeypatch, False)
    ui.startButton.click()
    assert len(asked) == 1 and a_panel.panel.learning.machine.state is State.Done
    assert "what was learnt is kept" in ui.statusLabel.text
    ui.methodSelector.setCurrentIndex(0)
    assert ui.changedLabel.isHidden()
    ui.weightsSelector.setCurrentIndex(ui.weightsSelector.findData("mr-brain"))
    answer_with(monkeypatch, True)
    learn(a_panel)
    settings = job_of(volume, segmentation)
    assert settings["weights"] == "mr-brain" and checkpoint_of(volume, segmentation)["step"] == 2
    assert ui.changedLabel.isHidden()


def test_semi_supervised_learning_reaches_the_worker(a_phantom_scene, a_panel):
    volume, segmentation = a_phantom_scene
    a_panel.ui.methodSelector.setCurrentIndex(1)
    learn(a_panel)
    assert job_of(volume, segmentation)["semi_supervised"] == "mcsc"


def test_what_cannot_be_chosen_while_it_learns_says_why(a_phantom_scene, a_panel):
    boxes = [getattr(a_panel.ui, f"{name}Selector") for name in ("budget", "method", "device")]
    before = [box.toolTip for box in boxes]
    a_panel.ui.startButton.click()
    assert all(not box.enabled and "press Stop" in box.toolTip for box in boxes)
    a_panel.ui.startButton.click()
    wait_until(lambda: not a_panel.panel.learning.machine.state.isBusy, 60)
    assert all(box.enabled for box in boxes) and [box.toolTip for box in boxes] == before


def test_the_device_is_chosen_among_those_that_the_worker_has_found(a_phantom_scene, a_panel):
    volume, segmentation = a_phantom_scene
    box = a_panel.ui.deviceSelector
    a_panel.panel._parameters.device = "cuda:7"
    assert box.currentText == "cuda:7"
    found = [
        {"id": "cpu", "name": "CPU", "memory_gb": 8.0},
        {"id": "cuda:0", "name": "Fast", "memory_gb": 24.0},
    ]
    a_panel.panel.learning._onHello({"protocol": 1, "devices": found})
    texts = [box.itemText(index) for index in range(box.count)]
    assert texts[1:] == ["CPU", "GPU: Fast, 24 GB", "cuda:7 (not found on this computer)"]
    box.setCurrentIndex(1)
    assert a_panel.panel._parameters.device == "cpu"
    learn(a_panel)
    assert job_of(volume, segmentation)["device"] == "cpu"
    assert a_panel.panel.learning.device == "CPU"


def test_a_device_that_is_not_there_is_told_in_a_sentence(a_phantom_scene, a_panel):
    a_panel.panel._parameters.device = "cuda:77"
    a_panel.ui.startButton.click()
    wait_until(lambda: not a_panel.panel.learning.machine.state.isBusy, 60)
    assert "cuda:77" in a_panel.ui.statusLabel.text and "not there" in a_panel.ui.statusLabel.text


def test_the_card_of_the_weights_is_read_in_plain_words(a_phantom_scene, a_panel):
    ui = a_panel.ui
    assert ui.weightsCardLabel.isHidden()
    ui.weightsSelector.setCurrentIndex(ui.weightsSelector.findData("ct-torso"))
    assert "Pretrained with" in ui.weightsCardLabel.text and "Licence:" in ui.weightsCardLabel.text
    assert "meant for CT images" in ui.weightsCardLabel.text  # nobody knows what the phantom is


def test_weights_say_whether_they_fit_the_volume(a_scene):
    choice = WeightsChoice("name", "label", "tip", "CT")
    air = add_volume(np.full((3, 4, 5), -1000, np.int16))
    assert Modality.of(air) == "CT" and "fit this volume" in choice.fit("CT")
    bright = add_volume(np.ones((3, 4, 5), np.int16))
    assert Modality.of(bright) == ""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = tree.GetItemByDataNode(bright) or tree.CreateItem(tree.GetSceneItemID(), bright)
    tree.SetItemAttribute(item, "DICOM.Modality", "MR")
    assert Modality.of(bright) == "MR"
    assert choice.fit("MR") == "They do not fit: they were made from CT images, this volume is MR."


def test_the_curve_is_plotted_while_it_is_learnt_and_is_not_saved(a_phantom_scene, a_panel):
    ui = a_panel.ui
    assert not ui.curveButton.enabled and "press Start" in tip_of(ui.curveButton)
    learn(a_panel)
    plot = next(one.plot for one in a_panel.panel.sections if hasattr(one, "plot"))
    found = columns(plot.table)
    assert list(found) == ["step", "loss"]
    assert found["step"][-1] == 2 and found["loss"][-1] > 0
    assert plot.chart.GetNumberOfPlotSeriesNodes() == 1, "no estimate of Dice from so few slices"
    a_panel.panel.learning.measured.emit(3, None, {1: 0.9})
    last = {name: values[-1] for name, values in columns(plot.table).items()}
    assert all(math.isnan(number) for number in columns(plot.table)["dice 1"][:-1])
    assert last["step"] == 3 and math.isnan(last["loss"]) and last["dice 1"] == 0.9
    chart = plot.chart
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    nodes = [plot.table, chart, *(chart.GetNthPlotSeriesNode(n) for n in range(2))]
    assert not any(node.GetSaveWithScene() for node in nodes)
    assert chart.GetNthPlotSeriesNode(1).GetName() == "Dice of Liver"

    before = slicer.mrmlScene.GetNumberOfNodes()
    learn(a_panel)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    assert slicer.mrmlScene.GetNumberOfNodes() <= before
    found = columns(plot.table)
    assert found["step"][0] <= 2 and found["step"][-1] == 4, "the curve of both rounds"
    slicer.mrmlScene.Clear(0)
    assert not ui.curveButton.enabled and plot.table is None


def test_curve_shows_the_plot_and_goes_back_to_the_layout_before(a_phantom_scene, a_panel):
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")  # the application has one
    layout = layout or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    learn(a_panel)
    a_panel.ui.curveButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpPlotView
    a_panel.ui.curveButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView


def test_a_shown_plot_is_no_trouble_when_slicer_ends_and_its_module_went_first(a_scene, monkeypatch):
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout = layout or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    plot = TrainingPlot()
    plot.begin({})
    plot.toggle()
    assert plot.isShown
    monkeypatch.setattr(slicer, "modules", object())
    assert not plot.isShown


def test_a_plot_whose_nodes_were_removed_is_made_again(a_scene):
    plot = TrainingPlot()
    plot.begin({1: ("Liver", (1.0, 0.0, 0.0))})
    slicer.mrmlScene.RemoveNode(plot.table)
    plot.add(1, 0.5, {})  # nobody minds
    plot.begin({1: ("Liver", (1.0, 0.0, 0.0))})
    plot.add(1, 0.5, {1: 0.8})
    assert columns(plot.table) == {"step": [1.0], "loss": [0.5], "dice 1": [0.8]}


def test_after_a_learning_a_slice_is_suggested(a_phantom_scene, a_panel):
    learn(a_panel)
    wait_until(lambda: a_panel.ui.suggestionLabel.text.startswith("Next: "), 60)
    assert a_panel.ui.suggestButton.enabled


def test_where_start_cannot_be_pressed_learn_anew_says_why_as_well(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    (RunFolder.of(volume, segmentation).create().path / "checkpoint.safetensors").write_bytes(b"learnt")
    a_panel.enter()
    button = a_panel.ui.anewButton
    assert button.enabled and "begins again" in tip_of(button)
    segmentation.GetDisplayNode().SetSegmentVisibility("Ball", False)
    a_panel.enter()
    assert not button.enabled and "Hidden, and so not learnt: Ball." in tip_of(button)
