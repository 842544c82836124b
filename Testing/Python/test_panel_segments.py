"""Hidden segments, and segmentations with large or many segments, in the panel."""

import numpy as np
import pytest
import slicer
from scene_parts import (
    add_segmentation,
    add_volume,
    ball,
    only_slices,
    paint,
    predict_ball,
    share_one_image,
    tip_of,
    wait_until,
)

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid

SHAPE = (12, 30, 40)
PAINTED = [3, 6, 8]


def test_hiding_a_segment_leaves_it_out_and_the_panel_says_so(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    segmentation.GetSegmentation().AddEmptySegment("Tumour", "Tumour")
    tumour = only_slices(ball(SHAPE, 0.1), 1, [15])
    slicer.util.updateSegmentBinaryLabelmapFromArray(tumour.astype(np.uint8), segmentation, "Tumour", volume)
    a_panel.enter()
    assert "Hidden" not in a_panel.ui.annotationLabel.text
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", False)
    wait_until(lambda: "Hidden, and so not learnt: Tumour." in a_panel.ui.annotationLabel.text, 5)
    assert "background" in a_panel.ui.annotationLabel.text and a_panel.ui.startButton.enabled
    segmentation.GetDisplayNode().SetSegmentVisibility("Ball", False)
    wait_until(lambda: not a_panel.ui.startButton.enabled, 5)
    assert "Hidden, and so not learnt: Ball, Tumour." in tip_of(a_panel.ui.startButton)


def test_hiding_an_accepted_segment_annotates_nothing(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    segmentation.GetSegmentation().AddEmptySegment("Tumour", "Tumour")
    labels = ball(SHAPE) + ball(SHAPE, 0.15)
    predicted = [LabelledSegment(value, one, one) for value, one in ((1, "Ball"), (2, "Tumour"))]
    PredictionLogic.update(volume, segmentation, labels, predicted)
    a_panel.enter()
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "Accepted" in a_panel.ui.statusLabel.text, 20)
    assert a_panel.ui.sliceTable.rowCount == len(PAINTED)
    for visible in (False, True):
        segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", visible)
        a_panel.enter()
        assert ("Hidden" in a_panel.ui.annotationLabel.text) is not visible
        assert a_panel.ui.sliceTable.rowCount == len(PAINTED)


def test_a_segment_without_a_name_is_called_by_its_id_everywhere(a_panel, a_volume_node, tmp_path):
    segmentation = add_segmentation(a_volume_node, [])
    segmentation.GetSegmentation().AddSegment(slicer.vtkSegment(), "Segment_7")  # as scripts make them
    paint(segmentation, "Segment_7", only_slices(ball(SHAPE), 0, PAINTED), a_volume_node)
    assert not segmentation.GetSegmentation().GetSegment("Segment_7").GetName()
    a_panel.enter()
    ui = a_panel.ui
    assert ui.startButton.enabled and ui.sliceTable.item(0, 2).text() == "Segment_7"
    exported = VolumeExport(tmp_path).export(a_volume_node, segmentation, {"Segment_7": 1})
    assert [one.name for one in exported.segments] == ["Segment_7"]
    PredictionLogic.update(a_volume_node, segmentation, ball(SHAPE), exported.segments)
    ReviewRecord(volumes={1: 4.0}).store(segmentation)
    a_panel.enter()
    assert ui.volumeTable.item(0, 0).text() == "Segment_7"
    folder = RunFolder.of(a_volume_node, segmentation).create()
    folder.keepLook(segmentation)
    assert folder.look()["Segment_7"]["name"] == "Segment_7"


def test_the_prediction_follows_when_a_segment_is_renamed_or_recoloured(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    predict_ball(volume, segmentation)
    a_panel.enter()
    own = segmentation.GetSegmentation().GetSegment("Ball")
    predicted = PredictionLogic.predicted(segmentation).GetSegmentation().GetSegment("Ball")
    own.SetName("Cyst")
    own.SetColor(0.1, 0.9, 0.2)
    wait_until(lambda: predicted.GetName() == "Cyst", 5)
    assert predicted.GetColor() == pytest.approx((0.1, 0.9, 0.2))


@pytest.fixture
def nothing_is_small(monkeypatch):
    """Whatever is painted is looked through between the application's events."""
    monkeypatch.setattr("ContrastiveSegLib.Panels.AnnotationSection._FEW_VOXELS", 0)
    monkeypatch.setattr("ContrastiveSegLib.AnnotationLogic._FEW_VOXELS", 0)
    monkeypatch.setattr("ContrastiveSegLib.Chunks._PIECE", 0.0)


def test_a_large_segmentation_is_looked_through_between_the_events(
    nothing_is_small, a_volume_to_paint, a_panel
):
    volume, segmentation = a_volume_to_paint
    ui = a_panel.ui
    wait_until(lambda: "No slice is annotated yet" in ui.annotationLabel.text, 20)
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, PAINTED), volume)
    a_panel.panel.update()
    words = "Looking for the slices that you have annotated."
    assert ui.annotationLabel.text == ui.suggestionLabel.text == words
    assert not ui.startButton.enabled and words in tip_of(ui.startButton)
    with a_panel.panel.explained():
        a_panel.panel.accept()
    assert ui.statusLabel.text == words
    # painted on meanwhile: what was found would be old
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [*PAINTED, 5]), volume)
    a_panel.panel.update()
    assert not ui.startButton.enabled
    wait_until(lambda: ui.startButton.enabled, 20)
    assert "4 annotated slices" in ui.annotationLabel.text
    assert ui.sliceTable.rowCount == 4 and ui.sliceTable.enabled
    a_panel.panel.update()
    assert ui.startButton.enabled, "nothing has changed, and nothing is looked for again"


