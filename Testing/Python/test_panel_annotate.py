"""The section Annotate: what to paint next, the editor within the panel, complete and partial slices."""

import numpy as np
import pytest
import qt
import slicer
from scene_parts import (
    add_segmentation,
    add_volume,
    ball,
    bent_transform,
    only_slices,
    paint,
    tip_of,
    wait_until,
)

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.State import State
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeExport import VolumeExport
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)
PAINTED = [3, 6, 8]


def editor_of(widget):
    return next(one.editor for one in widget.panel.sections if hasattr(one, "editor"))


def suggest(widget, *slices):
    names = {1: "Ball"}
    numbers = {"undecided": 0.23, "distance_mm": 4.0, "value": 1}
    given = [{"axis": 0, "index": index, "reason": reason, **numbers} for index, reason in slices]
    found = SliceSuggestion.ofEvent({"suggestions": given}, names)
    volume, segmentation = widget.panel.nodes()
    predicted = [LabelledSegment(1, segmentation.GetSegmentation().GetNthSegmentID(0), "Ball")]
    PredictionLogic.update(volume, segmentation, ball(SHAPE), predicted)
    SliceSuggestion.store(segmentation, found)
    widget.panel.learning.suggested.emit(found)


def test_the_hint_leads_from_the_middle_to_the_ends(a_volume_to_paint, a_panel):
    volume, segmentation = a_volume_to_paint
    label, button = a_panel.ui.suggestionLabel, a_panel.ui.suggestButton
    assert "Step 1" in label.text and "middle" in label.text and "3 to 5 slices" in label.text
    assert not button.enabled and "stands above" in tip_of(button)
    for painted, step in (([6], "Step 2"), ([3, 9], "Step 3"), ([3, 6, 9], "Step 4")):
        paint(segmentation, "Ball", only_slices(ball(SHAPE, 0.45), 0, painted), volume)
        a_panel.enter()
        assert step in label.text, painted
        assert button.enabled is (step == "Step 3")
    AnnotationLogic.setEmpty(segmentation, (0, 0))
    a_panel.enter()
    assert "the other end" in label.text
    AnnotationLogic.setEmpty(segmentation, (0, 11))
    a_panel.enter()
    assert "press Start" in label.text and not button.enabled
    machine = a_panel.panel.learning.machine
    assert machine.go(State.Ready)
    for state in (State.Starting, State.Learning):
        assert machine.go(state)
        assert label.text.startswith("Learning.") and not button.enabled
    assert machine.go(State.Failed)
    assert "press Start" in label.text


def test_of_a_structure_that_the_border_cuts_off_no_empty_slice_is_asked_for_there(
    a_volume_to_paint, a_panel
):
    volume, segmentation = a_volume_to_paint
    label = a_panel.ui.suggestionLabel
    tube = np.zeros(SHAPE, np.uint8)
    tube[:, 10:20, 10:20] = 1
    paint(segmentation, "Ball", only_slices(tube, 0, [0, 4, 8]), volume)
    a_panel.enter()
    assert "Step 4" in label.text and "the other end" in label.text
    paint(segmentation, "Ball", only_slices(tube, 0, [0, 4, 8, 11]), volume)
    a_panel.enter()
    assert "press Start" in label.text


@pytest.mark.parametrize("shape", [(1, 30, 40), (2, 30, 40), (30, 1, 40)])
def test_of_a_flat_image_no_more_slices_are_asked_for_than_it_has(a_panel, shape):
    ui, count = a_panel.ui, min(shape)
    spacing = [3.0, 3.0, 1.0, 1.0] if count == 1 else [1.0, 1.0, 5.0, 1.0]
    volume = add_volume(np.full(shape, 100, np.int16), np.diag(spacing))
    segmentation = add_segmentation(volume, ["Left ventricle"])
    a_panel.enter()
    asked = "one slice" if count == 1 else "at least 2 slices"
    assert asked in ui.annotationLabel.text and "3 slices" not in ui.annotationLabel.text
    painted = np.zeros(shape, np.uint8)
    painted[tuple(slice(None) if n <= 2 else slice(10, 20) for n in shape)] = 1
    paint(segmentation, "Left ventricle", painted, volume)
    a_panel.enter()
    assert ui.annotationLabel.text.startswith(f"{count} annotated slice"), ui.annotationLabel.text
    assert "little" not in ui.annotationLabel.text and "second one" not in ui.annotationLabel.text
    assert ui.suggestionLabel.text.startswith("Every slice is annotated: press Start.")


