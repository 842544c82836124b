"""Sample data and earlier work in the section Volume and structure."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import slicer
from runs_parts import IMAGE, RED, SHAPE, make_run, mask, painted_scene
from scene_parts import add_segmentation, add_volume, ball, paint, tip_of, wait_until

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.Panels.VolumeSection import VolumeSection
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunRestorer import RunRestorer
from ContrastiveSegLib.Samples.SampleVolume import SampleVolume
from ContrastiveSegLib.State import State


@pytest.fixture(autouse=True)
def no_runs(tmp_path, monkeypatch):
    """Runs of this test alone."""
    monkeypatch.setattr(RunFolder, "root", staticmethod(lambda: tmp_path / "Runs"))


@pytest.fixture
def a_section(a_panel):
    (section,) = [one for one in a_panel.panel.sections if isinstance(one, VolumeSection)]
    return section


def lines(ui):
    return [
        [ui.runTable.item(row, column).text() for column in range(3)] for row in range(ui.runTable.rowCount)
    ]


def test_without_earlier_work_nothing_is_said_about_it(a_section, a_panel):
    assert a_panel.ui.runsFrame.isHidden()
    painted_scene()
    a_panel.enter()
    assert a_panel.ui.runsFrame.isHidden()
    assert a_panel.ui.inputsCollapsibleButton.text == "Volume and structure"


def test_work_on_the_volume_is_listed_with_date_state_and_structures(a_section, a_panel):
    volume, segmentation = painted_scene()
    make_run(volume, segmentation)
    make_run(volume, add_copy(volume, segmentation), predicted=False, learning=True)
    a_panel.enter()
    ui = a_panel.ui
    assert not ui.runsFrame.isHidden()
    assert sorted(line[1] for line in lines(ui)) == ["finished", "interrupted"]
    assert all(line[2] == "Liver" and line[0][:2] == "20" and len(line[0]) == 16 for line in lines(ui))


def add_copy(volume, segmentation):
    other = add_segmentation(volume, ["Ball"], name="Other")
    other.GetSegmentation().GetSegment("Ball").SetName("Liver")
    paint(other, "Ball", mask(segmentation, volume), volume)
    return other


def test_what_is_open_is_not_continued_and_says_so(a_section, a_panel):
    volume, segmentation = painted_scene()
    make_run(volume, segmentation)
    a_panel.enter()
    ui = a_panel.ui
    assert not ui.continueButton.enabled and tip_of(ui.continueButton) == "This is the work that you see."
    # the list is there where it has anything else, and so does not come up beneath the mouse at Start
    assert ui.runsFrame.isHidden()
    a_panel.panel._parameters.segmentation = add_copy(volume, segmentation)
    wait_until(lambda: not ui.runsFrame.isHidden(), 10)
    assert ui.deleteRunButton.enabled


def test_in_another_scene_the_work_is_found_by_the_voxels_and_made_again(a_section, a_panel):
    volume, segmentation = painted_scene()
    painted = mask(segmentation, volume)
    make_run(volume, segmentation)
    slicer.mrmlScene.Clear(0)
    again = add_volume(IMAGE, name="The same, loaded again")
    a_panel.enter()
    ui = a_panel.ui
    assert [line[1:] for line in lines(ui)] == [["finished", "Liver"]]
    ui.continueButton.click()
    made = ui.segmentationSelector.currentNode()
    assert made.GetName() == "The same, loaded again segmentation"
    segment = made.GetSegmentation().GetSegment("Ball")
    assert segment.GetName() == "Liver" and np.allclose(segment.GetColor(), RED, atol=0.01)
    assert np.array_equal(mask(made, again), painted)
    assert AnnotationLogic.emptySlices(made) == [(0, 0)]
    assert ui.annotationLabel.text == "4 annotated slices (4 axial)."
    predicted = PredictionLogic.predicted(made)
    assert np.array_equal(mask(predicted, again), ball(SHAPE) > 0)
    assert ui.acceptButton.enabled and ui.uncertaintyCheckBox.enabled
    assert "the work of" in ui.statusLabel.text and "Liver" in ui.statusLabel.text
    assert RunFolder.existing(again, made).hasLearnt  # Start goes on from it
    assert not ui.continueButton.enabled
    ui.acceptButton.click()
    assert np.array_equal(mask(made, again), (ball(SHAPE) > 0) & not_empty() | painted)


def not_empty():
    kept = np.ones(SHAPE, bool)
    kept[0] = False
    return kept


def test_a_segmentation_that_is_in_the_scene_is_taken_as_it_is(a_section, a_panel):
    volume, segmentation = painted_scene()
    make_run(volume, segmentation)
    add_segmentation(volume, ["Other"], name="Other")
    a_panel.enter()
    other = slicer.util.getNode("Other")
    a_panel.ui.segmentationSelector.setCurrentNode(other)
    assert a_panel.ui.continueButton.enabled
    a_panel.ui.continueButton.click()
    assert a_panel.ui.segmentationSelector.currentNode() is segmentation
    assert PredictionLogic.predicted(segmentation) is not None


def test_another_volume_of_the_same_size_has_none_of_it(a_section, a_panel):
    volume, segmentation = painted_scene()
    make_run(volume, segmentation)
    slicer.mrmlScene.Clear(0)
    add_volume(IMAGE + (ball(SHAPE) * 2).astype(np.int16))
    a_panel.enter()
    assert a_panel.ui.runsFrame.isHidden()


def test_a_volume_under_a_transform_gets_its_painting_back_in_place(a_section, a_panel):
    from scene_parts import add_transform

    volume, segmentation = painted_scene()
    painted = mask(segmentation, volume)
    make_run(volume, segmentation)
    slicer.mrmlScene.Clear(0)
    again = add_volume(IMAGE)
    matrix = np.array([[0, -1, 0, 30.0], [1, 0, 0, -5], [0, 0, 1, 12], [0, 0, 0, 1]])
    again.SetAndObserveTransformNodeID(add_transform(matrix).GetID())
    a_panel.enter()
    a_panel.ui.continueButton.click()
    made = a_panel.ui.segmentationSelector.currentNode()
    assert made.GetTransformNodeID() == again.GetTransformNodeID()
    assert np.array_equal(mask(made, again), painted)


def test_a_slice_that_is_not_complete_is_so_after_continue(a_section, a_panel):
    volume, segmentation = painted_scene()
    unfinished = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices[1].slice
    AnnotationLogic.setPartial(segmentation, unfinished)
    make_run(volume, segmentation)
    slicer.mrmlScene.Clear(0)
    again = add_volume(IMAGE)
    a_panel.enter()
    a_panel.ui.continueButton.click()
    made = a_panel.ui.segmentationSelector.currentNode()
    found = AnnotationSummary.of(again, made, PlaneChoice.Automatic).slices
    assert [one.slice for one in found if not one.complete] == [unfinished]


def test_damaged_folders_are_passed_over(a_section, a_panel):
    volume, segmentation = painted_scene()
    folder = make_run(volume, segmentation)
    (folder.path / "job.json").write_text("{", "utf-8")
    (folder.path.parent / "notes").mkdir()
    (folder.path.parent / "0123456789abcdef0123456789abcdef").mkdir()
    a_panel.enter()
    assert a_panel.ui.runsFrame.isHidden()


def test_a_result_that_cannot_be_read_is_told_and_the_painting_is_there(a_section, a_panel):
    volume, segmentation = painted_scene()
    folder = make_run(volume, segmentation)
    (folder.path / "prediction-0.npy").write_bytes(b"half")
    add_segmentation(volume, ["Other"], name="Other")
    a_panel.enter()
    a_panel.ui.segmentationSelector.setCurrentNode(slicer.util.getNode("Other"))
    a_panel.ui.continueButton.click()
    assert "prediction-0.npy' cannot be read" in a_panel.ui.statusLabel.text


def test_work_is_deleted_only_after_asking(a_section, a_panel, monkeypatch):
    volume, segmentation = painted_scene()
    folder = make_run(volume, segmentation)
    a_panel.enter()
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: False)
    a_panel.ui.deleteRunButton.click()
    assert folder.path.is_dir()
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: True)
    a_panel.ui.deleteRunButton.click()
    assert not folder.path.exists() and a_panel.ui.runsFrame.isHidden()
    assert "is deleted" in a_panel.ui.statusLabel.text
    assert mask(segmentation, volume).any()


def test_work_is_deleted_after_the_process_that_may_have_its_files_open(a_section, a_panel, monkeypatch):
    make_run(*painted_scene())
    a_panel.enter()
    a_panel.panel.learning.warmUp()
    worker, running = a_panel.panel.learning.worker, [True]
    assert worker.isRunning
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: True)
    monkeypatch.setattr(RunRestorer, "delete", staticmethod(lambda run: running.append(worker.isRunning)))
    a_panel.ui.deleteRunButton.click()
    assert running == [True, False]


def test_while_something_is_learnt_earlier_work_waits(a_section, a_panel):
    volume, segmentation = painted_scene()
    make_run(volume, segmentation)
    a_panel.enter()
    machine = a_panel.panel.learning.machine
    machine.go(State.Ready)
    machine.go(State.Starting)
    for button in (a_panel.ui.continueButton, a_panel.ui.deleteRunButton):
        assert not button.enabled and "Stop" in tip_of(button)
    machine.go(State.Failed, False)


def learn(widget):
    """Presses Start and waits for the end."""
    machine = widget.panel.learning.machine
    widget.panel.learning.settings = {"steps": 6}
    widget.panel.secondsInsteadOfBudget = 8.0
    widget.ui.startButton.click()
    wait_until(lambda: not machine.state.isBusy, 600)
    assert machine.state is State.Done, widget.ui.statusLabel.text


@pytest.mark.slow
def test_what_was_really_learnt_is_gone_on_with_in_another_scene(a_section, a_panel):
    painted_scene()
    a_panel.enter()
    learn(a_panel)
    assert [line[1:] for line in lines(a_panel.ui)] == [["finished", "Liver"]]
    slicer.mrmlScene.Clear(0)
    assert a_panel.ui.runsFrame.isHidden()
    again = add_volume(IMAGE)
    a_panel.enter()
    a_panel.ui.continueButton.click()
    made = a_panel.ui.segmentationSelector.currentNode()
    assert PredictionLogic.isFor(again, made) and a_panel.ui.acceptButton.enabled
    folder = RunFolder.existing(again, made)
    learn(a_panel)
    history = (folder.path / "history.jsonl").read_text("utf-8").splitlines()
    assert json.loads(history[-1])["step"] == 12  # six more than the first time
    assert len(list(folder.path.parent.iterdir())) == 1


@pytest.fixture
def a_server():
    """A server on this computer with one file; its answer can be changed."""
    answer = {"status": 200, "body": b"voxels" * 100_000}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer["address"] = f"http://127.0.0.1:{server.server_port}/file"
    yield answer
    server.shutdown()
    server.server_close()


@pytest.fixture
def a_sample(a_section, a_server, tmp_path, monkeypatch):
    """The sample on that server; it is loaded as a small volume."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(SampleVolume, "path", property(lambda self: tmp_path / "cache" / "MR-head.nrrd"))
    monkeypatch.setattr(SampleVolume, "load", staticmethod(lambda path: add_volume(IMAGE, name="MRHead")))
    asked = []
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_args, **_named: not asked.append(text)
    )
    a_section.sample._address = a_server["address"]
    a_section.sample._sha256 = hashlib.sha256(a_server["body"]).hexdigest()
    a_section.asked = asked
    return tmp_path / "cache"


