"""Marks of slices: on which volumes they count."""

import numpy as np
import pytest
from scene_parts import add_segmentation, add_transform, add_volume, ball, only_slices, paint

from ContrastiveSegLib.AcceptLogic import AcceptLogic
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotationSummary
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PlaneChoice import PlaneChoice
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SliceMarks import SliceMarks
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid

SHAPE = (12, 30, 40)
FINE = (24, 30, 40)
_NAME = "ContrastiveSeg.EmptySlices"

pytestmark = pytest.mark.usefixtures("a_scene")


def annotated(volume, segmentation):
    found = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic).slices
    return [one.slice for one in found]


@pytest.fixture
def two_volumes():
    """Thick and thin slices of the same region, and one segmentation that is painted on the thick ones."""
    thick = add_volume(ball(SHAPE), name="T1")
    place = np.diag([1.0, 1.0, 1.0, 1.0])
    place[2, 3] = -0.5  # two thin slices lie in each thick one
    thin = add_volume(ball(FINE), place, name="T2")
    segmentation = add_segmentation(thick, ["Ball"])
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), thick)
    return thick, thin, segmentation


def test_a_slice_marked_as_empty_on_one_volume_is_not_empty_on_another(two_volumes, tmp_path):
    thick, thin, segmentation = two_volumes
    AnnotationLogic.setEmpty(segmentation, (0, 10), grid=VolumeGrid(thick))
    assert annotated(thick, segmentation) == [(0, 3), (0, 6), (0, 8), (0, 10)]
    painted = [(0, index) for index in (6, 7, 12, 13, 16, 17)]
    assert annotated(thin, segmentation) == painted
    exported = VolumeExport(tmp_path).export(thin, segmentation, {"Ball": 1})
    labels = np.load(tmp_path / exported.case["labels"])
    assert (labels[10] == -1).all()  # in the midst of the structure: it must not be learnt as background
    AnnotationLogic.setEmpty(segmentation, (0, 21), grid=VolumeGrid(thin))
    assert annotated(thin, segmentation) == [*painted, (0, 21)]
    assert annotated(thick, segmentation) == [(0, 3), (0, 6), (0, 8), (0, 10)]
    AnnotationLogic.setEmpty(segmentation, (0, 10), False, VolumeGrid(thick))
    assert annotated(thick, segmentation) == [(0, 3), (0, 6), (0, 8)]
    assert annotated(thin, segmentation) == [*painted, (0, 21)]


def test_marks_of_unfinished_and_accepted_slices_belong_to_their_volume_as_well(two_volumes):
    thick, thin, segmentation = two_volumes
    AnnotationLogic.setPartial(segmentation, (0, 6), grid=VolumeGrid(thick))
    for volume, unfinished in ((thick, [(0, 6)]), (thin, [])):
        summary = AnnotationSummary.of(volume, segmentation, PlaneChoice.Automatic)
        assert [one.slice for one in summary.slices if not one.complete] == unfinished
    whole = ball(SHAPE)
    PredictionLogic.update(thick, segmentation, whole, [LabelledSegment(1, "Ball", "Ball")])
    accepting = AcceptLogic()
    accepting.accept(thick, segmentation, [(0, 3), (0, 6), (0, 8)])
    assert annotated(thick, segmentation) == [(0, 3), (0, 6), (0, 8)]
    assert annotated(thin, segmentation) == []  # nothing there is a person's word for these slices
    accepting.undo(segmentation)
    assert AnnotationLogic.manualSlices(segmentation) == []
    accepting.forget()


def test_volumes_of_the_same_size_in_different_planes_do_not_share_marks():
    cube = np.zeros((12, 12, 12), np.int16)
    axial = add_volume(cube, np.eye(4), name="axial")
    sagittal = np.eye(4)
    sagittal[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    other = add_volume(cube, sagittal, name="sagittal")
    segmentation = add_segmentation(axial, ["A"])
    AnnotationLogic.setEmpty(segmentation, (0, 9), grid=VolumeGrid(axial))
    assert annotated(axial, segmentation) == [(0, 9)] and annotated(other, segmentation) == []


@pytest.mark.parametrize("how", ["together", "hardened", "volume alone"])
def test_marks_stay_where_the_nodes_are_moved(how):
    place = np.diag([0.9375, 0.9375, 2.5, 1.0])
    place[:3, 3] = (-123.4567, 98.7654, -1033.21)
    volume = add_volume(ball(SHAPE), place)
    segmentation = add_segmentation(volume, ["Ball"])
    marks = [(0, 11), (1, 2), (2, 39)]
    for one in marks:
        AnnotationLogic.setEmpty(segmentation, one, grid=VolumeGrid(volume))
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turn[:3, 3] = (30, -12, 7)
    for node in (volume, segmentation)[: 1 if how == "volume alone" else 2]:
        node.SetAndObserveTransformNodeID(add_transform(turn).GetID())
        if how == "hardened":
            node.HardenTransform()
    volume.SetSpacing(*(one * (1 - 1e-6) for one in volume.GetSpacing()))  # as single precision rounds
    assert AnnotationLogic.emptySlices(segmentation, VolumeGrid(volume)) == marks


def test_marks_of_earlier_releases_count_on_every_volume_and_rubbish_on_none(two_volumes):
    thick, thin, segmentation = two_volumes
    segmentation.SetAttribute(_NAME, "k2 @ k3@ k4@12 k5@40x30x12/1xax2/ACS j7@40x30x12/1x1/ACS x1 k")
    for volume in (thick, thin):
        assert SliceMarks(segmentation, _NAME, VolumeGrid(volume)).read() == [(0, 2), (0, 3)]
    AnnotationLogic.setEmpty(segmentation, (0, 2), False, VolumeGrid(thick))
    assert (0, 2) not in AnnotationLogic.emptySlices(segmentation, VolumeGrid(thin))