def test_before_a_learning_the_widest_gap_can_be_gone_to(a_volume_to_paint, a_panel):
    volume, segmentation = a_volume_to_paint
    paint(segmentation, "Ball", only_slices(ball(SHAPE, 0.45), 0, [2, 9]), volume)
    a_panel.enter()
    view = SliceView()
    view.show(volume, offset=0.0)
    a_panel.ui.suggestButton.click()
    assert view.node.GetSliceOffset() == pytest.approx(2.0 * 5)


def test_suggestions_are_said_in_words_gone_to_and_passed_over_when_annotated(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    view = SliceView()
    view.show(volume, offset=0.0)
    suggest(a_panel, (5, "unsure"), (7, "end"))
    label = a_panel.ui.suggestionLabel
    assert "axial slice at S: 10.0 mm" in label.text
    assert "least sure" in label.text and "23 %" in label.text and "Ball" in label.text
    assert "4 mm from the nearest annotated slice" in label.text
    a_panel.ui.suggestButton.click()
    assert view.node.GetSliceOffset() == pytest.approx(10.0)
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [*PAINTED, 5]), volume)
    wait_until(lambda: "S: 14.0 mm" in label.text, 5)
    assert "where Ball ends" in label.text
    AnnotationLogic.setEmpty(segmentation, (0, 7))
    a_panel.enter()
    assert "All suggested slices are annotated: press Start" in label.text
    assert not a_panel.ui.suggestButton.enabled
    machine = a_panel.panel.learning.machine
    assert machine.go(State.Ready) and machine.go(State.Starting)
    assert label.text.startswith("Learning.")
    assert machine.go(State.Failed)


def test_suggestions_do_not_stay_when_other_nodes_are_chosen(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    suggest(a_panel, (5, "change"))
    assert "do not agree" in a_panel.ui.suggestionLabel.text
    other = add_segmentation(volume, ["Other"], name="Other")
    a_panel.ui.segmentationSelector.setCurrentNode(other)
    assert "Step 1" in a_panel.ui.suggestionLabel.text
    slicer.mrmlScene.Clear(0)
    assert "Choose a volume" in a_panel.ui.suggestionLabel.text


def test_what_the_worker_suggests_and_cannot_be_understood_is_left_out(a_painted_scene):
    bad = [{"axis": 0}, {"axis": 7, "index": 1, "undecided": 0, "distance_mm": 1}, {"axis": "x"}]
    assert SliceSuggestion.ofEvent({"suggestions": bad}, {}) == []
    assert SliceSuggestion.ofEvent({}, {}) == []


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"slice": [0]}]', '[{"slice": [7, 1]}]', '{"slice": 1}'])
def test_spoilt_suggestions_of_a_saved_scene_are_none(a_painted_scene, a_panel, text):
    suggest(a_panel, (5, "change"))
    volume, segmentation = a_painted_scene
    node = PredictionLogic.predicted(segmentation)
    assert len(SliceSuggestion.stored(volume, segmentation)) == 1
    node.SetAttribute("ContrastiveSeg.Suggestions", text)
    assert SliceSuggestion.stored(volume, segmentation) == []


def test_the_editor_in_the_panel_follows_the_chosen_nodes_and_keeps_its_own_settings(
    a_painted_scene, a_panel
):
    volume, segmentation = a_painted_scene
    editor = editor_of(a_panel)
    assert editor.segmentationNode() is segmentation and editor.sourceVolumeNode() is volume
    node = editor.mrmlSegmentEditorNode()
    assert node.GetSingletonTag() == "ContrastiveSegPaint" and node.GetHideFromEditors() != 0
    node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments)
    other = add_segmentation(volume, ["Other"], name="Other")
    a_panel.ui.segmentationSelector.setCurrentNode(other)
    assert editor.segmentationNode() is other
    a_panel.exit()
    a_panel.enter()
    assert editor_of(a_panel) is editor and editor.mrmlSegmentEditorNode() is node
    assert node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedInsideAllSegments


def test_keys_of_the_editor_work_only_while_the_panel_is_shown(a_painted_scene, a_panel, monkeypatch):
    editor = editor_of(a_panel)
    window = qt.QWidget()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda verbose=True: window)
    a_panel.enter()
    if not hasattr(editor, "_hasKeys"):
        pytest.skip("only the stand-in tells")
    assert editor._hasKeys and editor._watchesViews
    a_panel.exit()
    assert not editor._hasKeys and not editor._watchesViews


def test_the_editor_offers_only_what_works_on_the_slice_that_is_shown(a_painted_scene, a_panel):
    editor = editor_of(a_panel)
    offered = {one.text for one in editor.findChildren(qt.QToolButton) if not one.isHidden()}
    assert {"Paint", "Draw", "Erase", "Level tracing"} <= offered
    # Scissors cut through all slices unless told otherwise
    assert not offered & {"Scissors", "Threshold", "Grow from seeds", "Fill between slices", "Islands"}
    node = editor.mrmlSegmentEditorNode()
    a_panel.exit()
    node.SetActiveEffectName("Scissors")  # of a scene that an earlier release has saved
    a_panel.enter()
    assert not node.GetActiveEffectName()


