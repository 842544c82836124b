"""Learning from the unpainted slices of the other volumes in the scene, too."""

import json

import numpy as np
import pytest
import slicer
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_transform, add_volume, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.FurtherVolumes import FurtherVolumes
from ContrastiveSegLib.LearningMethod import LearningMethod
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.State import State
from ContrastiveSegLib.VolumeExport import Exported, ExportJob

SHAPE = (20, 40, 48)


@pytest.fixture
def a_scene_of_two(a_panel):
    """An organ painted on three slices of one volume, and a second volume; a learning takes two steps."""
    image, truth = two_organs(SHAPE)
    other, _truth = two_organs((18, 44, 40), seed=5)
    volume, further = add_volume(image.array, name="Phantom"), add_volume(other.array, name="Second")
    segmentation = add_segmentation(volume, ["Liver"])
    paint(segmentation, "Liver", only_slices(truth == 1, 0, [4, 9, 14]), volume)
    a_panel.enter()
    a_panel.ui.volumeSelector.setCurrentNode(volume)
    a_panel.ui.segmentationSelector.setCurrentNode(segmentation)
    a_panel.panel.learning.settings = {"steps": 2}
    return volume, segmentation, further


@pytest.fixture
def a_job(tmp_path):
    """Of nothing but its folder."""
    return ExportJob(Exported({}, [], []), [], [], tmp_path)


def learn(panel):
    panel.ui.startButton.click()
    machine = panel.panel.learning.machine
    wait_until(lambda: not machine.state.isBusy, 120)
    assert machine.state is State.Done, panel.ui.statusLabel.text


def test_the_third_choice_learns_from_the_other_volumes_of_the_scene(a_scene_of_two, a_panel):
    volume, segmentation, further = a_scene_of_two
    choice = a_panel.ui.methodSelector
    choice.setCurrentIndex(2)
    assert a_panel.panel._parameters.method is LearningMethod.SemiSupervisedScene
    a_panel.panel.update()
    assert "Second" in tip_of(choice)
    learn(a_panel)
    folder = RunFolder.existing(volume, segmentation).path
    job = json.loads((folder / "job.json").read_text("utf-8"))
    assert job["settings"]["semi_supervised"] == "mcsc"
    (lent,) = job["unlabelled"]
    assert np.array_equal(np.load(folder / lent["image"]), slicer.util.arrayFromVolume(further))
    assert len(json.loads((folder / "provenance.json").read_text("utf-8"))["unlabelled"]) == 1
    # the next round without it goes on from what was learnt
    choice.setCurrentIndex(1)
    assert a_panel.ui.changedLabel.isHidden()
    learn(a_panel)
    assert "unlabelled" not in json.loads((folder / "job.json").read_text("utf-8"))
    assert not list(folder.glob("unlabelled-*.npy"))


def test_a_scene_without_another_volume_says_so_and_learns_all_the_same(a_scene_of_two, a_panel):
    volume, segmentation, further = a_scene_of_two
    slicer.mrmlScene.RemoveNode(further)
    a_panel.ui.methodSelector.setCurrentIndex(2)
    a_panel.panel.update()
    assert "No other volume" in tip_of(a_panel.ui.methodSelector)
    learn(a_panel)
    folder = RunFolder.existing(volume, segmentation).path
    assert "unlabelled" not in json.loads((folder / "job.json").read_text("utf-8"))


def test_volumes_of_another_kind_maps_and_what_cannot_be_used_stay_out(a_scene):
    image, _truth = two_organs(SHAPE)
    volume, like = add_volume(image.array, name="MR"), add_volume(image.array + 1, name="Also MR")
    air = image.array.astype(np.int16)
    air[0] = -1000
    add_volume(air, name="CT")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    bent = add_volume(image.array + 2, name="Bent")
    grid = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Grid")
    bent.SetAndObserveTransformNodeID(grid.GetID())
    moved = add_volume(image.array + 3, name="Moved")
    moved.SetAndObserveTransformNodeID(add_transform(np.diag([1.0, 1, 1, 1])).GetID())
    assert FurtherVolumes.of(volume) == [like, moved]


def test_each_image_is_written_once_and_again_where_it_has_changed(a_scene, a_job, tmp_path):
    first, second = add_volume(np.zeros((3, 4, 5)), name="1"), add_volume(np.ones((4, 4, 4)), name="2")
    further = FurtherVolumes(tmp_path)
    job = further.added(a_job, [first, second])
    job.write()
    names = [one["image"] for one in job.exported.unlabelled]
    assert names == ["unlabelled-0001.npy", "unlabelled-0002.npy"]
    assert np.load(tmp_path / names[1]).shape == (4, 4, 4)
    assert further.added(a_job, [first, second]).files == []
    slicer.util.updateVolumeFromArray(second, np.full((4, 4, 4), 7.0))
    job = further.added(a_job, [second])
    job.write()
    assert [one["image"] for one in job.exported.unlabelled] == ["unlabelled-0003.npy"]
    assert [one.name for one in tmp_path.glob("*.npy")] == ["unlabelled-0003.npy"]
    assert (np.load(tmp_path / "unlabelled-0003.npy") == 7).all()
    assert job.exported.unlabelled[0]["ijk_to_ras"][3] == [0.0, 0.0, 0.0, 1.0]
