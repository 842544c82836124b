"""What is written for the worker."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_segmentation, add_transform, add_volume, ball, only_slices, paint

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport

SHAPE = (12, 30, 40)


@pytest.fixture
def an_export(tmp_path):
    folder = tmp_path / "läufe für 1"
    folder.mkdir()
    return VolumeExport(folder), folder


@pytest.fixture
def a_painted_node(a_volume_node, a_segmentation_node):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [4, 7]), a_volume_node)
    return a_segmentation_node


def test_labels_are_true_on_annotated_slices_and_unsaid_elsewhere(an_export, a_volume_node, a_painted_node):
    export, folder = an_export
    exported = export.export(a_volume_node, a_painted_node, {"Ball": 5})
    labels = np.load(folder / exported.case["labels"])
    expected = np.full(SHAPE, -1)
    for index in (4, 7):
        expected[index] = 5 * ball(SHAPE)[index]
    assert labels.dtype == np.int16 and np.array_equal(labels, expected)
    image = np.load(folder / exported.case["image"])
    assert np.array_equal(image, slicer.util.arrayFromVolume(a_volume_node))
    assert exported.slices == [(0, 4), (0, 7)]
    assert [(one.value, one.name) for one in exported.segments] == [(5, "Ball")]


@pytest.mark.parametrize("first", ["Ball", "Tumour"])
def test_a_hidden_segment_is_neither_learnt_nor_background(an_export, a_scene, first):
    export, folder = an_export
    volume = add_volume(ball(SHAPE))
    segmentation = add_segmentation(volume, [first, {"Ball": "Tumour", "Tumour": "Ball"}[first]])
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [4, 7]), volume)
    tumour = np.zeros(SHAPE, np.uint8)
    tumour[7, 10:20, :25] = 1  # partly over the ball, partly beside it
    tumour[9] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(tumour, segmentation, "Tumour", volume)
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", False)
    expected = np.where((tumour > 0) & (ball(SHAPE) == 0), -2, ball(SHAPE))[7]
    for values in ({"Ball": 1}, {"Ball": 1, "Tumour": 2}):
        exported = export.export(volume, segmentation, values)
        labels = np.load(folder / exported.case["labels"])
        assert [one.name for one in exported.segments] == ["Ball"]
        assert exported.slices == [(0, 4), (0, 7)], "a hidden segment annotates no slice"
        assert np.array_equal(labels[7], expected)
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", True)
    exported = export.export(volume, segmentation, {"Ball": 1, "Tumour": 2})
    assert [one.name for one in exported.segments] == ["Ball", "Tumour"] and (0, 9) in exported.slices
    assert set(np.unique(np.load(folder / exported.case["labels"])[7])) == {0, 1, 2}


def test_a_painting_of_which_all_is_hidden_is_not_learnt(an_export, a_volume_node, a_painted_node):
    AnnotationLogic.setEmpty(a_painted_node, (0, 4))
    a_painted_node.GetDisplayNode().SetSegmentVisibility("Ball", False)
    with pytest.raises(UserError, match="No segment of 'Segmentation' is painted"):
        an_export[0].export(a_volume_node, a_painted_node, {"Ball": 1})


def test_the_geometry_has_parent_transforms_hardened(an_export, a_volume_node, a_painted_node):
    move = np.array([[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    for node in (a_volume_node, a_painted_node):
        node.SetAndObserveTransformNodeID(add_transform(move).GetID())
    exported = an_export[0].export(a_volume_node, a_painted_node, {"Ball": 1})
    assert np.allclose(exported.case["ijk_to_ras"], move @ np.diag([1, 1, 2, 1]))


def test_each_round_has_new_labels_and_the_image_is_written_once(an_export, a_volume_node, a_painted_node):
    export, folder = an_export
    first = export.export(a_volume_node, a_painted_node, {"Ball": 1})
    second = export.export(a_volume_node, a_painted_node, {"Ball": 1})
    assert first.case["labels"] != second.case["labels"]  # the worker may have the former one mapped
    assert first.case["image"] == second.case["image"]
    array = slicer.util.arrayFromVolume(a_volume_node)
    array += 1
    slicer.util.arrayFromVolumeModified(a_volume_node)
    third = export.export(a_volume_node, a_painted_node, {"Ball": 1})
    assert third.case["image"] != first.case["image"]
    assert np.array_equal(np.load(folder / third.case["image"]), array)
    names = {path.name for path in folder.iterdir()}
    assert names == {third.case["image"], third.case["labels"]}, "former files were left"


def test_colours_become_grey(a_scene):
    colours = np.zeros((2, 3, 4, 3), np.uint8)
    colours[..., 1] = 200
    node = slicer.util.addVolumeFromArray(colours, nodeClassName="vtkMRMLVectorVolumeNode")
    grey = VolumeExport.imageArray(node)
    assert grey.shape == (2, 3, 4) and np.allclose(grey, 117.4)


def test_nothing_painted_is_said_before_anything_is_written(an_export, a_volume_node, a_segmentation_node):
    export, folder = an_export
    with pytest.raises(UserError, match="No segment of 'Segmentation' is painted"):
        export.export(a_volume_node, a_segmentation_node, {"Ball": 1})
    assert list(folder.iterdir()) == []


def test_a_volume_without_voxels_is_explained(an_export, a_scene):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing")
    other = add_volume(ball(SHAPE))
    with pytest.raises(UserError, match="'Nothing' holds no voxels"):
        an_export[0].export(empty, add_segmentation(other, ["Ball"]), {"Ball": 1})


def test_a_volume_of_tensors_holds_nothing_to_learn_from(an_export, a_scene):
    image, tensors = vtk.vtkImageData(), vtk.vtkFloatArray()
    image.SetDimensions(4, 5, 6)
    tensors.SetNumberOfComponents(9)
    tensors.SetNumberOfTuples(120)
    tensors.Fill(1.0)
    image.GetPointData().SetTensors(tensors)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "DTI")
    volume.SetAndObserveImageData(image)
    other = add_volume(ball(SHAPE))
    with pytest.raises(UserError, match="'DTI' holds no voxels"):
        an_export[0].export(volume, add_segmentation(other, ["Ball"]), {"Ball": 1})


def test_a_folder_that_cannot_be_written_is_named(a_volume_node, a_painted_node, tmp_path):
    export = VolumeExport(tmp_path / "gone")
    with pytest.raises(UserError, match=r"gone.*cannot be written.*Make room"):
        export.export(a_volume_node, a_painted_node, {"Ball": 1})
