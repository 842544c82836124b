"""To which nodes a run belongs: not to clones of them."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, predict_ball

from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder
from ContrastiveSegLib.Runs.RunRestorer import RunRestorer
from ContrastiveSegLib.Runs.RunState import RunState
from ContrastiveSegLib.Runs.RunSummary import RunSummary

SHAPE = (6, 20, 24)

pytestmark = pytest.mark.usefixtures("a_scene")


@pytest.fixture
def a_run():
    """A volume, a segmentation, and the folder of their run."""
    volume = add_volume(ball(SHAPE) * 300)
    segmentation = add_segmentation(volume, ["Ball"])
    return volume, segmentation, RunFolder.of(volume, segmentation).create()


def clone_of(node):
    """What Clone in the subject hierarchy makes: a new node with the content of the other one."""
    made = slicer.mrmlScene.AddNewNodeByClass(node.GetClassName(), f"{node.GetName()} Copy")
    made.CopyContent(node)
    return made


def test_a_cloned_segmentation_has_a_run_of_its_own(a_run):
    volume, segmentation, folder = a_run
    clone = clone_of(segmentation)
    assert clone.GetAttribute("ContrastiveSeg.Run")  # or this test says nothing
    assert RunFolder.existing(volume, clone) is None and RunFolder.numberOf(clone) == ""
    other = RunFolder.of(volume, clone).create()
    assert other.path != folder.path and RunFolder.existing(volume, clone).path == other.path
    assert RunFolder.of(volume, segmentation).path == folder.path  # the original has kept it
    third = clone_of(clone)
    assert RunFolder.of(volume, third).path not in (folder.path, other.path)


def test_a_cloned_volume_has_runs_of_its_own(a_run):
    volume, segmentation, folder = a_run
    clone = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, volume, "Filtered")
    slicer.util.arrayFromVolume(clone)[:] = 7  # as a filter does: it is no longer the image of the run
    (folder.path / "job.json").write_text('{"segments": [{"value": 1, "name": "Ball"}]}', "utf-8")
    assert len(RunFinder().of(volume)) == 1 and RunFinder().of(clone) == []
    assert RunFolder.existing(clone, segmentation) is None
    assert RunFolder.of(clone, segmentation).path != folder.path
    assert RunFolder.existing(volume, segmentation).path == folder.path


def test_a_clone_whose_original_is_gone_takes_the_run(a_run):
    volume, segmentation, folder = a_run
    clone = clone_of(segmentation)
    slicer.mrmlScene.RemoveNode(segmentation)
    assert RunFolder.existing(volume, clone).path == folder.path


def test_a_run_that_is_gone_on_with_belongs_to_the_chosen_volume(a_run):
    volume, segmentation, folder = a_run
    again = clone_of(volume)
    run = RunSummary(folder.path, 0.0, {1: "Ball"}, RunState.Begun)
    assert RunRestorer(again).restore(run) is segmentation
    assert RunFolder.existing(again, segmentation).path == folder.path
    assert RunFolder.existing(volume, segmentation) is None


def test_a_copy_with_all_references_does_not_share_the_prediction(a_run):
    volume, segmentation, _folder = a_run
    predict_ball(volume, segmentation)
    predicted, uncertain = PredictionLogic.predicted(segmentation), PercentVolume(segmentation, "uncertainty")
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Copy")
    copy.Copy(segmentation)  # as scripts do
    assert PredictionLogic.predicted(copy) is None and PercentVolume(copy, "uncertainty").node is None
    predict_ball(volume, copy)
    PredictionLogic.updateMaps(volume, copy, {"uncertainty": np.zeros(SHAPE, np.uint8)})
    assert PredictionLogic.predicted(segmentation) is predicted and uncertain.node is not None
    assert PredictionLogic.predicted(copy) not in (None, predicted)
    assert PercentVolume(copy, "uncertainty").node is not uncertain.node


def test_to_look_at_a_run_that_cannot_be_written_is_no_error(a_run):
    volume, segmentation, folder = a_run
    assert folder.segmentValues(["Ball"]) == {"Ball": 1}
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [2, 3]), volume)
    (folder.path / "panel.json.part").mkdir()  # as on a full disk, or in a folder that is only for reading
    summary = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic)
    assert [one.slice for one in summary.slices] == [(0, 2), (0, 3)]


def test_of_a_volume_of_tensors_no_run_is_looked_for(a_run):
    (a_run[2].path.parent / "0123456789abcdef0123456789abcdef").mkdir()
    image = vtk.vtkImageData()
    image.SetDimensions(4, 5, 6)  # and no scalars
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "DTI")
    volume.SetAndObserveImageData(image)
    assert RunFinder().of(volume) == []
