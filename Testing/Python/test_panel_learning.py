"""The whole way: scene, panel, real worker, prediction node, picture."""

import os
import signal

import numpy as np
import pytest
import slicer
import vtk
from contrastive_seg_phantom import dice, two_organs
from scene_parts import (
    add_segmentation,
    add_transform,
    add_volume,
    is_alive,
    only_slices,
    paint,
    tip_of,
    wait_until,
)
from vtk.util import numpy_support

from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import SliceView

SHAPE = (20, 40, 48)
PAINTED = [4, 9, 14]
RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)
SECONDS = 8.0
STEPS = {"steps": 40}  # where the Dice counts, the same on slow and busy machines

pytestmark = pytest.mark.usefixtures("a_scene")


@pytest.fixture
def a_phantom():
    """Voxels of two organs and the truth: 1 and 2."""
    volume, truth = two_organs(SHAPE)
    return volume.array, np.where(truth == 7, 2, truth).astype(np.int16)


@pytest.fixture
def a_phantom_scene(a_panel, a_phantom):
    """The phantom with both organs painted on three slices, chosen in the panel; a short budget."""
    image, truth = a_phantom
    volume = add_volume(image, name="Phantom")
    segmentation = add_segmentation(volume, ["Liver", "Kidney"])
    prepare(segmentation, volume, truth)
    a_panel.enter()
    a_panel.panel.secondsInsteadOfBudget = SECONDS
    return volume, segmentation


def prepare(segmentation, volume, truth):
    for value, name, color in ((1, "Liver", RED), (2, "Kidney", BLUE)):
        paint(segmentation, name, only_slices(truth == value, 0, PAINTED), volume)
        segmentation.GetSegmentation().GetSegment(name).SetColor(*color)


def labels_of(segmentation, volume):
    values = {"Liver": 1, "Kidney": 2}
    return SegmentResampler(segmentation, VolumeGrid(volume)).labels(values).whole()


def state_of(widget):
    return widget.panel.learning.machine.state


def learnt_step(widget):
    """Collects the step numbers that the worker reports."""
    steps = []
    widget.panel.learning.worker.signals["metric"].connect(lambda event: steps.append(event["step"]))
    return steps


def worker_pids(widget):
    worker = widget.panel.learning.worker
    return [worker.pid, *worker.descendants()]


def wait_for_end(widget, seconds=120):
    wait_until(lambda: not state_of(widget).isBusy, seconds)


def test_from_three_painted_slices_to_the_picture_of_both_organs(
    a_panel, a_phantom_scene, a_phantom, tmp_path
):
    volume, segmentation = a_phantom_scene
    _image, truth = a_phantom
    view = SliceView()
    view.show(volume, offset=2.0 * 11)  # a slice that nobody painted
    before = view.pixels().astype(int)
    ui, seen = a_panel.ui, []
    learning = a_panel.panel.learning
    learning.predicted.connect(lambda node: seen.append((state_of(a_panel), ui.progressBar.text)))
    painted = labels_of(segmentation, volume)
    learning.settings = STEPS

    ui.startButton.click()
    assert state_of(a_panel) is State.Starting  # the click came back at once
    assert ui.startButton.text == "Stop" and not ui.progressBar.isHidden()
    assert not ui.acceptButton.enabled and "Stop" in tip_of(ui.acceptButton)
    wait_until(lambda: "left" in ui.progressBar.text or not state_of(a_panel).isBusy)
    wait_for_end(a_panel)

    assert state_of(a_panel) is State.Done, ui.statusLabel.text
    assert any(state is State.Learning for state, _text in seen), "no preview came while it learnt"
    assert "Finished" in ui.statusLabel.text and ui.progressBar.isHidden()
    assert "needs 10 or more annotated slices" in ui.estimateLabel.text
    learning.estimated.emit({1: 0.91, 2: 0.85})
    assert ui.estimateLabel.text == "Estimated Dice: Kidney 0.85, Liver 0.91"
    node = PredictionLogic.predicted(segmentation)
    found = labels_of(node, volume)
    assert dice(found, truth, 1) > 0.85 and dice(found, truth, 2) > 0.8
    assert np.array_equal(labels_of(segmentation, volume), painted), "the painting was changed"
    assert node.GetSegmentation().GetSegment("Kidney").GetColor() == pytest.approx(BLUE, abs=1e-4)

    view.show(volume, offset=2.0 * 11)  # the application may have moved its slice meanwhile
    view.save(tmp_path / "overlay.png")
    picture = read_png(tmp_path / "overlay.png").astype(int)
    redder = (picture[..., 0] - picture[..., 2]) - (before[..., 0] - before[..., 2])
    for value, sign in ((1, 1), (2, -1)):
        row, column = pixel_of(view, volume, truth, 11, value)
        assert sign * redder[row, column] > 40, f"organ {value} has not its colour in the picture"
    corner = picture[5, 5]
    assert corner.max() - corner.min() < 10, "background is coloured"

    ui.acceptButton.click()
    assert np.array_equal(labels_of(segmentation, volume)[11], found[11])
    ui.undoButton.click()
    assert np.array_equal(labels_of(segmentation, volume), painted)


