"""Earlier work is opened while the application goes on."""

import threading

import pytest
import slicer
from runs_parts import IMAGE, SHAPE, make_run, mask, painted_scene
from scene_parts import add_volume, ball, tip_of, wait_until

from ContrastiveSegLib.Panels import VolumeSection
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunResult import RunResult


@pytest.fixture(autouse=True)
def no_runs(tmp_path, monkeypatch):
    """Runs of this test alone."""
    monkeypatch.setattr(RunFolder, "root", staticmethod(lambda: tmp_path / "Runs"))


@pytest.fixture
def a_slow_disk(monkeypatch):
    """Results are read when the event is set; no volume is small."""
    go, read = threading.Event(), RunResult.read
    monkeypatch.setattr(VolumeSection, "_FEW_VOXELS", 0)
    monkeypatch.setattr(RunResult, "read", lambda *arguments: go.wait(60) and read(*arguments))
    yield go
    go.set()


@pytest.fixture
def an_earlier_work(a_panel):
    """The volume of a scene in which nothing is left of what was learnt before; and what was painted."""
    volume, segmentation = painted_scene()
    painted = mask(segmentation, volume)
    make_run(volume, segmentation)
    slicer.mrmlScene.Clear(0)
    again = add_volume(IMAGE)
    a_panel.enter()
    return again, painted


def test_while_earlier_work_is_read_the_application_goes_on(an_earlier_work, a_slow_disk, a_panel):
    volume, painted = an_earlier_work
    ui = a_panel.ui
    ui.continueButton.click()
    assert ui.statusLabel.text.startswith("Opening the work of")
    for button in (ui.continueButton, ui.deleteRunButton):
        assert not button.enabled and "Wait until the earlier work is open." in tip_of(button)
    for _ in range(20):
        slicer.app.processEvents()
    assert not a_panel.ui.acceptButton.enabled
    a_slow_disk.set()
    wait_until(lambda: "This is the work of" in ui.statusLabel.text, 30)
    made = ui.segmentationSelector.currentNode()
    assert (mask(made, volume) == painted).all()
    assert (mask(PredictionLogic.predicted(made), volume) == (ball(SHAPE) > 0)).all()
    assert ui.deleteRunButton.enabled


def test_a_volume_that_is_removed_while_its_work_is_read_is_told(an_earlier_work, a_slow_disk, a_panel):
    volume, _painted = an_earlier_work
    a_panel.ui.continueButton.click()
    slicer.mrmlScene.RemoveNode(volume)
    a_slow_disk.set()
    wait_until(lambda: "was removed from the scene" in a_panel.ui.statusLabel.text, 30)


def test_a_scene_that_is_closed_while_work_is_read_stays_empty(an_earlier_work, a_slow_disk, a_panel):
    a_panel.ui.continueButton.click()
    slicer.mrmlScene.Clear(0)
    a_slow_disk.set()
    for _ in range(50):
        slicer.app.processEvents()
    assert not list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
    assert a_panel.ui.segmentationSelector.currentNode() is None
