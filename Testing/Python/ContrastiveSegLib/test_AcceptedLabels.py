"""What was accepted, and what a person changed since."""

import numpy as np
import pytest
import slicer.util
from scene_parts import add_segmentation, add_transform, add_volume, paint

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.DefaultNodes import DefaultNodes
from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.VolumeGrid import VolumeGrid

SHAPE = (40, 12, 14)
VALUES = {"A": 300, "B": 2}


def blocks(**where):
    """A block of each segment, e.g. A=3 for the slices 3 to 5."""
    found = {}
    for name in VALUES:
        found[name] = np.zeros(SHAPE, np.uint8)
        if name in where:
            found[name][where[name] : where[name] + 3, 4:8, 5:9] = 1
    return found


def set_painted(volume, segmentation, **where):
    for name, mask in blocks(**where).items():
        paint(segmentation, name, mask, volume)


def changed(volume, segmentation, values=VALUES):
    grid = VolumeGrid(volume)
    labels = SegmentResampler(segmentation, grid).labels(values)
    found = AcceptedLabels(segmentation).changed(labels, values, grid)
    return None if found is None else found.whole() != 0


@pytest.fixture
def a_pair(a_scene):
    volume = add_volume(np.zeros(SHAPE, np.int16))
    return volume, add_segmentation(volume, ["A", "B"])


def take(volume, segmentation, persons=None):
    for _step in AcceptedLabels(segmentation).take(persons, VolumeGrid(volume)):
        pass


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"A": 3}, {"A": 3}),
        ({"A": 3}, {"A": 30}),
        ({"A": 3}, {"B": 4}),
        ({}, {"A": 3}),
        ({"A": 3}, {}),
        ({"A": 3, "B": 9}, {"A": 3, "B": 20}),
    ],
)
def test_it_tells_where_labels_are_other_than_accepted(a_pair, before, after):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, **before)
    take(volume, segmentation)
    set_painted(volume, segmentation, **after)
    expected = np.zeros(SHAPE, bool)
    for name in VALUES:
        expected |= blocks(**before)[name] != blocks(**after)[name]
    assert np.array_equal(changed(volume, segmentation), expected)


def test_without_a_note_nothing_is_told(a_pair):
    volume, segmentation = a_pair
    assert changed(volume, segmentation) is None
    take(volume, segmentation)
    assert not changed(volume, segmentation).any()
    AcceptedLabels(segmentation).put(None)
    assert changed(volume, segmentation) is None


def test_segments_that_do_not_take_part_are_left_out(a_pair):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, A=3, B=9)
    take(volume, segmentation)
    assert not changed(volume, segmentation, {"A": 1}).any()
    segmentation.GetSegmentation().RemoveSegment("B")
    assert not changed(volume, segmentation, {"A": 1}).any()


def test_it_goes_with_the_segmentation_under_a_transform(a_pair):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, A=3)
    take(volume, segmentation)
    move = np.eye(4)
    move[:3, 3] = (2, 1, 4)
    segmentation.SetAndObserveTransformNodeID(add_transform(move).GetID())
    assert not changed(volume, segmentation).any()


def test_it_can_be_put_aside_and_taken_back(a_pair):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, A=3)
    take(volume, segmentation)
    first = AcceptedLabels(segmentation).snapshot()
    set_painted(volume, segmentation, A=20)
    take(volume, segmentation)
    assert not changed(volume, segmentation).any()
    AcceptedLabels(segmentation).put(first)
    assert changed(volume, segmentation).any() and AcceptedLabels(segmentation).snapshot() == first


def test_a_copy_of_the_segmentation_gets_a_note_of_its_own(a_pair):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, A=3)
    take(volume, segmentation)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Copy")
    other.Copy(segmentation)
    assert not changed(volume, other).any()
    set_painted(volume, other, A=20)
    take(volume, other)
    assert not changed(volume, other).any() and not changed(volume, segmentation).any()


def test_nobody_paints_in_it_and_it_goes_with_its_segmentation(a_pair):
    volume, segmentation = a_pair
    take(volume, segmentation)
    name = AcceptedLabels(segmentation).node.GetName()
    slicer.mrmlScene.RemoveNode(segmentation)
    assert DefaultNodes.segmentation() is None
    other = add_segmentation(volume, ["A", "B"], name="Other")
    take(volume, other)
    assert slicer.util.getFirstNodeByName(name) is None


def test_what_a_person_has_painted_on_unfinished_slices_is_kept(a_pair):
    volume, segmentation = a_pair
    set_painted(volume, segmentation, A=3)
    mine = np.zeros(SHAPE, np.uint8)
    mine[4, 4:6, 5:9] = 1
    grid = VolumeGrid(volume)
    labels = SegmentResampler(segmentation, grid).labels(VALUES)
    assert AcceptedLabels(segmentation).persons(labels, VALUES, grid).all(), "nothing was accepted yet"
    take(volume, segmentation, LabelBox.of(mine))
    found = AcceptedLabels(segmentation).persons(labels, VALUES, grid)
    assert np.array_equal(LabelBox(found.astype(np.int16), labels.start, SHAPE).whole(), mine)
