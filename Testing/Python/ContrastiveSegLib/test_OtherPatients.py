"""Parts of the section Other patients that need no process."""

import os
import subprocess

import numpy as np
import pytest
import slicer
import slicer.util
from scene_parts import add_segmentation, add_transform, add_volume, ball, paint, python_program, wait_until

from ContrastiveSegLib.CaseTable import CaseTable
from ContrastiveSegLib.DicomSegExport import DicomSegExport
from ContrastiveSegLib.OtherPatientsLogic import OtherPatientsLogic
from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientChannel import PatientChannel
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.PatientTarget import PatientTarget
from ContrastiveSegLib.PatientViewer import PatientViewer
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.SceneVolumes import SceneVolumes
from ContrastiveSegLib.SequenceLogic import ImageSequence, SequenceLogic
from ContrastiveSegLib.SlabCopy import SlabCopy
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.WorkFolder import WorkFolder
from slicer_harness.views import SliceView

pytestmark = pytest.mark.usefixtures("a_scene")


def copied(steps, seconds=30):
    ended = []
    copy = SlabCopy(steps, ended.append, ended.append)
    wait_until(lambda: bool(ended), seconds)
    assert copy is not None
    return ended[0]


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.float64])
def test_a_volume_written_in_pieces_is_the_volume(tmp_path, kind):
    array = np.random.default_rng(0).uniform(0, 200, (7, 33, 21)).astype(kind)
    node = add_volume(array)
    assert copied(SlabCopy.write(node, tmp_path / "a.npy")) is None
    written = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert written.dtype.itemsize <= 4 and np.allclose(written, array)
    assert [one.name for one in tmp_path.iterdir()] == ["a.npy"]
    image = copied(SlabCopy.read(tmp_path / "a.npy"))
    other = slicer.vtkMRMLScalarVolumeNode()
    other.SetAndObserveImageData(image)
    assert np.allclose(slicer.util.arrayFromVolume(other), array)


def test_colours_become_the_same_grey_as_for_learning(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (3, 8, 9, 3)).astype(np.uint8)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    slicer.util.updateVolumeFromArray(node, array)
    copied(SlabCopy.write(node, tmp_path / "a.npy"))
    assert np.allclose(np.load(tmp_path / "a.npy"), VolumeExport.imageArray(node), atol=1e-3)


def test_a_volume_that_changes_meanwhile_is_no_result(tmp_path):
    node = add_volume(np.zeros((4, 5, 6), np.int16))
    steps = SlabCopy.write(node, tmp_path / "a.npy")
    next(steps)
    slicer.util.arrayFromVolume(node)[:] = 7
    slicer.util.arrayFromVolumeModified(node)
    with pytest.raises(UserError, match="was changed"):
        next(steps)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    node = add_volume(np.zeros((4, 5, 6), np.int16))
    failed = copied(SlabCopy.write(node, tmp_path / "not there" / "a.npy"))
    assert isinstance(failed, UserError) and "cannot be written" in str(failed)
    assert "cannot be read" in str(copied(SlabCopy.read(tmp_path / "none.npy")))


def test_only_volumes_that_may_be_patients_are_listed(a_volume_node):
    other = add_volume(ball((4, 5, 6)), name="a/b")
    add_volume(ball((4, 5, 6)), name="a/b")
    shown = add_volume(ball((4, 5, 6)), name="proxy")
    segmentation = add_segmentation(a_volume_node, ["Ball"])
    grid = VolumeGrid(a_volume_node)
    PercentVolume(segmentation, "uncertainty").update(grid, np.zeros(grid.shape, np.uint8), "map")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    cases = SceneVolumes.cases(a_volume_node, {shown.GetID()})
    assert cases[0].volumeId == other.GetID()
    assert [one.name for one in cases] == ["a/b", "a/b"]
    assert len({one.place for one in cases}) == 2 and "/b" not in cases[0].place


