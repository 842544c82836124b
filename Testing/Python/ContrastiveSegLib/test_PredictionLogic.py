"""Prediction nodes: names, colours, terminology, and being found again."""

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_segmentation, ball, wait_until
from vtk.util.numpy_support import vtk_to_numpy

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SurfaceMaker import SurfaceMaker
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import ThreeDView

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


def surface_of(node, name="L"):
    surface = vtk.vtkPolyData()
    node.GetClosedSurfaceRepresentation(name, surface)
    return surface


def test_surfaces_follow_each_mask(a_volume_node, a_coloured_segmentation):
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    before = surface_of(node).GetNumberOfPoints()
    smaller = two_labels()
    smaller[:6] = 0
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, smaller, SEGMENTS)
    assert 0 < surface_of(node).GetNumberOfPoints() < before


def test_large_surfaces_come_later_and_lie_where_slicers_own_do(
    a_volume_node, a_coloured_segmentation, monkeypatch
):
    mirrored = np.array([[-1.2, 0.1, 0, 4], [0, 1, 0.2, -9], [0.1, 0, 2, 7], [0, 0, 0, 1]], float)
    a_volume_node.SetIJKToRASMatrix(VolumeGrid.toMatrix(mirrored))
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    own = surface_of(node)
    PredictionLogic.setShown3D(a_coloured_segmentation, False)
    monkeypatch.setattr(SurfaceMaker, "isQuick", lambda node: False)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    assert surface_of(node).GetNumberOfPoints() == 0  # the click came back at once
    wait_until(lambda: surface_of(node).GetNumberOfPoints() > 0, 20)
    ours = surface_of(node)
    assert ours.GetBounds() == pytest.approx(own.GetBounds(), abs=0.3)
    volumes = []
    for one in (own, ours):
        mass = vtk.vtkMassProperties()
        mass.SetInputData(one)
        volumes.append(mass.GetVolume())
    assert volumes[1] == pytest.approx(volumes[0], rel=0.03)
    outward = vtk_to_numpy(ours.GetPoints().GetData()) - ours.GetCenter()
    facing = (vtk_to_numpy(ours.GetPointData().GetNormals()) * outward).sum(axis=1)
    assert np.sign(facing).mean() > 0.8, "inside out"


def test_surfaces_of_an_older_mask_are_not_given_to_a_newer_one(
    a_volume_node, a_coloured_segmentation, monkeypatch
):
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    monkeypatch.setattr(SurfaceMaker, "isQuick", lambda node: False)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    smaller = two_labels()
    smaller[:6] = 0
    PredictionLogic.update(a_volume_node, a_coloured_segmentation, smaller, SEGMENTS)
    PredictionLogic.waitForSurfaces()
    assert surface_of(node).GetBounds()[4] > 10  # the lower half (2 mm slices) is gone
    PredictionLogic.setShown3D(a_coloured_segmentation, False)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    PredictionLogic.setShown3D(a_coloured_segmentation, False)
    PredictionLogic.waitForSurfaces()
    assert surface_of(node).GetNumberOfPoints() == 0


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


def test_files_are_read_as_the_box_of_what_is_known(tmp_path):
    labels = np.zeros((5, 6, 7), np.int16)
    labels[1, 2:4, 3], labels[3, 5, 6], labels[0, 0, 0] = 1, 3, 9  # nobody knows a 9
    np.save(tmp_path / "a.npy", labels)
    box = PredictionFiles.labels(tmp_path / "a.npy", [1, 3])
    assert np.array_equal(box.whole(), np.where(labels == 9, 0, labels)) and box.array.dtype == np.uint8
    assert not PredictionFiles.boxed(np.zeros((5, 6, 7), np.uint8), [1]).array.size
    assert PredictionFiles.boxed(np.full((2, 2, 2), 300, np.int16), [300]).array.dtype == np.int16


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


def test_surfaces_that_come_later_are_drawn_in_the_3d_view(
    a_volume_node, a_coloured_segmentation, monkeypatch
):
    view = ThreeDView((120, 120))
    node = PredictionLogic.update(a_volume_node, a_coloured_segmentation, two_labels(), SEGMENTS)
    view.pixels()
    monkeypatch.setattr(SurfaceMaker, "isQuick", lambda node: False)
    made = []
    monkeypatch.setattr(node, "CreateClosedSurfaceRepresentation", lambda: made.append(1), raising=False)
    PredictionLogic.setShown3D(a_coloured_segmentation, True)
    PredictionLogic.waitForSurfaces()
    picture = view.pixels().astype(int)
    assert np.ptp(picture.reshape(-1, 3), axis=0).max() > 60, "nothing is drawn"
    assert not made
