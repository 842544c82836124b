"""Annotated slices of real segmentation nodes."""

import numpy as np
import pytest
import slicer
from scene_parts import add_segmentation, add_transform, add_volume, ball, only_slices, paint

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid

SHAPE = (12, 30, 40)


def slices(volume, segmentation, planes=PlaneChoice.Automatic):
    return [one.slice for one in AnnotationSummary.of(volume, segmentation, planes).slices]


def test_painted_slices_of_two_planes_are_found(a_volume_node, a_segmentation_node):
    painted = only_slices(ball(SHAPE), 0, [3, 8]) | only_slices(ball(SHAPE), 1, [15])
    paint(a_segmentation_node, "Ball", painted, a_volume_node)
    assert slices(a_volume_node, a_segmentation_node) == [(0, 3), (0, 8), (1, 15)]
    assert (1, 15) in slices(a_volume_node, a_segmentation_node, PlaneChoice.Coronal)
    assert all(axis == 1 for axis, _ in slices(a_volume_node, a_segmentation_node, PlaneChoice.Coronal))


def test_a_hidden_segment_does_not_count(a_volume_node, a_segmentation_node):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [5]), a_volume_node)
    a_segmentation_node.GetDisplayNode().SetSegmentVisibility("Ball", False)
    assert AnnotationLogic.segmentIds(a_segmentation_node) == []
    assert slices(a_volume_node, a_segmentation_node) == []


def test_what_is_hidden_and_so_left_out_is_said(a_volume_node, a_segmentation_node):
    for name in ("Tumour", "Empty"):
        a_segmentation_node.GetSegmentation().AddEmptySegment(name, name)
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [3, 5, 8]), a_volume_node)
    paint(a_segmentation_node, "Tumour", only_slices(ball(SHAPE, 0.1), 0, [5]), a_volume_node)
    former = AnnotationSummary.stamp(a_volume_node, a_segmentation_node, PlaneChoice.Automatic)
    for name in ("Tumour", "Empty"):
        a_segmentation_node.GetDisplayNode().SetSegmentVisibility(name, False)
    assert AnnotationSummary.stamp(a_volume_node, a_segmentation_node, PlaneChoice.Automatic) != former
    summary = AnnotationSummary.of(a_volume_node, a_segmentation_node, PlaneChoice.Automatic)
    assert "Hidden, and so not learnt: Tumour." in summary.leftOut()
    assert [one.slice for one in summary.slices] == [(0, 3), (0, 5), (0, 8)]
    a_segmentation_node.GetDisplayNode().SetAllSegmentsVisibility(True)
    summary = AnnotationSummary.of(a_volume_node, a_segmentation_node, PlaneChoice.Automatic)
    assert summary.leftOut() == ""


def test_a_hidden_segment_beside_the_volume_is_no_problem(a_volume_node, a_segmentation_node):
    a_segmentation_node.GetSegmentation().AddEmptySegment("Far", "Far")
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [5]), a_volume_node)
    beside = np.diag([1.0, 1.0, 2.0, 1.0])
    beside[0, 3] = 500
    paint(a_segmentation_node, "Far", ball(SHAPE), add_volume(ball(SHAPE), beside))
    with pytest.raises(UserError, match="'Far' does not touch"):
        slices(a_volume_node, a_segmentation_node)
    a_segmentation_node.GetDisplayNode().SetSegmentVisibility("Far", False)
    assert slices(a_volume_node, a_segmentation_node) == [(0, 5)]


def test_a_segment_hidden_with_its_whole_node_still_counts(a_volume_node, a_segmentation_node):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [5]), a_volume_node)
    a_segmentation_node.GetDisplayNode().SetVisibility(False)
    assert slices(a_volume_node, a_segmentation_node) == [(0, 5)]


def test_marks_of_empty_slices_come_and_go_and_are_saved_with_the_node(a_volume_node, a_segmentation_node):
    for one in ((0, 1), (2, 7)):
        AnnotationLogic.setEmpty(a_segmentation_node, one)
    assert AnnotationLogic.emptySlices(a_segmentation_node) == [(0, 1), (2, 7)]
    assert a_segmentation_node.GetAttribute("ContrastiveSeg.EmptySlices") == "k1 i7"
    AnnotationLogic.setEmpty(a_segmentation_node, (0, 1), False)
    assert slices(a_volume_node, a_segmentation_node) == [(2, 7)]
    AnnotationLogic.setEmpty(a_segmentation_node, (2, 7), False)
    assert a_segmentation_node.GetAttribute("ContrastiveSeg.EmptySlices") is None


def test_a_mark_beyond_the_volume_is_passed_over(a_volume_node, a_segmentation_node):
    a_segmentation_node.SetAttribute("ContrastiveSeg.EmptySlices", "k12 k11 rubbish j-3 i")
    assert slices(a_volume_node, a_segmentation_node) == [(0, 11)]