def test_a_box_of_labels_comes_to_its_place_and_an_edited_result_is_kept(a_volume_node):
    source = add_segmentation(a_volume_node, ["Ball"])
    source.GetSegmentation().GetSegment("Ball").SetColor(0.2, 0.4, 0.6)
    other = add_volume(ball((10, 20, 30)), np.diag([-1.0, -2.0, 3.0, 1.0]), name="Other")
    other.SetAndObserveTransformNodeID(add_transform(np.diag([1.0, 1.0, 1.0, 1.0])).GetID())
    results = PatientResults(source, {"Ball": 1})
    assert results.structures()[0]["colour"] == pytest.approx([0.2, 0.4, 0.6])
    results.know([*results.structures(), {"value": 9, "name": "Gone", "colour": [1, 0, 0]}])
    box = np.zeros((2, 3, 4), np.uint8)
    box[:, 1:, :] = 1
    box[0, 0, 0] = 9
    case = PatientCase("1", "Other", volumeId=other.GetID())
    case.result = {"start": [4, 5, 6], "size": [30, 20, 10]}
    node = results.show(case, box, other)
    assert node.GetName() == "Other (predicted)"
    found = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Ball", other)
    expected = np.zeros((10, 20, 30), bool)
    expected[4:6, 6:8, 6:10] = True
    assert np.array_equal(found > 0, expected)
    assert node.GetSegmentation().GetSegment("Segment_9").GetName() == "Gone"
    case.nodeId = ""
    assert results.show(case, box, other) is node
    paint(node, "Ball", ball((10, 20, 30)), other)
    case.nodeId = ""
    assert results.show(case, box, other) is not node
    case.result["size"] = [1, 2, 3]
    with pytest.raises(UserError, match="was changed"):
        results.show(case, box, other)


def test_lines_of_the_list_say_volumes_differences_and_doubt():
    case = PatientCase("1", "Other", state=PatientState.Done)
    case.result = {
        "volume_ml": {"1": 12.34, "7": 0.0},
        "uncertainty": 23.6,
        "differences": ["Voxels of 5 mm."],
    }
    assert CaseTable.words(case, {1: "Liver"}) == "Liver 12.3 ml\n7 0.0 ml\nVoxels of 5 mm."
    assert CaseTable.unsure(case) == "24 %"
    case.first = ["Nothing was found of: 7."]
    assert CaseTable.unsure(case) == "⚠ 24 %" and "Other" in CaseTable.summary([case])
    case.state, case.reason = PatientState.Failed, "It is broken."
    assert CaseTable.words(case, {}) == "Failed: It is broken." and CaseTable.unsure(case) == ""


def test_why_nothing_can_be_applied_or_exported(a_volume_node, a_segmentation_node, tmp_path):
    assert "Choose" in Readiness.whyNotApply(None, None)
    assert "Nothing has been learnt" in Readiness.whyNotApply(a_volume_node, a_segmentation_node)
    with pytest.raises(UserError, match="Nothing has been learnt"):
        OtherPatientsLogic().start(a_volume_node, a_segmentation_node, PatientTarget(), cases=[])
    with pytest.raises(UserError, match="Choose a folder"):
        PatientTarget("nii.gz").message()
    assert "Quantitative Reporting" in DicomSegExport.whyNot([])
    with pytest.raises(UserError, match="Quantitative Reporting"):
        DicomSegExport.export([], tmp_path)
    with pytest.raises(UserError, match="was removed"):
        SequenceLogic(ImageSequence("none", "none"))


class _DicomPlugin:
    """As Quantitative Reporting's plugin: finds out what can be exported, and writes it."""

    written: list[str] = []
    answer = ""

    class _Exportable:
        __slots__ = ("directory", "item")

    def examineForExport(self, item):
        exportable = self._Exportable()
        exportable.item = item
        return [exportable]

    def export(self, exportables):
        self.written.extend(one.directory for one in exportables)
        return self.answer


def test_dicom_segmentations_are_offered_for_dicom_volumes_and_no_folder_is_used_twice(
    a_volume_node, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        slicer.modules, "dicomPlugins", {"DICOMSegmentationPlugin": _DicomPlugin}, raising=False
    )
    monkeypatch.setattr(_DicomPlugin, "written", [])
    case = PatientCase("1", "CT", volumeId=a_volume_node.GetID(), place="CT_predicted")
    assert "no segmentation in the scene" in DicomSegExport.whyNot([case])
    node = add_segmentation(a_volume_node, ["Ball"], name="CT (predicted)")
    case.nodeId = node.GetID()
    assert "loaded from DICOM" in DicomSegExport.whyNot([case])
    a_volume_node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert DicomSegExport.whyNot([case]) == ""
    DicomSegExport.export([case], tmp_path)
    assert DicomSegExport.export([case], tmp_path).startswith("1 DICOM")
    assert _DicomPlugin.written == [str(tmp_path / "CT_predicted"), str(tmp_path / "CT_predicted-2")]
    monkeypatch.setattr(_DicomPlugin, "answer", "no patient")
    with pytest.raises(UserError, match="no patient"):
        DicomSegExport.export([case], tmp_path)