def test_other_nodes_are_not_told_what_was_looked_for(nothing_is_small, a_volume_to_paint, a_panel):
    volume, segmentation = a_volume_to_paint
    ui = a_panel.ui
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, PAINTED), volume)
    a_panel.panel.update()
    ui.segmentationSelector.setCurrentNode(add_segmentation(volume, ["Other"], name="Other"))
    wait_until(lambda: "No slice is annotated yet" in ui.annotationLabel.text, 20)
    assert ui.sliceTable.rowCount == 0
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert "Looking" in ui.annotationLabel.text
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert "Choose a volume" in ui.annotationLabel.text


def test_what_is_wrong_with_a_large_segmentation_is_said_once(nothing_is_small, a_volume_to_paint, a_panel):
    _volume, segmentation = a_volume_to_paint
    ui = a_panel.ui
    beside = np.diag([1.0, 1.0, 2.0, 1.0])
    beside[0, 3] = 500
    paint(segmentation, "Ball", ball(SHAPE), add_volume(ball(SHAPE), beside))
    a_panel.panel.update()
    wait_until(lambda: "'Ball' does not touch" in ui.annotationLabel.text, 20)
    a_panel.panel.update()
    assert "'Ball' does not touch" in ui.annotationLabel.text
    assert "'Ball' does not touch" in tip_of(ui.startButton)


def test_a_segmentation_full_of_structures_is_not_chosen_by_itself(a_panel):
    volume = add_volume(ball(SHAPE))
    full = add_segmentation(volume, [f"Organ {number}" for number in range(40)], name="All organs")
    share_one_image(full, np.arange(np.prod(SHAPE)).reshape(SHAPE) % 41, volume)
    a_panel.enter()
    assert a_panel.panel.nodes() == (volume, None)
    own = add_segmentation(volume, [f"Structure {number}" for number in range(20)], name="To paint")
    a_panel.enter()
    assert a_panel.panel.nodes() == (volume, own)
    a_panel.ui.segmentationSelector.setCurrentNode(full)
    assert "12 annotated slices" in a_panel.ui.annotationLabel.text


def test_what_is_hidden_is_not_replaced_by_accept(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    segmentation.GetSegmentation().AddEmptySegment("Tumour", "Tumour")
    tumour = only_slices(ball(SHAPE, 0.15), 0, [5])  # on a slice where nothing else is painted
    slicer.util.updateSegmentBinaryLabelmapFromArray(tumour.astype(np.uint8), segmentation, "Tumour", volume)
    labels = ball(SHAPE) + np.roll(ball(SHAPE, 0.15), 3, axis=2)
    predicted = [LabelledSegment(value, one, one) for value, one in ((1, "Ball"), (2, "Tumour"))]
    PredictionLogic.update(volume, segmentation, labels, predicted)
    segmentation.GetDisplayNode().SetSegmentVisibility("Tumour", False)
    a_panel.enter()
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "Accepted" in a_panel.ui.statusLabel.text, 20)
    assert "Hidden, and so not accepted: Tumour." in a_panel.ui.statusLabel.text
    found = SegmentResampler(segmentation, VolumeGrid(volume)).labels({"Ball": 1, "Tumour": 2}).whole()
    assert np.array_equal(found == 2, tumour > 0) and (found[4] == 1).any()
    with a_panel.panel.explained():
        a_panel.panel.accept(["Tumour"])
    assert "is hidden in 'Segmentation'" in a_panel.ui.statusLabel.text
