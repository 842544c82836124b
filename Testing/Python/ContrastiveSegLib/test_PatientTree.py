"""Where what is made here stands in the tree of the module Data."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_volume, ball, predict_ball

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentationMaker import SegmentationMaker


@pytest.fixture
def a_tree(a_scene):
    """The tree, into which each new node comes at the top, as in the application."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onAdded(_scene, _event, node):
        kinds = ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode")
        if any(node.IsA(one) for one in kinds) and not tree.GetItemByDataNode(node):
            tree.CreateItem(tree.GetSceneItemID(), node)

    tag = a_scene.AddObserver(a_scene.NodeAddedEvent, onAdded)
    yield tree
    a_scene.RemoveObserver(tag)


def add_study(tree, name):
    """A volume in a study of a patient, and that study."""
    volume = add_volume(ball((12, 30, 40)) * 300, name=name)
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), name)
    study = tree.CreateStudyItem(patient, "MR of the heart")
    tree.SetItemParent(tree.GetItemByDataNode(volume), study)
    return volume, study


def parent_of(tree, node):
    return tree.GetItemParent(tree.GetItemByDataNode(node))


def test_painting_prediction_and_maps_stand_in_the_study_of_their_volume(a_tree):
    volume, study = add_study(a_tree, "Anna")
    segmentation = SegmentationMaker.make(volume)
    segmentation.GetSegmentation().AddEmptySegment("Ball", "Ball")
    assert parent_of(a_tree, segmentation) == study
    predict_ball(volume, segmentation)
    predicted = PredictionLogic.predicted(segmentation)
    assert parent_of(a_tree, predicted) == study
    assert parent_of(a_tree, PercentVolume(segmentation, "uncertainty").node) == study
    a_tree.SetItemParent(a_tree.GetItemByDataNode(predicted), a_tree.GetSceneItemID())
    predict_ball(volume, segmentation)  # of a later round
    assert parent_of(a_tree, predicted) == a_tree.GetSceneItemID()  # somebody has moved it


def test_the_mask_of_another_patient_stands_in_the_study_of_that_patient(a_tree):
    volume, _study = add_study(a_tree, "Anna")
    other, study = add_study(a_tree, "Bert")
    results = PatientResults(SegmentationMaker.make(volume), {})
    case = PatientCase("1", "Bert", volumeId=other.GetID())
    case.result = {"start": [0, 0, 0], "size": [40, 30, 12]}
    node = results.show(case, np.zeros((2, 3, 4), np.uint8), other)
    assert parent_of(a_tree, node) == study