def test_the_editor_survives_the_closing_of_the_scene(a_painted_scene, a_panel):
    editor = editor_of(a_panel)
    slicer.mrmlScene.Clear(0)
    assert editor.segmentationNode() is None and not a_panel.ui.editorCollapsibleButton.enabled
    assert "Choose a volume" in tip_of(a_panel.ui.editorCollapsibleButton)
    volume = add_volume(ball(SHAPE))
    segmentation = add_segmentation(volume, ["Ball"])
    a_panel.enter()
    assert editor.segmentationNode() is segmentation
    assert slicer.mrmlScene.IsNodePresent(editor.mrmlSegmentEditorNode())


def test_a_prediction_is_not_painted_in(a_painted_scene, a_panel):
    from ContrastiveSegLib.LabelledSegment import LabelledSegment
    from ContrastiveSegLib.PredictionLogic import PredictionLogic

    volume, segmentation = a_painted_scene
    PredictionLogic.update(volume, segmentation, ball(SHAPE), [LabelledSegment(1, "Ball", "Ball")])
    a_panel.panel._parameters.segmentation = PredictionLogic.predicted(segmentation)
    assert editor_of(a_panel).segmentationNode() is None


def test_of_a_slice_that_is_not_complete_only_what_is_painted_counts(a_painted_scene, a_panel, tmp_path):
    volume, segmentation = a_painted_scene
    table = a_panel.ui.sliceTable
    assert [table.item(row, 3).checkState() for row in range(3)] == [qt.Qt.Checked] * 3
    table.item(1, 3).setCheckState(qt.Qt.Unchecked)
    assert AnnotationLogic.partialSlices(segmentation) == [(0, 6)]
    exported = VolumeExport(tmp_path).export(volume, segmentation, {"Ball": 1})
    labels = np.load(tmp_path / exported.case["labels"])
    assert set(np.unique(labels[3])) == {0, 1} and set(np.unique(labels[6])) == {-1, 1}
    painted = SegmentResampler(segmentation, VolumeGrid(volume)).labels({"Ball": 1}).whole()
    assert ((labels == 1) == (painted == 1)).all()
    a_panel.enter()
    assert table.item(1, 3).checkState() == qt.Qt.Unchecked
    table.item(1, 3).setCheckState(qt.Qt.Checked)
    assert AnnotationLogic.partialSlices(segmentation) == []


def test_unchecking_an_empty_slice_takes_the_mark_away(a_painted_scene, a_panel):
    _volume, segmentation = a_painted_scene
    AnnotationLogic.setEmpty(segmentation, (0, 0))
    a_panel.enter()
    assert a_panel.ui.sliceTable.rowCount == 4
    a_panel.ui.sliceTable.item(0, 3).setCheckState(qt.Qt.Unchecked)
    wait_until(lambda: a_panel.ui.sliceTable.rowCount == 3, 5)
    assert AnnotationLogic.emptySlices(segmentation) == []


