"""What was learnt, applied to other patients from the panel: real process, real files, real scene."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer
import vtk
from contrastive_seg_phantom import dice, two_organs
from patients_parts import BLUE, another, labels_of, learnt_nodes, section_of, states, wait_for_end
from scene_parts import add_segmentation, add_transform, is_alive, tip_of, wait_until

from contrastive_seg.finetuning.checkpoint import load_state
from ContrastiveSegLib.CaseTable import CaseTable
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PatientTarget import PatientTarget
from ContrastiveSegLib.PatientViewer import PatientViewer
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import SliceView

pytestmark = pytest.mark.usefixtures("a_scene")
SLOW = 200


def relist(widget):
    """What entering the panel does: nodes that are new are found and chosen."""
    widget.enter()


def write_image(path: Path, seed: int, shape=(20, 40, 48)) -> np.ndarray:
    volume, truth = two_organs(shape, seed)
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing((0.8, 0.8, 1.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return truth


def test_the_section_says_why_nothing_can_be_applied(a_panel, a_learnt_run):
    ui = a_panel.ui
    ui.patientsCollapsibleButton.collapsed = False
    assert not ui.patientsStartButton.enabled and "Choose the volume" in tip_of(ui.patientsStartButton)
    volume, _truth = another(1, "Alone")
    segmentation = add_segmentation(volume, ["Liver"])
    relist(a_panel)
    assert "Nothing has been learnt" in tip_of(ui.patientsStartButton), segmentation
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not a_panel.panel.learning.worker.isRunning, 30)
    learnt_nodes(a_learnt_run)
    relist(a_panel)
    assert "no other volume" in tip_of(ui.patientsStartButton)
    ui.patientsSourceBox.setCurrentIndex(2)
    assert "no sequence" in tip_of(ui.patientsStartButton)
    ui.patientsSourceBox.setCurrentIndex(1)
    assert "folder with the images" in tip_of(ui.patientsStartButton)
    assert section_of(a_panel).target().isFiles  # masks of a folder cannot go into the scene
    for button in (ui.patientsReportButton, ui.patientsDicomButton):
        assert not button.enabled and tip_of(button)


def test_checked_volumes_of_the_scene_get_segmentations_with_names_and_colours(a_panel, learnt):
    volume, segmentation = learnt
    first, truth = another(3, "Zweite Müller")
    second, second_truth = another(4, "Zweite Müller")  # an equal name
    moved = np.eye(4)
    moved[:3, 3] = (30, -12, 7)
    second.SetAndObserveTransformNodeID(add_transform(moved).GetID())
    another(5, "Not wanted")
    relist(a_panel)
    section, ui = section_of(a_panel), a_panel.ui
    assert [one.name for one in section.table.cases] == ["Zweite Müller", "Zweite Müller", "Not wanted"]
    ui.patientsTable.item(2, 0).setCheckState(qt.Qt.Unchecked)
    ui.patientsStartButton.click()
    assert ui.patientsStartButton.text == "Stop" and not ui.patientsProgressBar.isHidden()
    wait_for_end(section.logic)
    assert states(section.logic) == [PatientState.Done, PatientState.Done, PatientState.Chosen], [
        one.reason for one in section.logic.cases
    ]
    found = [slicer.mrmlScene.GetNodeByID(one.nodeId) for one in section.logic.cases[:2]]
    assert [one.GetName() for one in found] == ["Zweite Müller (predicted)", "Zweite Müller (predicted)_1"]
    for node, image, expected in zip(found, (first, second), (truth, second_truth), strict=True):
        assert node.GetTransformNodeID() == image.GetTransformNodeID()
        kidney = node.GetSegmentation().GetSegment("Kidney")
        assert kidney.GetColor() == pytest.approx(BLUE, abs=1e-4)
        overlap = dice(labels_of(node, image), expected, 1)
        assert overlap > 0.6
        assert PredictionLogic.isPrediction(node)  # so that nobody learns from it by mistake
    assert ui.patientsTable.item(0, 1).text().startswith("Liver ")
    assert "%" in ui.patientsTable.item(0, 2).text() and not ui.patientsTable.item(0, 0).icon().isNull()
    case = section.logic.cases[1]
    expected = (second_truth == 1).sum() * 0.8 * 0.8 * 1.5 / 1000
    assert case.volumes()[1] == pytest.approx(expected, rel=0.5)
    SliceView()
    ui.patientsTable.cellClicked.emit(1, 0)
    assert [one.GetDisplayNode().GetVisibility() for one in found] == [0, 1]
    assert not segmentation.GetDisplayNode().GetVisibility()  # it belongs to another patient
    a_panel.panel._parameters.volume = second  # what is gone back to is what was learnt, all the same
    ui.patientsBackButton.click()
    assert segmentation.GetDisplayNode().GetVisibility() and ui.patientsBackButton.isHidden()
    assert SliceView().composite.GetBackgroundVolumeID() == volume.GetID()
    a_panel.panel._parameters.volume = volume
    assert not found[1].GetDisplayNode().GetVisibility()
    inside = labels_of(found[1], second)
    index = np.linalg.inv(VolumeGrid(second).ijkToWorld()) @ [*case.result["center_ras"], 1]
    i, j, k = (round(float(one)) for one in index[:3])
    assert inside[k, j, i] > 0  # that is where the views jump to
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 2 and volume.GetName() == "Phantom"


def test_a_second_run_replaces_its_own_result_but_not_one_that_somebody_changed(a_panel, learnt):
    image, _truth = another(3, "Other")
    relist(a_panel)
    section = section_of(a_panel)
    logic = section.logic
    a_panel.ui.patientsStartButton.click()
    wait_for_end(logic)
    first = logic.cases[0].nodeId
    logic.start(*learnt, PatientTarget(), cases=list(logic.cases))
    wait_for_end(logic)
    assert logic.cases[0].nodeId == first
    node = slicer.mrmlScene.GetNodeByID(first)
    node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").Modified()
    logic.start(*learnt, PatientTarget(), cases=list(logic.cases))
    wait_for_end(logic)
    assert logic.cases[0].nodeId != first and slicer.mrmlScene.IsNodePresent(node), image.GetName()


def test_what_is_wrong_is_said_in_the_section_itself(a_panel, learnt):
    another(3, "Other")
    relist(a_panel)
    section, ui = section_of(a_panel), a_panel.ui
    ui.patientsTable.item(0, 0).setCheckState(qt.Qt.Unchecked)
    ui.patientsStartButton.click()
    assert ui.patientsStatusLabel.text == "Check at least one volume in the list."
    assert not ui.patientsStatusLabel.isHidden() and not section.logic.isRunning


def test_the_way_back_is_there_also_after_a_second_run(a_panel, learnt):
    volume, segmentation = learnt
    image, _truth = another(3, "Other")
    relist(a_panel)
    section, ui, view = section_of(a_panel), a_panel.ui, SliceView()
    ui.patientsStartButton.click()
    wait_for_end(section.logic)
    ui.patientsTable.cellClicked.emit(0, 0)
    assert not segmentation.GetDisplayNode().GetVisibility()
    ui.patientsStartButton.click()
    assert not ui.patientsBackButton.isHidden()
    wait_for_end(section.logic)
    assert view.composite.GetBackgroundVolumeID() == image.GetID()
    ui.patientsBackButton.click()
    assert segmentation.GetDisplayNode().GetVisibility() and ui.patientsBackButton.isHidden()
    assert view.composite.GetBackgroundVolumeID() == volume.GetID()


def test_a_folder_gives_files_a_failure_says_why_and_a_click_reads_the_image(a_panel, learnt, tmp_path):
    source, masks = tmp_path / "Bilder ü", tmp_path / "masks"
    truth = write_image(source / "a" / "scan.nii.gz", 3)
    write_image(source / "b" / "scan.nii.gz", 4)
    (source / "b" / "kaputt 脳.nrrd").write_bytes(b"NRRD0004\nthis is none")
    write_image(source / "b" / "coarse.mha", 5, (6, 16, 18))
    section, ui = section_of(a_panel), a_panel.ui
    ui.patientsSourceBox.setCurrentIndex(1)
    section.setFolder(source)
    assert "folder for the files" in tip_of(ui.patientsStartButton)
    section.setMasksFolder(masks)
    ui.patientsStartButton.click()
    wait_for_end(section.logic)
    by_name = {one.name: one for one in section.logic.cases}
    assert by_name["a/scan.nii.gz"].state is PatientState.Done
    broken = by_name["b/kaputt 脳.nrrd"]
    assert broken.state is PatientState.Failed and "kaputt" in broken.reason
    assert (masks / "a" / "scan_predicted.seg.nrrd").is_file()
    assert (masks / "b" / "scan_predicted.seg.nrrd").is_file()
    assert "1 failed" in ui.patientsStatusLabel.text
    coarse = by_name["b/coarse.mha"]
    assert any("mm large" in one for one in coarse.result["differences"]) and coarse.first

    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(masks / "a" / "scan_predicted.seg.nrrd"))
    assert storage.ReadData(loaded)
    assert [
        loaded.GetSegmentation().GetNthSegment(index).GetName() for index in range(2)
    ] == ["Liver", "Kidney"]  # fmt: skip
    assert loaded.GetSegmentation().GetNthSegment(1).GetColor() == pytest.approx(BLUE, abs=1e-3)

    row = section.table.cases.index(by_name["a/scan.nii.gz"])
    ui.patientsTable.cellClicked.emit(row, 0)
    wait_until(lambda: by_name["a/scan.nii.gz"].loadedId != "", 60)
    shown = slicer.mrmlScene.GetNodeByID(by_name["a/scan.nii.gz"].loadedId)
    assert shown.GetName() == "scan.nii.gz" and VolumeGrid(shown).shape == truth.shape
    node = slicer.mrmlScene.GetNodeByID(by_name["a/scan.nii.gz"].nodeId)
    overlap = dice(labels_of(node, shown), truth, 1)
    assert overlap > 0.6

    report = tmp_path / "Bericht ü.html"
    section.logic.saveReport(report)
    wait_until(report.is_file, 60)
    text = report.read_text("utf-8")
    assert "a/scan.nii.gz" in text and "kaputt 脳.nrrd" in text and "data:image/png;base64," in text

    before = (masks / "a" / "scan_predicted.seg.nrrd").stat().st_mtime_ns
    wait_until(lambda: not section.logic.channel._asked, 30)
    ui.patientsStartButton.click()
    wait_for_end(section.logic)
    kept = next(one for one in section.logic.cases if one.name == "a/scan.nii.gz")
    assert kept.result["kept"] and (masks / "a" / "scan_predicted.seg.nrrd").stat().st_mtime_ns == before
    assert "kept" in ui.patientsTable.item(row, 1).text()


@pytest.mark.slow
def test_stop_keeps_what_is_done_and_go_on_does_the_rest(a_panel, learnt):
    for seed in range(3):
        another(seed, f"Patient {seed}")
    relist(a_panel)
    section, ui = section_of(a_panel), a_panel.ui
    logic = section.logic
    ui.patientsStartButton.click()
    wait_until(lambda: PatientState.Done in states(logic), SLOW)
    ui.patientsStartButton.click()
    assert not logic.isRunning and ui.patientsStartButton.text == "Segment"
    done = states(logic).count(PatientState.Done)
    assert done < 3 and PatientState.Stopped in states(logic) and not ui.patientsGoOnButton.isHidden()
    wait_until(lambda: not logic.channel.process.isRunning, 20)
    ui.patientsGoOnButton.click()
    wait_for_end(logic)
    assert states(logic) == [PatientState.Done] * 3 and ui.patientsGoOnButton.isHidden()


def test_before_the_first_patient_it_is_learnt_once_how_to_segment_others(a_panel, learnt):
    another(1, "First")
    another(2, "Second")
    relist(a_panel)
    section, logic = section_of(a_panel), section_of(a_panel).logic
    run = RunFolder.of(*learnt).path
    shutil.rmtree(run / "others")
    job = json.loads((run / "job.json").read_text("utf-8"))
    (run / "job.json").write_text(json.dumps({**job, "settings": {**job["settings"], "steps": 8}}), "utf-8")
    said, lines = [], []
    logic.said.connect(said.append)
    logic.changed.connect(lambda case: lines.append((case.name, CaseTable.words(case, {}))))
    a_panel.ui.patientsStartButton.click()
    wait_for_end(logic)
    assert states(logic) == [PatientState.Done] * 2
    learning = [sentence for sentence in said if "Once, before the first" in sentence]
    assert len(learning) == 1 and said.index("2 of 2: Second") > said.index(learning[0])
    assert {name for name, words in lines if words.startswith("Learning, ")} == {"First"}
    assert load_state(run / "others").step == load_state(run).step + 8
    assert section.logic.cases[0].fraction == 1.0


@pytest.mark.slow
def test_a_case_at_which_the_process_dies_fails_and_the_next_one_is_done(a_panel, learnt):
    another(1, "Deadly")
    another(2, "Harmless")
    relist(a_panel)
    logic = section_of(a_panel).logic
    killed = []

    def kill(case):
        if case.name == "Deadly" and case.state is PatientState.Segmenting and not killed:
            killed.append(logic.channel.process.pid)
            for pid in [*logic.channel.process.descendants(), logic.channel.process.pid]:
                os.kill(pid, signal.SIGKILL)

    logic.changed.connect(kill)
    a_panel.ui.patientsStartButton.click()
    wait_for_end(logic)
    assert killed and not is_alive(killed[0])
    assert states(logic) == [PatientState.Failed, PatientState.Done]
    assert "ended from outside or ran out of memory" in logic.cases[0].reason
    assert "Failed" in a_panel.ui.patientsTable.item(0, 1).text()


def test_while_something_is_learnt_the_next_case_waits_and_the_panel_says_why(a_panel, learnt):
    another(1, "Other")
    relist(a_panel)
    section, ui = section_of(a_panel), a_panel.ui
    machine = a_panel.panel.learning.machine
    ui.patientsStartButton.click()
    machine.go(State.Ready)
    machine.go(State.Starting)
    assert "learning has finished" in ui.patientsStatusLabel.text
    wait_until(lambda: section.logic.channel.isReady, SLOW)
    assert states(section.logic) == [PatientState.Waiting]
    machine.go(State.Ready)
    wait_for_end(section.logic)
    assert states(section.logic) == [PatientState.Done]
    machine.go(State.Starting)
    assert not ui.patientsStartButton.enabled and "learning" in tip_of(ui.patientsStartButton)
    machine.go(State.Ready)


def test_a_volume_that_is_removed_meanwhile_fails_and_a_closed_scene_ends_it_all(a_panel, learnt):
    gone, _truth = another(1, "Gone")
    another(2, "There")
    relist(a_panel)
    logic = section_of(a_panel).logic
    a_panel.ui.patientsStartButton.click()
    slicer.mrmlScene.RemoveNode(gone)
    wait_until(lambda: PatientState.Failed in states(logic), SLOW)
    assert "was removed" in logic.cases[0].reason
    work = logic.work
    slicer.mrmlScene.Clear(0)
    assert not logic.isRunning and logic.cases == [] and not work.exists()
    wait_until(lambda: not logic.channel.process.isRunning, 20)


def test_what_hinders_all_cases_ends_the_run_with_a_sentence_and_go_on_tries_again(a_panel, learnt, tmp_path):
    another(1, "Other")
    relist(a_panel)
    section, ui = section_of(a_panel), a_panel.ui
    ui.patientsTargetBox.setCurrentIndex(2)
    masks = tmp_path / "masks"
    masks.write_text("a file where the folder should be")
    section.setMasksFolder(masks)
    ui.patientsStartButton.click()
    wait_for_end(section.logic)
    assert "masks" in ui.patientsStatusLabel.text and states(section.logic) == [PatientState.Stopped]
    masks.unlink()
    ui.patientsGoOnButton.click()
    wait_for_end(section.logic)
    assert (masks / "Other_predicted.nii.gz").is_file() and (masks / "labels.csv").is_file()


def test_without_packages_nothing_starts_and_set_up_opens_with_a_sentence(a_panel, learnt, monkeypatch):
    another(1, "Other")
    relist(a_panel)
    section, ui, installing = section_of(a_panel), a_panel.ui, a_panel.panel.installing
    packages = [replace(one, condition=Condition.Missing) for one in installing.packages()]
    monkeypatch.setattr(installing, "packages", lambda: packages)
    for start in (ui.patientsStartButton.click, section._onGoOn):
        ui.statusLabel.text = ""
        start()
        assert "PyTorch" in ui.statusLabel.text and "Press Install" in ui.statusLabel.text
        assert not section.logic.isRunning and not ui.setUpCollapsibleButton.isHidden()
    monkeypatch.undo()
    installing.isInstalling = True
    ui.patientsStartButton.click()
    assert "being installed" in ui.statusLabel.text and not section.logic.isRunning
    installing.isInstalling = False


def test_go_on_says_why_it_cannot_be_pressed(a_panel):
    section, machine = section_of(a_panel), a_panel.panel.learning.machine
    section.logic.cases = [PatientCase("0001", "Other", state=PatientState.Stopped)]
    machine.go(State.Ready)
    assert a_panel.ui.patientsGoOnButton.enabled and "the rest" in tip_of(a_panel.ui.patientsGoOnButton)
    machine.go(State.Starting)
    assert not a_panel.ui.patientsGoOnButton.enabled and "Wait" in tip_of(a_panel.ui.patientsGoOnButton)
    machine.go(State.Empty)


def test_the_way_back_is_there_also_in_a_scene_that_was_saved_and_opened_again(
    a_painted_scene, a_panel, tmp_path
):
    volume, segmentation = a_painted_scene
    other, _truth = another(3, "Other")
    view = SliceView()
    view.show(volume)
    results = PatientResults(segmentation, {"Ball": 1})
    section_of(a_panel).logic.viewer = PatientViewer(
        section_of(a_panel).logic.channel, tmp_path, results, None
    )
    case = PatientCase("0001", "Other", volumeId=other.GetID())
    section_of(a_panel).logic.viewer.show(case, [case])
    assert not segmentation.GetDisplayNode().GetVisibility()
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"), vtk.vtkImageData())
    slicer.mrmlScene.Clear(0)
    relist(a_panel)
    assert a_panel.ui.patientsBackButton.isHidden()
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    relist(a_panel)
    volume, segmentation = a_panel.panel.nodes()
    assert not segmentation.GetDisplayNode().GetVisibility()
    assert not a_panel.ui.patientsBackButton.isHidden()
    a_panel.ui.patientsBackButton.click()
    assert segmentation.GetDisplayNode().GetVisibility() and a_panel.ui.patientsBackButton.isHidden()
    assert SliceView().composite.GetBackgroundVolumeID() == volume.GetID()
