"""The mask of another patient is corrected and called right, and the next Segment learns from it, too."""

import json

import numpy as np
import pytest
import qt
import slicer
import vtk
from patients_parts import another, labels_of, section_of, states, wait_for_end
from scene_parts import add_transform, paint, tip_of, wait_until

from contrastive_seg.provenance import array_sha256
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker
from slicer_harness.views import SliceView

pytestmark = pytest.mark.usefixtures("a_scene")
VALUES = {"Liver": 1, "Kidney": 7}


def choose(widget, row):
    """What a click on a line does."""
    widget.ui.patientsTable.setCurrentCell(row, 0)
    widget.ui.patientsTable.cellClicked.emit(row, 0)


def check(widget, isRight):
    box = widget.ui.patientsRightCheckBox
    assert box.checked is not isRight
    box.click()


def mask_of(widget, row):
    return section_of(widget).table.cases[row].maskNode()


def repaint(node, volume, truth):
    """What a person does in the Segment Editor: every slice becomes right."""
    for value, segment in ((1, "Liver"), (7, "Kidney")):
        paint(node, segment, truth == value, volume)


@pytest.fixture
def others(a_panel, learnt):
    """Two other patients, listed: (volume, truth) of each."""
    run = RunFolder.of(*learnt).path  # learns a few steps more for others, as often as it has to
    job = json.loads((run / "job.json").read_text("utf-8"))
    (run / "job.json").write_text(json.dumps({**job, "settings": {**job["settings"], "steps": 4}}), "utf-8")
    found = another(3, "Berta"), another(4, "Carl")
    a_panel.enter()
    assert a_panel.ui.patientsRightFrame.isHidden()
    return found


@pytest.fixture
def segmented(a_panel, learnt, others):
    """The same with masks, as if they had been segmented: here what is true."""
    section = section_of(a_panel)
    results = PatientResults(learnt[1], VALUES, run=RunFolder.of(*learnt))
    results.know(results.structures())
    for case, (volume, truth) in zip(section.table.cases, others, strict=True):
        case.result = {"start": [0, 0, 0], "size": list(truth.shape[::-1])}
        results.show(case, truth, volume)
        case.state = PatientState.Done
    a_panel.panel.update()
    return others


def test_a_mask_that_was_called_right_is_learnt_from_before_the_others_are_segmented_again(
    a_panel, learnt, others
):
    (berta, truth), (carl, _) = others
    ui, logic = a_panel.ui, section_of(a_panel).logic
    ui.patientsStartButton.click()
    wait_for_end(logic)
    origin = RunFolder.of(*learnt).path / "others" / "origin.json"
    before = json.loads(origin.read_text("utf-8"))
    assert "reviewed_sha256" not in before and not ui.patientsRightFrame.isHidden()
    assert not ui.patientsRightCheckBox.enabled and "Click a case" in tip_of(ui.patientsRightCheckBox)
    choose(a_panel, 0)
    mask = mask_of(a_panel, 0)
    repaint(mask, berta, truth)
    check(a_panel, True)
    assert ui.patientsTable.item(0, 0).checkState() == qt.Qt.Unchecked  # it needs no second mask
    assert ui.patientsTable.item(1, 0).checkState() == qt.Qt.Checked
    assert ui.patientsTable.item(0, 1).text().startswith("✓ Right")
    assert "and from Berta" in ui.patientsRightLabel.text
    former = labels_of(mask_of(a_panel, 1), carl)

    said = []
    logic.said.connect(said.append)
    ui.patientsStartButton.click()
    assert not ui.patientsRightCheckBox.enabled
    logic.stop()  # while the mask is being written
    assert states(logic) == [PatientState.Chosen, PatientState.Stopped]
    ui.patientsGoOnButton.click()
    wait_for_end(logic)
    assert states(logic) == [PatientState.Chosen, PatientState.Done], said
    after = json.loads(origin.read_text("utf-8"))
    image = np.asarray(slicer.util.arrayFromVolume(berta))
    assert after["reviewed_sha256"] == [[array_sha256(image), array_sha256(truth.astype(np.int16))]]
    assert any("Once, before the first" in one for one in said)
    assert (labels_of(mask, berta) == truth).all()  # nobody touches what is right
    assert (labels_of(mask_of(a_panel, 1), carl) != former).any()
    assert ui.patientsTable.item(0, 1).text().startswith("✓ Right")

    choose(a_panel, 0)
    check(a_panel, False)
    assert "Correct one mask" in ui.patientsRightLabel.text
    assert ui.patientsTable.item(0, 0).checkState() == qt.Qt.Checked
    assert ReviewedPatients.of(RunFolder.of(*learnt)) == []