def read_png(path):
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    width, height, _depth = reader.GetOutput().GetDimensions()
    pixels = numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
    return pixels.reshape(height, width, -1)[::-1, :, :3]  # VTK counts rows from below


def pixel_of(view, volume, truth, index, value):
    """Row and column of the picture where the middle of an organ lies."""
    y, x = (int(np.mean(one)) for one in np.nonzero(truth[index] == value))
    ras = VolumeGrid(volume).ijkToWorld() @ np.array([x, y, index, 1.0])
    to_picture = np.linalg.inv(VolumeGrid.toArray(view.node.GetXYToRAS()))
    column, row = (to_picture @ ras)[:2]
    return view.node.GetDimensions()[1] - 1 - round(row), round(column)


def test_stop_keeps_the_best_mask_and_a_second_round_goes_on(a_panel, a_phantom_scene):
    volume, segmentation = a_phantom_scene
    a_panel.panel.secondsInsteadOfBudget = 60.0
    steps = learnt_step(a_panel)
    a_panel.ui.startButton.click()
    wait_until(lambda: PredictionLogic.predicted(segmentation) is not None and len(steps) > 1)
    assert not a_panel.ui.resultCollapsibleButton.collapsed and a_panel.ui.showCheckBox.enabled
    a_panel.ui.startButton.click()
    assert state_of(a_panel) is State.Stopping
    assert a_panel.ui.startButton.text == "Stopping" and not a_panel.ui.startButton.enabled
    wait_for_end(a_panel)
    assert state_of(a_panel) is State.Done and "best mask so far" in a_panel.ui.statusLabel.text
    assert labels_of(PredictionLogic.predicted(segmentation), volume).any()
    pids, reached = worker_pids(a_panel), max(steps)
    steps.clear()
    a_panel.panel.secondsInsteadOfBudget = 5.0
    a_panel.ui.startButton.click()
    wait_for_end(a_panel)
    assert state_of(a_panel) is State.Done
    assert worker_pids(a_panel) == pids, "the warm worker was not used again"
    assert not steps or min(steps) >= reached


def test_a_killed_worker_is_explained_and_resume_goes_on_from_its_step(a_panel, a_phantom_scene):
    volume, segmentation = a_phantom_scene
    ui = a_panel.ui
    a_panel.panel.secondsInsteadOfBudget = 60.0
    steps = learnt_step(a_panel)
    checkpoint = RunFolder.of(volume, segmentation).path / "checkpoint.safetensors"
    ui.startButton.click()
    wait_until(lambda: checkpoint.is_file() and len(steps) > 1)
    pids = worker_pids(a_panel)
    os.kill(pids[-1], signal.SIGKILL)
    wait_until(lambda: not state_of(a_panel).isBusy, 10)
    assert state_of(a_panel) is State.Failed
    assert "ended from outside" in ui.statusLabel.text and "Resume" in ui.statusLabel.text
    assert ui.startButton.text == "Resume" and ui.startButton.enabled
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 10)

    opened = []
    a_panel.panel.learning.worker.signals["result"].connect(opened.append)
    steps.clear()
    a_panel.panel.secondsInsteadOfBudget = 12.0
    ui.startButton.click()
    assert "Going on" in ui.statusLabel.text
    wait_for_end(a_panel)
    assert state_of(a_panel) is State.Done, ui.statusLabel.text
    assert opened[0]["resumed"] and opened[0]["step"] > 0
    assert not steps or min(steps) >= opened[0]["step"]
    assert labels_of(PredictionLogic.predicted(segmentation), volume).any()
    assert ui.startButton.text == "Start"


def test_a_worker_killed_while_it_starts_can_be_resumed_too(a_panel, a_phantom_scene):
    a_panel.ui.startButton.click()
    pids = worker_pids(a_panel)
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: not state_of(a_panel).isBusy, 10)
    assert a_panel.ui.startButton.text == "Resume" and a_panel.ui.startButton.enabled
    assert "ended from outside" in a_panel.ui.statusLabel.text
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 20)


