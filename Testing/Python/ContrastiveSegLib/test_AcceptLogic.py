"""Accept and Undo on real nodes."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import (
    add_segmentation,
    add_transform,
    add_volume,
    ball,
    keep_only_surfaces,
    only_slices,
    paint,
    wait_until,
)

from ContrastiveSegLib import AcceptLogic as accept_module
from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SurfaceMaker import SurfaceMaker
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport
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
        an_accept_logic.accept(volume, segmentation, ANNOTATED)
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
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    after = labels(segmentation, volume)
    for index in range(SHAPE[0]):
        expected = before if index in (3, 8) else predicted
        assert np.array_equal(after[index], expected[index]), index


def test_accepting_one_segment_leaves_the_others_untouched(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    an_accept_logic.accept(volume, segmentation, ANNOTATED, segmentIds=["Ball"])
    after = labels(segmentation, volume)
    assert np.array_equal(after == 2, before == 2)
    assert np.array_equal(after == 1, (ball(SHAPE) > 0) & (before != 2))


def test_only_the_chosen_slices_are_accepted(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    an_accept_logic.accept(volume, segmentation, ANNOTATED, slices=[(0, 4)])
    after = labels(segmentation, volume)
    assert np.array_equal(after[4], ball(SHAPE)[4])
    assert np.array_equal(np.delete(after, 4, 0), np.delete(before, 4, 0))


def annotated(volume, segmentation):
    return [one.slice for one in AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices]


def stroke(segmentation, volume, name, z, rows, columns, remove=False):
    """A stroke in another editor, whose history holds what was there before; returns that history."""
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(segmentation.GetSegmentation())
    history.SaveState()
    mask = np.array(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume))
    mask[z, rows, columns] = 0 if remove else 1
    paint(segmentation, name, mask, volume)
    return history


def test_undo_brings_back_voxels_and_what_counts_as_annotated(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before, slices = labels(segmentation, volume), annotated(volume, segmentation)
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    assert AnnotationLogic.manualSlices(segmentation) == ANNOTATED and AcceptedLabels(segmentation).node
    an_accept_logic.undo(segmentation)
    assert np.array_equal(labels(segmentation, volume), before)
    assert annotated(volume, segmentation) == slices
    assert AnnotationLogic.manualSlices(segmentation) == [] and AcceptedLabels(segmentation).node is None
    with pytest.raises(UserError, match="Nothing has been accepted"):
        an_accept_logic.undo(segmentation)


def test_after_accept_only_a_persons_slices_and_later_changes_count(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    assert annotated(volume, segmentation) == ANNOTATED
    stroke(segmentation, volume, "Ball", 5, slice(0, 3), slice(10, 30))
    assert annotated(volume, segmentation) == [(0, 3), (0, 5), (0, 8)]


def test_what_was_accepted_is_known_in_a_saved_scene_where_no_run_is(
    an_accept_logic, a_painted_pair, tmp_path
):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    an_accept_logic.forget()
    scene = slicer.mrmlScene
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"), vtk.vtkImageData())
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    volume, segmentation = slicer.util.getNode("Volume"), slicer.util.getNode("Segmentation")
    assert annotated(volume, segmentation) == ANNOTATED and not AnnotationLogic.isUnknown(segmentation)
    stroke(segmentation, volume, "Ball", 5, slice(0, 3), slice(10, 30))
    assert annotated(volume, segmentation) == [(0, 3), (0, 5), (0, 8)]


def test_accept_taken_back_in_an_editor_leaves_no_slice_and_comes_again_with_redo(
    an_accept_logic, a_painted_pair
):
    volume, segmentation = a_painted_pair
    paint(segmentation, "Other", np.zeros(SHAPE, np.uint8), volume)
    predict(volume, segmentation, ball(SHAPE))
    editor = slicer.vtkSegmentationHistory()
    editor.SetSegmentation(segmentation.GetSegmentation())
    editor.SaveState()
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    editor.RestorePreviousState()
    assert annotated(volume, segmentation) == ANNOTATED, "what vanished counts as empty"
    an_accept_logic.follow(segmentation)
    assert AnnotationLogic.manualSlices(segmentation) == []
    assert "already" in an_accept_logic.whyNoUndo(segmentation)
    editor.RestoreNextState()
    an_accept_logic.follow(segmentation)
    assert annotated(volume, segmentation) == ANNOTATED and not an_accept_logic.whyNoUndo(segmentation)
    editor.RestorePreviousState()
    an_accept_logic.follow(segmentation)
    coronal = only_slices(ball(SHAPE), 1, [15]) | only_slices(ball(SHAPE), 0, [3, 8])
    paint(segmentation, "Ball", coronal, volume)
    assert annotated(volume, segmentation) == [*ANNOTATED, (1, 15)]


def accept_and_paint(logic, volume, segmentation):
    """Accepts the ball and paints over slice 5 of it; gives the labels before, and the editor."""
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    logic.accept(volume, segmentation, ANNOTATED)
    return before, stroke(segmentation, volume, "Ball", 5, slice(0, 3), slice(10, 30))


def test_a_stroke_that_was_taken_back_does_not_lock_undo(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    before, editor = accept_and_paint(an_accept_logic, volume, segmentation)
    with pytest.raises(UserError, match="use Undo in the Segment Editor first"):
        an_accept_logic.undo(segmentation)
    editor.RestorePreviousState()
    an_accept_logic.undo(segmentation)
    assert np.array_equal(labels(segmentation, volume), before)


def test_undo_of_two_acceptances_never_loses_a_stroke_between_them(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    before, editor = accept_and_paint(an_accept_logic, volume, segmentation)
    corrected = labels(segmentation, volume)
    predict(volume, segmentation, np.roll(ball(SHAPE), 2, axis=2))
    an_accept_logic.accept(volume, segmentation, annotated(volume, segmentation))
    an_accept_logic.undo(segmentation)
    assert np.array_equal(labels(segmentation, volume), corrected)
    assert annotated(volume, segmentation) == [(0, 3), (0, 5), (0, 8)]
    with pytest.raises(UserError, match="changed after Accept"):
        an_accept_logic.undo(segmentation)
    editor.RestorePreviousState()
    an_accept_logic.undo(segmentation)
    assert np.array_equal(labels(segmentation, volume), before)


def test_a_slice_that_is_not_complete_keeps_its_painting_and_is_filled(
    an_accept_logic, a_painted_pair, tmp_path
):
    volume, segmentation = a_painted_pair
    paint(segmentation, "Other", np.zeros(SHAPE, np.uint8), volume)
    half = only_slices(ball(SHAPE), 0, [3, 8])
    half[8, 15:] = 0
    half[8, 2, 2:5] = 1  # beside what is predicted
    paint(segmentation, "Ball", half, volume)
    AnnotationLogic.setPartial(segmentation, (0, 8))
    for predicted in (ball(SHAPE), ball(SHAPE, 0.4)):  # the second replaces what came with the first
        predict(volume, segmentation, predicted)
        an_accept_logic.accept(volume, segmentation, ANNOTATED)
        assert np.array_equal(labels(segmentation, volume)[8], predicted[8] | half[8])
        assert np.array_equal(labels(segmentation, volume)[3], half[3])
        exported = VolumeExport(tmp_path).export(volume, segmentation, VALUES)
        sent = np.load(tmp_path / exported.case["labels"])
        assert np.array_equal(sent[8] == 1, half[8] == 1), "what was accepted is sent as a person's"
        assert exported.slices == ANNOTATED
    stroke(segmentation, volume, "Ball", 8, slice(25, 27), slice(2, 5))
    sent = np.load(tmp_path / VolumeExport(tmp_path).export(volume, segmentation, VALUES).case["labels"])
    assert (sent[8, 25:27, 2:5] == 1).all() and (sent[8] == 1).sum() == half[8].sum() + 6


def test_an_acceptance_that_ends_midway_leaves_all_as_it_was(an_accept_logic, a_painted_pair, monkeypatch):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    before = labels(segmentation, volume)
    monkeypatch.setattr(accept_module, "_SLAB_VOXELS", 1)
    steps = an_accept_logic.steps(volume, segmentation, ANNOTATED)
    while np.array_equal(labels(segmentation, volume), before):
        next(steps)
    steps.close()
    assert np.array_equal(labels(segmentation, volume), before)
    assert AnnotationLogic.manualSlices(segmentation) == []
    assert "Nothing has been accepted" in an_accept_logic.whyNoUndo(segmentation)


def surface_of(segmentation):
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    if not segmentation.GetSegmentation().ContainsRepresentation(name):
        return None
    return segmentation.GetSegmentation().GetSegment("Ball").GetRepresentation(name)


@pytest.mark.parametrize("isQuick", [True, False])
def test_3d_surfaces_are_made_once_at_the_end_and_come_back_with_undo(
    an_accept_logic, a_painted_pair, monkeypatch, isQuick
):
    volume, segmentation = a_painted_pair
    segmentation.CreateClosedSurfaceRepresentation()
    points = surface_of(segmentation).GetNumberOfPoints()
    predict(volume, segmentation, ball(SHAPE))
    monkeypatch.setattr(accept_module, "_SLAB_VOXELS", 1)
    monkeypatch.setattr(SurfaceMaker, "isQuick", lambda node: isQuick)
    there, before = [], labels(segmentation, volume)
    for _step in an_accept_logic.steps(volume, segmentation, ANNOTATED):
        if not np.array_equal(labels(segmentation, volume), before):
            there.append(surface_of(segmentation) is not None)
    assert len(there) > 5 and not any(there), "Slicer makes it anew with each slab"
    wait_until(lambda: surface_of(segmentation) is not None)
    bounds = surface_of(segmentation).GetBounds()
    segmentation.RemoveClosedSurfaceRepresentation()
    segmentation.CreateClosedSurfaceRepresentation()
    assert surface_of(segmentation).GetBounds() == pytest.approx(bounds, abs=0.1)
    assert surface_of(segmentation).GetNumberOfPoints() > points
    an_accept_logic.undo(segmentation)
    assert surface_of(segmentation).GetNumberOfPoints() == points


def test_3d_that_was_switched_off_stays_off_after_undo(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    segmentation.CreateClosedSurfaceRepresentation()
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
    segmentation.RemoveClosedSurfaceRepresentation()
    an_accept_logic.undo(segmentation)
    assert surface_of(segmentation) is None


def test_without_a_prediction_there_is_nothing_to_accept(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    with pytest.raises(UserError, match="no prediction to accept"):
        an_accept_logic.accept(volume, segmentation, ANNOTATED)


def test_what_is_no_segment_any_more_is_not_said_to_be_accepted(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    segmentation.GetSegmentation().RemoveSegment("Ball")
    before = labels(segmentation, volume)
    with pytest.raises(UserError, match="no segment of 'Segmentation' any more"):
        an_accept_logic.accept(volume, segmentation, ANNOTATED, segmentIds=["Ball"])
    assert np.array_equal(labels(segmentation, volume), before)


def test_undo_is_refused_after_the_segmentation_was_changed(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, ANNOTATED)
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
    an_accept_logic.accept(volume, segmentation, [])
    found = labels(segmentation, volume) == 1
    agreement = 2 * (found & (ball(SHAPE) > 0)).sum() / (found.sum() + ball(SHAPE).sum())
    assert agreement > 0.85  # resampled once onto the segmentation's own grid


def test_masking_in_the_users_segment_editor_does_not_limit_accept(an_accept_logic, a_painted_pair):
    volume, segmentation = a_painted_pair
    editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetSingletonTag("SegmentEditor")
    editor.SetAndObserveSegmentationNode(segmentation)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    predict(volume, segmentation, ball(SHAPE))
    an_accept_logic.accept(volume, segmentation, [])
    assert np.array_equal(labels(segmentation, volume) == 1, ball(SHAPE) > 0)