def test_back_from_another_patient_brings_what_lay_over_the_image(
    a_volume_node, a_segmentation_node, tmp_path
):
    pet, views = add_volume(ball((12, 30, 40)), name="PET"), [SliceView("Red"), SliceView("Yellow")]
    for view, opacity in zip(views, (0.3, 0.0), strict=True):
        view.show(a_volume_node)
        view.composite.SetForegroundVolumeID(pet.GetID() if opacity else None)
        view.composite.SetForegroundOpacity(opacity)
    others = [add_volume(ball((12, 30, 40)), name=name) for name in ("Second", "Third")]
    results = PatientResults(a_segmentation_node, {"Ball": 1})
    viewer = PatientViewer(PatientChannel(), tmp_path, results, None)
    for other in others:
        viewer.show(PatientCase("1", other.GetName(), volumeId=other.GetID()), [])
        for view in views:
            assert view.composite.GetBackgroundVolumeID() == other.GetID()
            assert view.composite.GetForegroundVolumeID() is None
    viewer.back(a_volume_node)
    assert [view.composite.GetBackgroundVolumeID() for view in views] == [a_volume_node.GetID()] * 2
    assert [view.composite.GetForegroundVolumeID() for view in views] == [pet.GetID(), None]
    assert [view.composite.GetForegroundOpacity() for view in views] == pytest.approx([0.3, 0.0])


def test_a_map_that_is_switched_off_meanwhile_does_not_come_back_with_the_image(
    a_volume_node, a_segmentation_node
):
    pet, view = add_volume(ball((12, 30, 40)), name="PET"), SliceView("Red")
    view.show(a_volume_node)
    view.composite.SetForegroundVolumeID(pet.GetID())
    uncertainty = PercentVolume(a_segmentation_node, "uncertainty")
    uncertainty.update(VolumeGrid(a_volume_node), np.zeros((12, 30, 40), np.uint8), "Map")
    uncertainty.setShown(True)
    other = add_volume(ball((12, 30, 40)), name="Other")
    PatientResults.lookAt(PatientCase("1", "Other"), other)
    uncertainty.setShown(True)  # any choice does so: the map must not lie over another patient
    assert view.composite.GetForegroundVolumeID() is None
    uncertainty.setShown(False)
    PatientResults.lookBack(a_volume_node)
    assert view.composite.GetForegroundVolumeID() == pet.GetID()


class Channel:
    """Stands for the process that reads files: it is asked, and answers when the test wants."""

    def __init__(self):
        self.asked = []

    def later(self, what):
        what()

    def send(self, what, case, **arguments):
        self.asked.append(case)

    def rest(self):
        pass


def test_an_image_that_is_read_late_does_not_push_aside_the_patient_chosen_since(tmp_path):
    learnt, other = add_volume(ball((4, 5, 6)), name="Learnt"), add_volume(ball((4, 5, 6)), name="Other")
    results, channel = PatientResults(add_segmentation(learnt, ["Ball"]), {"Ball": 1}), Channel()
    viewer = PatientViewer(channel, tmp_path, results, None)
    slow = PatientCase("0001", "Slow", path=tmp_path / "slow.nrrd")
    quick = PatientCase("0002", "Quick", volumeId=other.GetID())
    view = SliceView()
    event = {"ijk_to_ras": np.eye(4).tolist(), "window": [0, 1]}
    for chosen in ("quick", "back"):
        slow.loadedId = ""
        viewer.show(slow, [slow, quick])
        assert channel.asked[-1] is slow
        viewer.show(quick, [slow, quick])
        if chosen == "back":
            viewer.back(learnt)
        np.save(tmp_path / "shown-0001.npy", ball((4, 5, 6)))
        viewer.take(slow, event)
        wait_until(lambda: bool(slow.loadedId), 30)
        shown = other if chosen == "quick" else learnt
        assert view.composite.GetBackgroundVolumeID() == shown.GetID() and viewer.isAway == (shown is other)
    viewer.show(slow, [slow, quick])  # now it is there
    assert view.composite.GetBackgroundVolumeID() == slow.loadedId


def test_folders_that_a_killed_application_has_left_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path))
    ended = subprocess.Popen([python_program(), "-c", ""])
    ended.wait()
    number = "0123456789abcdef" * 2
    names = [
        f"ContrastiveSeg-{ended.pid}-{number}",
        f"ContrastiveSeg-{os.getpid()}-{number}",
        "ContrastiveSeg-1",
    ]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "image-0001.npy").write_bytes(b"voxels")
    made = WorkFolder.make()
    assert {one.name for one in tmp_path.iterdir()} == {*names[1:], made.name}
    assert (tmp_path / names[1] / "image-0001.npy").is_file()  # another batch of this application