def test_the_worker_is_warm_before_start_and_a_dead_one_frightens_nobody(a_panel, a_phantom_scene):
    panel = a_panel.panel
    assert not panel.learning.worker.isRunning  # a test does not start it on its own
    panel.warmsUp = True
    a_panel.enter()
    assert panel.learning.worker.isRunning
    pids = worker_pids(a_panel)
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: not panel.learning.worker.isRunning, 20)
    ui = a_panel.ui
    assert ui.statusLabel.text == "" and ui.startButton.text == "Start" and ui.startButton.enabled

    hellos = []
    panel.learning.worker.signals["hello"].connect(hellos.append)
    a_panel.enter()
    wait_until(lambda: bool(hellos))
    pids = worker_pids(a_panel)
    a_panel.exit()
    assert all(is_alive(pid) for pid in pids)
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 15)


def test_transforms_and_another_geometry_on_the_whole_way(a_panel, a_phantom):
    image, truth = a_phantom
    turned = np.array([[0, -0.9, 0.1, 5], [0.9, 0, 0, -8], [0.05, 0, 1.6, 3], [0, 0, 0, 1]])
    volume = add_volume(image, turned, name="Oblique")
    coarse = add_volume(np.zeros((20, 20, 24), np.int16), turned @ scaling(2, 2, 1), name="Coarse")
    move = np.array([[0.8, 0.6, 0, 12], [-0.6, 0.8, 0, -7], [0, 0, 1, 4], [0, 0, 0, 1.0]])
    volume.SetAndObserveTransformNodeID(add_transform(move).GetID())
    segmentation = add_segmentation(coarse, ["Liver", "Kidney"])
    for value, name in ((1, "Liver"), (2, "Kidney")):
        small = only_slices(truth == value, 0, PAINTED)[:, ::2, ::2]
        paint(segmentation, name, small, coarse)
    segmentation.SetAndObserveTransformNodeID(add_transform(move).GetID())
    slicer.mrmlScene.RemoveNode(coarse)
    a_panel.enter()
    a_panel.panel.secondsInsteadOfBudget = SECONDS
    a_panel.panel.learning.settings = STEPS
    assert "3 annotated slices" in a_panel.ui.annotationLabel.text

    a_panel.ui.startButton.click()
    wait_for_end(a_panel)
    assert state_of(a_panel) is State.Done, a_panel.ui.statusLabel.text
    node = PredictionLogic.predicted(segmentation)
    assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    found = labels_of(node, volume)
    assert dice(found, truth, 1) > 0.7 and dice(found, truth, 2) > 0.65  # painted at half the resolution
    a_panel.ui.acceptButton.click()
    accepted = labels_of(segmentation, volume)
    assert dice(accepted, truth, 1) > 0.7, "what was accepted lies elsewhere"


def scaling(x, y, z):
    matrix = np.diag([float(x), float(y), float(z), 1.0])
    matrix[:3, 3] = [(x - 1) / 2, (y - 1) / 2, (z - 1) / 2]
    return matrix


def test_closing_the_scene_while_learning_ends_the_worker(a_panel, a_phantom_scene):
    a_panel.ui.startButton.click()
    wait_until(lambda: state_of(a_panel) is State.Learning)
    pids = worker_pids(a_panel)
    assert all(is_alive(pid) for pid in pids)
    slicer.mrmlScene.Clear(0)
    assert state_of(a_panel) is State.Empty and a_panel.ui.progressBar.isHidden()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 15)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


@pytest.mark.standin  # the application reloads the panel that it shows, not the one of this test
def test_reloading_the_module_while_learning_ends_the_worker(a_panel, a_phantom_scene):
    a_panel.ui.startButton.click()
    wait_until(lambda: state_of(a_panel) is State.Learning)
    pids = worker_pids(a_panel)
    a_panel.onReload()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 15)
    again = slicer.modules.ContrastiveSegWidget
    assert again.ui.startButton.text == "Resume" and again.ui.startButton.enabled


def test_a_removed_volume_ends_the_learning_with_a_sentence(a_panel, a_phantom_scene):
    volume, _segmentation = a_phantom_scene
    a_panel.ui.startButton.click()
    wait_until(lambda: state_of(a_panel) is State.Learning)
    slicer.mrmlScene.RemoveNode(volume)
    wait_for_end(a_panel, 60)
    assert state_of(a_panel) is State.Failed
    assert "removed while it was being learnt" in a_panel.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") <= 2