def test_the_sample_is_offered_only_where_there_is_no_volume(a_section, a_panel):
    assert not a_panel.ui.sampleButton.isHidden() and "MRHead" in tip_of(a_panel.ui.sampleButton)
    painted_scene()
    a_panel.enter()
    assert a_panel.ui.sampleButton.isHidden()


def test_the_sample_is_downloaded_after_asking_and_made_ready(a_sample, a_section, a_panel):
    ui = a_panel.ui
    ui.sampleButton.click()
    assert "less than 20 MB" in a_section.asked[0] and "Nothing is sent" in a_section.asked[0]
    assert not ui.sampleProgressBar.isHidden() and not ui.sampleButton.enabled
    wait_until(lambda: ui.volumeSelector.currentNode() is not None, 30)
    assert ui.volumeSelector.currentNode().GetName() == "MRHead"
    assert ui.segmentationSelector.currentNode().GetSegmentation().GetNumberOfSegments() == 1
    assert "Paint" in ui.statusLabel.text and ui.sampleButton.isHidden()
    assert [one.name for one in a_sample.iterdir()] == ["MR-head.nrrd"]
    slicer.mrmlScene.Clear(0)
    ui.sampleButton.click()  # it is kept: nobody is asked, nothing is downloaded
    assert len(a_section.asked) == 1 and ui.volumeSelector.currentNode().GetName() == "MRHead"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"address": "http://127.0.0.1:9/file"}, "no connection to the internet"),
        ({"status": 404}, "404"),
        ({"status": 407}, "proxy asks for a password"),
        ({"body": b"cut off"}, "arrived damaged"),
    ],
)
def test_a_download_that_fails_is_told_and_leaves_nothing(
    a_sample, a_server, a_section, a_panel, change, said
):
    a_server.update(change)
    a_section.sample._address = a_server["address"]
    a_panel.ui.sampleButton.click()
    wait_until(lambda: not a_section.sample.isRunning, 60)
    assert said in a_panel.ui.statusLabel.text and "Add Data" in a_panel.ui.statusLabel.text
    assert a_panel.ui.sampleButton.enabled and a_panel.ui.volumeSelector.currentNode() is None
    assert not a_sample.exists() or list(a_sample.iterdir()) == []