def test_the_slice_at_a_position_obeys_transforms(a_volume_node):
    move = np.eye(4)
    move[:3, 3] = (10, 20, 30)
    a_volume_node.SetAndObserveTransformNodeID(add_transform(move).GetID())
    grid = VolumeGrid(a_volume_node)
    assert AnnotationLogic.sliceAt(grid, (0, 0, 38.9), 0) == (0, 4)
    assert AnnotationLogic.sliceAt(grid, (13.2, 0, 0), 2) == (2, 3)
    assert AnnotationLogic.sliceAt(grid, (0, 0, 28), 0) is None


@pytest.mark.parametrize(
    ("painted", "sentence", "warning"),
    [
        ([], "No slice is annotated yet.", "Paint each structure completely"),
        ([5], "1 annotated slice (1 axial).", "very little"),
        ([3, 5, 8], "3 annotated slices (3 axial).", ""),
    ],
)
def test_the_summary_warns_where_there_is_too_little(
    a_volume_node, a_segmentation_node, painted, sentence, warning
):
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, painted), a_volume_node)
    summary = AnnotationSummary.of(a_volume_node, a_segmentation_node, PlaneChoice.Automatic)
    assert summary.sentence() == sentence
    assert warning in summary.warning() and bool(warning) == bool(summary.warning())


def test_the_summary_names_planes_and_positions_as_the_person_sees_them(a_scene):
    sagittal = np.array([[0, 0, 3, -6], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    volume = add_volume(np.zeros((5, 8, 9), np.int16), sagittal)
    segmentation = add_segmentation(volume, ["A", "B"])
    painted = np.zeros((5, 8, 9), np.uint8)
    painted[1, 2:5, 2:5] = 1
    paint(segmentation, "B", painted, volume)
    (one,) = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices
    assert (one.slice, one.plane, one.segmentIds) == ((0, 1), "sagittal", ("B",))
    assert one.center == pytest.approx((-3, 4, 3.5)) and one.across == 0


def test_planes_may_be_translated_in_one_file_and_not_yet_in_another(
    a_volume_node, a_segmentation_node, monkeypatch
):
    words = {"axial": "transversal", "coronal": "frontal", "sagittal": "sagittal"}
    monkeypatch.setattr("ContrastiveSegLib.VolumeGrid._", lambda text: words.get(text, text))
    paint(a_segmentation_node, "Ball", only_slices(ball(SHAPE), 0, [3, 5]), a_volume_node)
    summary = AnnotationSummary.of(a_volume_node, a_segmentation_node, PlaneChoice.Axial)
    assert [(one.plane, one.across) for one in summary.slices] == [("transversal", 2)] * 2
    suggested = SliceSuggestion((0, 4), "far", 0.1, 4.0, "Ball")
    assert suggested.sentence(VolumeGrid(a_volume_node)).startswith("transversal slice at S: 8.0 mm")


@pytest.fixture
def an_accepted_pair(a_scene):
    """Two overlapping structures, accepted where they were painted on three slices, as if by Accept."""
    volume = add_volume(ball(SHAPE))
    segmentation = add_segmentation(volume, ["Ball", "Tumour"])
    paint(segmentation, "Ball", ball(SHAPE), volume)
    add(segmentation, volume, "Tumour", ball(SHAPE, 0.15))
    AnnotationLogic.recordManual(segmentation, [(0, 3), (0, 6), (0, 8)])
    AcceptedLabels(segmentation).takeAtOnce(VolumeGrid(volume))
    return volume, segmentation


def add(segmentation, volume, name, mask):
    """Voxels of a segment that may lie on those of another one."""
    image = VolumeGrid(volume).orientedImage(np.asarray(mask, np.uint8))
    segmentation.GetSegmentation().SeparateSegmentLabelmap(name)
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment = segmentation.GetSegmentation().GetSegment(name)
    segment.SetLabelValue(1)
    segment.AddRepresentation(kind, image)


@pytest.mark.parametrize("name", ["Ball", "Tumour"])
def test_to_hide_what_was_accepted_and_overlaps_annotates_nothing(an_accepted_pair, name):
    volume, segmentation = an_accepted_pair
    assert slices(volume, segmentation) == [(0, 3), (0, 6), (0, 8)]
    segmentation.GetDisplayNode().SetSegmentVisibility(name, False)
    assert slices(volume, segmentation) == [(0, 3), (0, 6), (0, 8)]
    changed = ball(SHAPE, 0.15)
    changed[5, 5:9, 5:9] = 1
    add(segmentation, volume, "Tumour", changed)
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", False)
    assert slices(volume, segmentation) == [(0, 3), (0, 6), (0, 8)], "it was changed, but is left out"
    segmentation.GetDisplayNode().SetAllSegmentsVisibility(True)
    assert slices(volume, segmentation) == [(0, 3), (0, 5), (0, 6), (0, 8)]


def test_where_only_hidden_segments_are_left_after_accept_nothing_is_said(an_accepted_pair):
    volume, segmentation = an_accepted_pair
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", False)
    left = ball(SHAPE)
    left[5] = 0  # as after an Undo in the Segment Editor
    paint(segmentation, "Ball", left, volume)
    assert slices(volume, segmentation) == [(0, 3), (0, 6), (0, 8)]
