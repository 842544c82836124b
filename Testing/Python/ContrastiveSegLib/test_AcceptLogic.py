"""Accept and Undo on real nodes."""

import numpy as np
import pytest
import slicer
from scene_parts import (
    add_segmentation,
    add_transform,
    add_volume,
    ball,
    keep_only_surfaces,
    only_slices,
    paint,
)

from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

SHAPE = (12, 30, 40)
VALUES = {"Ball": 1, "Other": 2}
ANNOTATED = [(0, 3), (0, 8)]


@pytest.fixture
def an_accept_logic(a_scene):
    logic = AcceptLogic()
    yield logic
    logic.forget()


@pytest.fixture
def a_painted_pair(a_volume_node):
    """The ball painted on two slices, another segment in a corner far from them."""
    segmentation = add_segmentation(a_volume_node, ["Ball", "Other"])
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 8]), a_volume_node)
    other = np.zeros(SHAPE, np.uint8)
    other[5:7, 14:18, 18:24] = 1  # in the midst of the ball
    paint(segmentation, "Other", other, a_volume_node)
    return a_volume_node, segmentation


def predict(volume, segmentation, labels):
    segments = [LabelledSegment(value, name, name) for name, value in VALUES.items()]
    PredictionLogic.update(volume, segmentation, labels, segments)


def labels(segmentation, volume):
    return SegmentResampler(segmentation, VolumeGrid(volume)).labels(VALUES).whole()


def test_nothing_is_accepted_into_surfaces_and_looking_makes_no_labelmap(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    keep_only_surfaces(segmentation)
    before = segmentation.GetSegmentation().GetMTime()
    with pytest.raises(UserError, match="'Segmentation' is made of 'Closed surface'"):
        an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES)
    with pytest.raises(UserError, match="Closed surface"):
        AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic)
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    assert not segmentation.GetSegmentation().ContainsRepresentation(kind)
    assert segmentation.GetSegmentation().GetMTime() == before


def test_annotated_slices_stay_and_the_rest_becomes_the_prediction(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predicted = np.roll(ball(SHAPE), 3, axis=2)
    predict(volume, segmentation, predicted)
    before = labels(segmentation, volume)
    an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES)
    after = labels(segmentation, volume)
    for index in range(SHAPE[0]):
        expected = before if index in (3, 8) else predicted
        assert np.array_equal(after[index], expected[index]), index


def test_accepting_one_segment_leaves_the_others_untouched(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES, segmentIds=["Ball"])
    after = labels(segmentation, volume)
    assert np.array_equal(after == 2, before == 2)
    assert np.array_equal(after == 1, (ball(SHAPE) > 0) & (before != 2))


def test_only_the_chosen_slices_are_accepted(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES, slices=[(0, 4)])
    after = labels(segmentation, volume)
    assert np.array_equal(after[4], ball(SHAPE)[4])
    assert np.array_equal(np.delete(after, 4, 0), np.delete(before, 4, 0))


def test_undo_brings_back_voxels_and_what_counts_as_annotated(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    folder = RunFolder.of(volume, segmentation).create()
    folder.segmentValues(list(VALUES))
    an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES, accepted=folder.accepted)
    assert AnnotationLogic.manualSlices(segmentation) == ANNOTATED and folder.accepted.is_file()
    an_accept_logic.undo(segmentation)
    assert np.array_equal(labels(segmentation, volume), before)
    assert AnnotationLogic.manualSlices(segmentation) == [] and not folder.accepted.exists()
    with pytest.raises(UserError, match="Nothing has been accepted"):
        an_accept_logic.undo(segmentation)


def test_after_accept_only_a_persons_slices_and_later_changes_count(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    folder = RunFolder.of(volume, segmentation).create()
    values = folder.segmentValues(list(VALUES))
    an_accept_logic.accept(volume, segmentation, ANNOTATED, values, accepted=folder.accepted)
    found = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices
    assert [one.slice for one in found] == ANNOTATED
    corrected = labels(segmentation, volume) == 1
    corrected[5, 0:3, 10:30] = True
    paint(segmentation, "Ball", corrected, volume)
    found = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices
    assert [one.slice for one in found] == [(0, 3), (0, 5), (0, 8)]


def test_without_a_prediction_there_is_nothing_to_accept(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    with pytest.raises(UserError, match="no prediction to accept"):
        an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES)


def test_undo_is_refused_after_the_segmentation_was_changed(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, ANNOTATED, VALUES)
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3]), volume)
    with pytest.raises(UserError, match="changed after Accept"):
        an_accept_logic.undo(segmentation)


def test_what_is_accepted_lies_where_the_prediction_was_under_a_transform(an_accept_logic, a_scene):
    oblique = np.array([[0, -1.2, 0.1, 4], [1, 0, 0, -9], [0.1, 0, 2, 7], [0, 0, 0, 1]], float)
    volume = add_volume(ball(SHAPE), oblique)
    turn = np.array([[0.6, 0.8, 0, 3], [-0.8, 0.6, 0, 5], [0, 0, 1, -2], [0, 0, 0, 1]])
    volume.SetAndObserveTransformNodeID(add_transform(turn).GetID())
    segmentation = add_segmentation(volume, ["Ball", "Other"])  # not under the transform
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, [], VALUES)
    found = labels(segmentation, volume) == 1
    agreement = 2 * (found & (ball(SHAPE) > 0)).sum() / (found.sum() + ball(SHAPE).sum())
    assert agreement > 0.85  # resampled once onto the segmentation's own grid


def test_masking_in_the_users_segment_editor_does_not_limit_accept(an_accept_logic, a_painted_pair):
    import slicer

    volume, segmentation = a_painted_pair
    editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetSingletonTag("SegmentEditor")
    editor.SetAndObserveSegmentationNode(segmentation)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, [], VALUES)
    assert np.array_equal(labels(segmentation, volume) == 1, ball(SHAPE) > 0)
