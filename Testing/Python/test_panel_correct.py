"""Correct and learn again: what was predicted on a slice becomes what the user changes there."""

import numpy as np
import pytest
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.Panels import AnnotationSection as annotation_module
from ContrastiveSegLib.Panels import ResultSection as result_module
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)
PAINTED = [3, 6, 8]
DOUBTFUL = {
    "doubtful": [
        {"index": [3, 4, 10], "value": 2, "ml": 0.42},
        {"index": [20, 15, 4], "value": 1, "ml": 0.3},
        {"index": [20, 15, 1], "value": 1, "ml": 0.2},
        {"index": [20, 15, 0], "value": 1, "ml": 0.1},
    ]
}


def labels():
    found = ball(SHAPE)
    found[9:11, 2:6, 2:6] = 2
    return found


def mask(segmentation, volume, name):
    found = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume)
    return np.zeros(SHAPE, bool) if found is None else found > 0


@pytest.fixture
def a_predicted_scene(a_panel):
    """'Ball' painted on three slices; it and 'Spot' predicted, with doubtful places."""
    volume = add_volume(ball(SHAPE) * 300 + 50)
    segmentation = add_segmentation(volume, ["Ball", "Spot"])
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, PAINTED), volume)
    segments = [LabelledSegment(1, "Ball", "Ball"), LabelledSegment(2, "Spot", "Spot")]
    PredictionLogic.update(volume, segmentation, labels(), segments)
    ReviewRecord.of(DOUBTFUL).store(segmentation)
    a_panel.enter()
    view = SliceView()
    view.show(volume)
    return volume, segmentation, view


def editor_of(panel):
    return next(one.editor for one in panel.panel.sections if hasattr(one, "editor"))


def annotated(panel):
    panel.panel.update()
    return [one.slice for one in panel.panel.annotation.summary.slices]


def test_the_prediction_on_the_slice_shown_becomes_the_users_and_counts_as_annotated(
    a_predicted_scene, a_panel, tmp_path
):
    volume, segmentation, view = a_predicted_scene
    ui = a_panel.ui
    ui.annotationCollapsibleButton.collapsed = True
    view.node.SetSliceOffset(8.0)  # slice 4 of 2 mm
    ui.correctButton.click()
    now = mask(segmentation, volume, "Ball")
    assert np.array_equal(now, only_slices(ball(SHAPE), 0, [*PAINTED, 4]) > 0)
    assert annotated(a_panel) == [(0, 3), (0, 4), (0, 6), (0, 8)]
    assert ui.sliceTable.rowCount == 4 and not ui.annotationCollapsibleButton.collapsed
    assert "then press Start" in ui.statusLabel.text and "hidden meanwhile" in ui.statusLabel.text
    assert not ui.showCheckBox.checked
    assert not PredictionLogic.predicted(segmentation).GetDisplayNode().GetVisibility()
    now[4, 15, 18:22] = False  # the user erases what is wrong
    paint(segmentation, "Ball", now, volume)
    a_panel.panel.update()
    assert annotated(a_panel) == [(0, 3), (0, 4), (0, 6), (0, 8)]
    exported = VolumeExport(tmp_path).export(volume, segmentation, {"Ball": 1, "Spot": 2})
    sparse = np.load(tmp_path / exported.case["labels"])
    assert np.array_equal(sparse[4] == 1, now[4]) and not (sparse[4] < 0).any()
    assert exported.case["corrected"] == [[0, 4]]


def test_the_brush_is_in_the_hand_and_the_doubtful_structure_chosen(a_predicted_scene, a_panel):
    _volume, _segmentation, _view = a_predicted_scene
    ui, editor = a_panel.ui, editor_of(a_panel)
    editor.setCurrentSegmentID("Ball")
    ui.doubtfulButton.click()
    assert "Spot" in ui.doubtfulLabel.text
    ui.correctButton.click()
    assert editor.activeEffect().name == "Paint" and editor.currentSegmentID() == "Spot"
    editor.setActiveEffectByName("Erase")
    ui.doubtfulButton.click()
    ui.correctButton.click()
    assert editor.activeEffect().name == "Erase" and editor.currentSegmentID() == "Ball"


def test_a_slice_that_is_taken_is_doubtful_no_more_and_the_next_place_shows_the_prediction(
    a_predicted_scene, a_panel
):
    ui = a_panel.ui
    ui.doubtfulButton.click()
    ui.correctButton.click()
    assert not ui.showCheckBox.checked
    ui.doubtfulButton.click()
    assert ui.doubtfulLabel.text.startswith("Doubtful place 2 of 4") and ui.showCheckBox.checked
    ui.correctButton.click()
    # the third lies three slices beside the one just taken, the fourth farther away
    ui.doubtfulButton.click()
    assert ui.doubtfulLabel.text.startswith("Doubtful place 4 of 4")
    ui.undoButton.click()
    ui.doubtfulButton.click()
    assert ui.doubtfulLabel.text.startswith("Doubtful place 2 of 4")


def test_when_no_place_is_left_the_button_says_so(a_predicted_scene, a_panel):
    volume, segmentation, _view = a_predicted_scene
    AnnotationLogic.setEmpty(segmentation, (0, 1), True, VolumeGrid(volume))
    paint(segmentation, "Spot", only_slices(labels() == 2, 0, [10]), volume)
    a_panel.panel.update()
    assert not a_panel.ui.doubtfulButton.enabled
    assert "beside a slice that you have annotated" in tip_of(a_panel.ui.doubtfulButton)


def test_where_the_user_hides_the_prediction_it_stays_hidden(a_predicted_scene, a_panel):
    ui = a_panel.ui
    ui.showCheckBox.checked = False
    ui.doubtfulButton.click()
    assert not ui.showCheckBox.checked