def test_correct_opens_the_mask_in_the_segment_editor(a_panel, learnt, segmented, monkeypatch):
    opened, view = [], SliceView()
    monkeypatch.setattr(SegmentationMaker, "openEditor", lambda *nodes: opened.append(nodes))
    ui, (carl, _truth) = a_panel.ui, segmented[1]
    assert not ui.patientsCorrectButton.enabled
    ui.patientsTable.setCurrentCell(1, 0)
    assert ui.patientsCorrectButton.enabled
    ui.patientsCorrectButton.click()
    mask = mask_of(a_panel, 1)
    assert opened == [(carl, mask)]
    assert mask.GetDisplayNode().GetVisibility() and not learnt[1].GetDisplayNode().GetVisibility()
    assert view.composite.GetBackgroundVolumeID() == carl.GetID()


def test_a_mask_that_is_right_is_not_replaced_even_if_its_patient_is_segmented_again(learnt, segmented):
    berta, truth = segmented[0]
    results = PatientResults(learnt[1], VALUES, run=RunFolder.of(*learnt))
    results.know(results.structures())
    case = PatientCase("0001", "Berta", volumeId=berta.GetID())
    case.result = {"start": [0, 0, 0], "size": list(truth.shape[::-1])}
    mask = results.show(case, truth, berta)
    assert results.show(case, truth * 0, berta) is mask and not labels_of(mask, berta).any()
    ReviewedPatients.mark(mask, True)
    assert results.show(case, truth, berta) is not mask
    assert not labels_of(mask, berta).any()


def test_what_was_called_right_is_known_in_a_scene_that_was_saved(a_panel, learnt, segmented, tmp_path):
    choose(a_panel, 0)
    check(a_panel, True)
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path, vtk.vtkImageData())
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(path, True)
    wait_until(lambda: not a_panel.panel.learning.worker.isRunning, 30)
    a_panel.enter()
    a_panel.ui.patientsCollapsibleButton.collapsed = False
    section = section_of(a_panel)
    section.update()
    names = [(one.name, one.wanted) for one in section.table.cases]
    assert names == [("Berta", False), ("Carl", True)]
    assert a_panel.ui.patientsTable.item(0, 1).text().startswith("✓ Right")
    assert "and from Berta" in a_panel.ui.patientsRightLabel.text


def test_a_mask_that_lies_beside_its_volume_by_now_is_named_and_nothing_begins(a_panel, segmented):
    logic = section_of(a_panel).logic
    choose(a_panel, 0)
    check(a_panel, True)
    moved = np.eye(4)
    moved[0, 3] = 5000.0
    segmented[0][0].SetAndObserveTransformNodeID(add_transform(moved).GetID())
    a_panel.ui.patientsStartButton.click()
    wait_for_end(logic)
    assert "does not touch the volume 'Berta'" in a_panel.ui.patientsStatusLabel.text
    assert states(logic) == [PatientState.Chosen, PatientState.Stopped]
    assert not logic.channel.process.isRunning


def test_a_mask_is_written_as_the_process_reads_it(learnt, segmented, tmp_path):
    berta, truth = segmented[0]
    mask = next(
        one for one in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if "Ber" in one.GetName()
    )
    ReviewedPatients.mark(mask, True)
    written = Chunks.finish(ReviewedPatients(RunFolder.of(*learnt), VALUES, tmp_path).write())
    assert [one["name"] for one in written] == ["Berta"]
    labels = np.load(tmp_path / written[0]["labels"])
    assert labels.dtype == np.int16 and (labels == truth).all() and labels.any()
    assert (np.load(tmp_path / written[0]["image"]) == slicer.util.arrayFromVolume(berta)).all()
    assert sorted(one.suffix for one in tmp_path.iterdir()) == [".npy", ".npy"]
    slicer.mrmlScene.RemoveNode(berta)
    assert ReviewedPatients.of(RunFolder.of(*learnt)) == []


def test_cases_that_cannot_be_learnt_from_say_why():
    frame = PatientCase("0001", "Frame 1", frame=0, state=PatientState.Done)
    file = PatientCase("0002", "scan.nii.gz", place="scan", state=PatientState.Done)
    waiting = PatientCase("0003", "Other", state=PatientState.Waiting)
    plain = PatientCase("0004", "Other")
    for case, words in ((frame, "Single frames"), (file, "Click"), (waiting, "Wait"), (plain, "no mask")):
        assert words in ReviewedPatients.whyNot(case)
    assert "Click a case" in ReviewedPatients.whyNot(None)