def test_a_slice_marked_as_empty_is_none_of_another_volume_with_other_slices(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    view = SliceView()
    view.show(volume, offset=20.0)
    a_panel.ui.emptyButton.click()
    rows = a_panel.ui.annotationLabel
    assert rows.text == "4 annotated slices (4 axial)."
    thin = np.diag([1.0, 1.0, 1.0, 1.0])
    thin[2, 3] = -0.5
    other = add_volume(np.repeat(ball(SHAPE), 2, axis=0), thin, name="T2")
    a_panel.panel._parameters.volume = other
    assert rows.text == "6 annotated slices (6 axial)."  # 10 is in the midst of the structure there
    view.show(other, offset=20.0)
    a_panel.ui.emptyButton.click()
    assert rows.text == "7 annotated slices (7 axial)."
    a_panel.panel._parameters.volume = volume
    assert rows.text == "4 annotated slices (4 axial)."


def tilted(degrees):
    """A grid of 2 mm slices, turned about the axis from left to right."""
    turn = np.radians(degrees)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    return matrix @ np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture
def an_oblique_view(a_panel):
    """A volume that was acquired 25 degrees obliquely, shown in an axial view, chosen in the panel."""
    volume = add_volume(ball(SHAPE) * 300 + 50, tilted(25))
    segmentation = add_segmentation(volume, ["Ball"])
    view = SliceView()
    view.show(volume)
    view.aim(VolumeGrid(volume).center())
    a_panel.enter()
    yield volume, segmentation, view
    view.node.SetOrientation("Axial")


def test_oblique_views_are_warned_of_and_turned_to_the_planes_of_the_volume(an_oblique_view, a_panel):
    volume, _segmentation, view = an_oblique_view
    sagittal = SliceView("Yellow", "Sagittal")  # lies in a plane of the volume, but turned in it
    sagittal.show(volume)
    label, button = a_panel.ui.alignLabel, a_panel.ui.alignButton
    assert "oblique to 'Volume'" in label.text and not label.isHidden() and not button.isHidden()
    button.click()
    wait_until(lambda: button.isHidden() and label.isHidden(), 5)
    axis = volume_axis(volume)
    normal = [view.node.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
    assert abs(np.dot(normal, axis)) == pytest.approx(1.0, abs=1e-6)
    upward = [sagittal.node.GetSliceToRAS().GetElement(row, 1) for row in range(3)]
    assert abs(np.dot(upward, axis)) == pytest.approx(1.0, abs=1e-6)
    sagittal.node.SetOrientation("Sagittal")
    view.node.SetOrientation("Axial")  # the panel watches the views
    wait_until(lambda: not button.isHidden(), 5)


def volume_axis(volume):
    axis = VolumeGrid(volume).ijkToWorld()[:3, 2]
    return axis / np.linalg.norm(axis)


def test_in_an_oblique_view_no_slice_is_marked_as_empty_or_accepted(an_oblique_view, a_panel):
    volume, segmentation, view = an_oblique_view
    a_panel.ui.emptyButton.click()
    assert AnnotationLogic.emptySlices(segmentation) == []
    assert "oblique" in a_panel.ui.statusLabel.text and "Align slice views" in a_panel.ui.statusLabel.text
    a_panel.ui.alignButton.click()
    k = (np.linalg.inv(VolumeGrid(volume).ijkToWorld()) @ [*origin_of(view), 1.0])[2]
    assert k == pytest.approx(round(k), abs=1e-6)  # on the middle of a slice, so that a brush paints one
    a_panel.ui.emptyButton.click()
    assert AnnotationLogic.emptySlices(segmentation) == [(0, round(k))]


def origin_of(view):
    return [view.node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]


def test_to_go_to_a_suggested_slice_turns_the_view_so_that_it_shows_that_slice(an_oblique_view, a_panel):
    volume, segmentation, _view = an_oblique_view
    paint(segmentation, "Ball", only_slices(ball(SHAPE, 0.45), 0, [2, 9]), volume)
    a_panel.enter()
    a_panel.ui.suggestButton.click()
    assert SliceViews.shown(VolumeGrid(volume), 0) == (0, 5)
    assert SliceViews.oblique(VolumeGrid(volume), segmentation) == []


def test_views_that_do_not_show_the_segmentation_may_be_oblique(an_oblique_view, a_panel):
    _volume, segmentation, _view = an_oblique_view
    segmentation.GetDisplayNode().AddViewNodeID("vtkMRMLSliceNodeElsewhere")
    a_panel.enter()
    assert a_panel.ui.alignButton.isHidden()


def test_a_segmentation_made_on_a_volume_of_another_angle_is_warned_of(a_panel):
    volume = add_volume(ball(SHAPE) * 300 + 50)
    add_segmentation(add_volume(ball(SHAPE), tilted(10), name="Other"), ["Ball"])
    a_panel.panel._parameters.volume = volume
    a_panel.enter()
    assert "voxels of 'Segmentation' are oblique to those of 'Volume'" in a_panel.ui.alignLabel.text
    assert a_panel.ui.alignButton.isHidden()
    a_panel.ui.newSegmentationButton.click()
    wait_until(lambda: a_panel.ui.alignLabel.isHidden(), 5)


@pytest.mark.parametrize("which", ["volume", "segmentation"])
def test_under_a_warp_nothing_is_painted_or_learnt_and_the_panel_says_what_to_do(
    a_painted_scene, a_panel, which
):
    volume, segmentation = a_painted_scene
    node = volume if which == "volume" else segmentation
    node.SetAndObserveTransformNodeID(bent_transform("Bent").GetID())
    words = "is under the non-linear transform 'Bent'"
    wait_until(lambda: words in a_panel.ui.annotationLabel.text, 5)
    for name in ("startButton", "paintButton", "emptyButton", "editorCollapsibleButton"):
        widget = getattr(a_panel.ui, name)
        assert not widget.enabled and words in tip_of(widget) and "Harden" in tip_of(widget)
    with pytest.raises(UserError, match=words):
        a_panel.panel.learning.start(volume, segmentation, "quick")
    node.SetAndObserveTransformNodeID(None)
    wait_until(lambda: a_panel.ui.startButton.enabled, 5)
