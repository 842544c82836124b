"""Prediction nodes: names, colours, terminology, and being found again."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_segmentation, ball

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.UserError import UserError

SHAPE = (12, 30, 40)
TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure"
    "~SCT^10200004^Liver~^^~Anatomic codes - DICOM master list~^^~^^"
)
SEGMENTS = [LabelledSegment(1, "L", "Liver"), LabelledSegment(3, "K", "Kidney")]


@pytest.fixture
def a_coloured_segmentation(a_volume_node):
    node = add_segmentation(a_volume_node, ["L", "K"], name="Organs")
    segmentation = node.GetSegmentation()
    for one, name, color in (("L", "Liver", (0.8, 0.4, 0.2)), ("K", "Kidney", (0.1, 0.7, 0.3))):
        segmentation.GetSegment(one).SetName(name)
        segmentation.GetSegment(one).SetColor(*color)
    segmentation.GetSegment("L").SetTerminology(TERMINOLOGY)
    return node


def two_labels():
    labels = ball(SHAPE)
    labels[:, :, :20] *= 3
    return labels


def test_the_node_carries_names_colours_and_terminology_of_the_users_segments(
    a_volume_node, a_coloured_segmentation
):
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    assert node.GetName() == "Organs (predicted)"
    liver, kidney = (node.GetSegmentation().GetSegment(one) for one in ("L", "K"))
    assert (liver.GetName(), kidney.GetName()) == ("Liver", "Kidney")
    assert liver.GetColor() == pytest.approx((0.8, 0.4, 0.2), abs=1e-4)
    assert kidney.GetColor() == pytest.approx((0.1, 0.7, 0.3), abs=1e-4)
    assert liver.GetTerminology() == TERMINOLOGY
    for one, value in (("L", 1), ("K", 3)):
        found = slicer.util.arrayFromSegmentBinaryLabelmap(node, one, a_volume_node)
        assert np.array_equal(found > 0, two_labels() == value)


def test_the_users_segmentation_is_not_touched(a_volume_node, a_coloured_segmentation):
    before = a_coloured_segmentation.GetSegmentation().GetMTime()
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    assert a_coloured_segmentation.GetSegmentation().GetMTime() == before


def test_a_later_prediction_goes_into_the_same_node(a_volume_node, a_coloured_segmentation):
    first = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    a_coloured_segmentation.GetSegmentation().GetSegment("L").SetName("Hepar")
    again = PredictionLogic.update(
        a_volume_node, a_coloured_segmentation, np.zeros(SHAPE, np.int16), SEGMENTS[:1]
    )
    assert again is first
    assert list(again.GetSegmentation().GetSegmentIDs()) == ["L"]
    assert again.GetSegmentation().GetSegment("L").GetName() == "Hepar"
    found = slicer.util.arrayFromSegmentBinaryLabelmap(again, "L", a_volume_node)
    assert found is None or not found.any()


def test_surfaces_follow_a_preview_only_where_they_are_made_quickly(
    a_volume_node, a_coloured_segmentation, monkeypatch
):
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)

    def points():
        surface = vtk.vtkPolyData()
        node.GetClosedSurfaceRepresentation("L", surface)
        return surface.GetNumberOfPoints()

    before = points()
    smaller = two_labels()
    smaller[:6] = 0
    monkeypatch.setattr(PredictionLogic, "_surfaceSeconds", 0.1)
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, smaller, SEGMENTS, surfaces=False)
    assert 0 < points() < before
    monkeypatch.setattr(PredictionLogic, "_surfaceSeconds", 5.0)
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    assert points() == before  # a result gets its surfaces in any case
    monkeypatch.setattr(PredictionLogic, "_surfaceSeconds", 5.0)
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, smaller, SEGMENTS, surfaces=False)
    assert points() == 0  # better none than those of another mask
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    assert 0 < points() < before


def test_it_is_known_again_as_a_prediction_of_this_volume(a_volume_node, a_coloured_segmentation):
    assert not PredictionLogic.isFor(a_volume_node, a_coloured_segmentation)
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    assert PredictionLogic.isFor(a_volume_node, a_coloured_segmentation)
    assert PredictionLogic.isPrediction(node) and not PredictionLogic.isPrediction(a_coloured_segmentation)


def test_a_result_of_another_size_is_refused(a_volume_node, a_coloured_segmentation):
    with pytest.raises(UserError, match="3 x 3 x 3 voxels, but the volume 'Volume' has 40 x 30 x 12"):
        PredictionLogic.update(
            a_volume_node, a_coloured_segmentation, np.zeros((3, 3, 3), np.int16), SEGMENTS
        )


def test_an_unreadable_result_is_explained(tmp_path):
    (tmp_path / "half.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(UserError, match=r"half.npy' cannot be read"):
        PredictionLogic.read(tmp_path / "half.npy")


def test_maps_lie_on_the_volume_with_their_own_colours_and_are_used_again(
    a_volume_node, a_coloured_segmentation
):
    percent = np.arange(np.prod(SHAPE), dtype=np.int64).reshape(SHAPE) % 101
    maps = PredictionLogic.updateMaps(
        a_volume_node,
        a_coloured_segmentation,
        {"probability": percent.astype(np.uint8), "uncertainty": (100 - percent).astype(np.uint8)},
    )
    assert maps["uncertainty"].GetName() == "Organs (uncertainty)"
    assert np.array_equal(slicer.util.arrayFromVolume(maps["probability"]), percent)
    display = maps["uncertainty"].GetDisplayNode()
    assert display.GetApplyThreshold() and display.GetUpperThreshold() == 100
    color = [0.0] * 4
    display.GetColorNode().GetColor(100, color)
    assert color[:3] == pytest.approx([1.0, 1.0, 0.6], abs=0.01)
    again = PredictionLogic.updateMaps(
        a_volume_node, a_coloured_segmentation, {"uncertainty": np.zeros(SHAPE, np.uint8)}
    )
    assert again["uncertainty"] is maps["uncertainty"]
    assert PercentVolume(a_coloured_segmentation, "probability").node is maps["probability"]