def test_a_volume_that_is_chosen_while_the_sample_downloads_stays_chosen(a_sample, a_section, a_panel):
    a_panel.ui.sampleButton.click()
    mine = add_volume(IMAGE, name="Mine")
    a_panel.panel._parameters.volume = mine
    wait_until(lambda: not a_section.sample.isRunning, 60)
    wait_until(lambda: "not loaded" in a_panel.ui.statusLabel.text, 10)
    assert a_panel.ui.volumeSelector.currentNode() is mine and a_panel.ui.sampleProgressBar.isHidden()


def test_who_declines_downloads_nothing(a_sample, a_section, a_panel, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: False)
    a_panel.ui.sampleButton.click()
    assert not a_section.sample.isRunning and not a_sample.exists()


def test_the_sample_is_registered_with_sample_data_once_the_application_is_up(a_module, monkeypatch):
    import sys
    from pathlib import Path
    from types import SimpleNamespace

    registered = []
    logic = SimpleNamespace(registerCustomSampleDataSource=lambda **named: registered.append(named))
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
    slicer.modules.ContrastiveSegInstance.registerSampleData()
    (one,) = registered
    assert one["category"] == "ContrastiveSeg" and one["nodeNames"] == "MRHead"
    assert one["checksums"].removeprefix("SHA256:") in one["uris"] and one["uris"].startswith("https://")
    assert Path(one["thumbnailFileName"]).is_file()