@pytest.mark.parametrize("how", ["panel", "editor"])
def test_undo_takes_the_slice_back_and_its_mark(a_predicted_scene, a_panel, how):
    volume, segmentation, view = a_predicted_scene
    before = mask(segmentation, volume, "Ball")
    view.node.SetSliceOffset(8.0)
    a_panel.ui.correctButton.click()
    if how == "panel":
        a_panel.ui.undoButton.click()
        assert a_panel.ui.showCheckBox.checked
    else:
        editor_of(a_panel).undo()
    wait_until(lambda: a_panel.ui.sliceTable.rowCount == 3, 5)
    assert np.array_equal(mask(segmentation, volume, "Ball"), before)
    assert annotated(a_panel) == [(0, one) for one in PAINTED]
    if how == "editor":
        editor_of(a_panel).redo()
        wait_until(lambda: a_panel.ui.sliceTable.rowCount == 4, 5)


def test_what_the_user_painted_is_not_replaced(a_predicted_scene, a_panel):
    volume, segmentation, view = a_predicted_scene
    smaller = only_slices(ball(SHAPE), 0, PAINTED)
    smaller[6, 10:20] = 0
    paint(segmentation, "Ball", smaller, volume)
    view.node.SetSliceOffset(12.0)  # slice 6
    a_panel.ui.correctButton.click()
    assert np.array_equal(mask(segmentation, volume, "Ball"), smaller > 0)
    assert "You annotated the slice shown" in a_panel.ui.statusLabel.text
    assert a_panel.ui.showCheckBox.checked


def test_where_nothing_is_predicted_it_says_what_to_do(a_predicted_scene, a_panel):
    _volume, _segmentation, view = a_predicted_scene
    view.node.SetSliceOffset(0.0)
    a_panel.ui.correctButton.click()
    assert "Nothing is predicted on the slice shown" in a_panel.ui.statusLabel.text
    assert annotated(a_panel) == [(0, one) for one in PAINTED]
    assert a_panel.ui.showCheckBox.checked


def one_step(self, seconds=0.0):
    try:
        next(self._steps)
    except StopIteration:
        self._steps = None
        return True
    return False


def test_a_large_slice_comes_between_events_and_then_the_brush(a_predicted_scene, a_panel, monkeypatch):
    _volume, _segmentation, view = a_predicted_scene
    monkeypatch.setattr(result_module, "_FEW_VOXELS", 0)

    monkeypatch.setattr(Chunks, "_some", one_step)
    view.node.SetSliceOffset(8.0)
    a_panel.ui.correctButton.click()
    assert not a_panel.ui.correctButton.enabled and "accepted" in tip_of(a_panel.ui.correctButton)
    assert editor_of(a_panel).activeEffect() is None
    wait_until(lambda: "counts as annotated" in a_panel.ui.statusLabel.text, 20)
    assert editor_of(a_panel).activeEffect().name == "Paint"
    assert annotated(a_panel) == [(0, 3), (0, 4), (0, 6), (0, 8)]


def test_with_a_large_segmentation_it_waits_until_the_slices_are_found(
    a_predicted_scene, a_panel, monkeypatch
):
    _volume, _segmentation, view = a_predicted_scene
    monkeypatch.setattr(annotation_module, "_FEW_VOXELS", 0)
    monkeypatch.setattr(Chunks, "_some", one_step)
    view.node.SetSliceOffset(8.0)
    a_panel.panel.update()
    wait_until(lambda: not a_panel.panel.annotation.isLooking, 20)
    a_panel.ui.correctButton.click()
    wait_until(lambda: a_panel.panel.annotation.isLooking, 20)
    assert "counts" not in a_panel.ui.statusLabel.text and "Nothing" not in a_panel.ui.statusLabel.text
    wait_until(lambda: "counts as annotated" in a_panel.ui.statusLabel.text, 20)
    assert not a_panel.ui.showCheckBox.checked
    assert editor_of(a_panel).activeEffect().name == "Paint"
    wait_until(lambda: not a_panel.panel.annotation.isLooking, 20)
    assert a_panel.ui.sliceTable.rowCount == 4


@pytest.mark.parametrize("button", ["correctButton", "acceptSliceButton"])
def test_a_structure_that_is_left_open_on_a_slice_is_filled_in_and_what_is_painted_stays(a_panel, button):
    both = ball(SHAPE)
    both[2:10, 2:6, 2:6] = 2
    volume = add_volume(both * 100 + 50)
    segmentation = add_segmentation(volume, ["Ball", "Spot"])
    smaller = only_slices(both == 2, 0, [4, 6])
    smaller[:, 5] = False
    paint(segmentation, "Spot", smaller, volume)
    paint(segmentation, "Ball", only_slices(both == 1, 0, [3, 8]), volume)
    segments = [LabelledSegment(1, "Ball", "Ball"), LabelledSegment(2, "Spot", "Spot")]
    PredictionLogic.update(volume, segmentation, both, segments)
    a_panel.enter()
    assert "Left open" in a_panel.ui.annotationLabel.text
    SliceView().show(volume, offset=8.0)  # slice 4, where the spot is painted and the ball is left open
    getattr(a_panel.ui, button).click()
    assert np.array_equal(mask(segmentation, volume, "Ball"), only_slices(both == 1, 0, [3, 4, 8]))
    assert np.array_equal(mask(segmentation, volume, "Spot"), smaller)


def test_the_shortcut_corrects_the_slice_shown(a_predicted_scene, a_panel):
    section = next(one for one in a_panel.panel.sections if hasattr(one, "table") and hasattr(one, "help"))
    assert ("Ctrl+Shift+E", "correctButton") in [row[:2] for row in section.table()]
    assert "Ctrl+Shift+E" in section.help()
