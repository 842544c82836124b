"""Review: volumes, doubtful places, accepting parts, and how the prediction is drawn."""

import numpy as np
import pytest
import qt
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.Panels import ResultSection as result_module
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)
EVENT = {
    "volume_ml": {"1": 4.123, "2": 0.256},
    "volume_error_ml": {"1": 0.4, "2": 0.03},
    "dice_estimate": {"1": 0.91},
    "doubtful": [
        {"index": [20, 15, 2], "value": 1, "ml": 0.42},
        {"index": [3, 4, 10], "value": 2, "ml": 0.1},
        {"index": [30, 15, 6], "value": 0, "ml": 0.05},
    ],
}


def editor_of(widget):
    return next(one.editor for one in widget.panel.sections if hasattr(one, "editor"))


def labels():
    found = ball(SHAPE)
    found[9:11, 2:6, 2:6] = 2
    return found


@pytest.fixture
def a_reviewed_scene(a_panel):
    """'Ball' painted on three slices, 'Spot' on one; both predicted, with numbers as of a worker."""
    volume = add_volume(ball(SHAPE) * 300 + 50)
    segmentation = add_segmentation(volume, ["Ball", "Spot"])
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), volume)
    segments = [LabelledSegment(1, "Ball", "Ball"), LabelledSegment(2, "Spot", "Spot")]
    PredictionLogic.update(volume, segmentation, labels(), segments)
    ReviewRecord.of(EVENT).store(segmentation)
    PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": np.zeros(SHAPE, np.uint8)})
    a_panel.enter()
    return volume, segmentation


def mask(segmentation, volume, name):
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0


def table_texts(ui):
    table = ui.volumeTable
    return [[table.item(r, c).text() for c in range(4)] for r in range(table.rowCount)]


def test_the_table_has_each_structure_with_volume_error_and_estimate(a_reviewed_scene, a_panel):
    assert table_texts(a_panel.ui) == [["Ball", "4.12", "0.40", "0.91"], ["Spot", "0.26", "0.03", "–"]]
    assert not a_panel.ui.volumeTable.isHidden()


def test_the_section_opens_with_the_first_prediction_and_is_then_left_as_the_user_wants_it(a_panel):
    section = a_panel.ui.resultCollapsibleButton
    volume = add_volume(ball(SHAPE) * 300 + 50)
    segmentation = add_segmentation(volume, ["Ball"])
    a_panel.enter()
    assert section.collapsed
    for _preview in range(2):
        PredictionLogic.update(volume, segmentation, ball(SHAPE), [LabelledSegment(1, "Ball", "Ball")])
        a_panel.panel.update()
        assert section.collapsed is bool(_preview)
        section.collapsed = True
    a_panel.ui.segmentationSelector.setCurrentNode(add_segmentation(volume, ["Other"], name="Other"))
    a_panel.ui.segmentationSelector.setCurrentNode(segmentation)
    assert not section.collapsed


def test_without_numbers_there_is_no_table(a_reviewed_scene, a_panel):
    _volume, segmentation = a_reviewed_scene
    ReviewRecord.forget(segmentation)
    a_panel.panel.update()
    assert a_panel.ui.volumeTable.isHidden()
    assert not a_panel.ui.doubtfulButton.enabled and "earlier release" in tip_of(a_panel.ui.doubtfulButton)


@pytest.mark.parametrize("spoilt", ["{", "[]", '{"places": [{"index": [1]}], "volumes": {"x": 1, "1": "a"}}'])
def test_numbers_that_cannot_be_read_are_left_out(a_reviewed_scene, a_panel, spoilt):
    _volume, segmentation = a_reviewed_scene
    PredictionLogic.predicted(segmentation).SetAttribute("ContrastiveSeg.Review", spoilt)
    assert ReviewRecord.stored(segmentation) == ReviewRecord()
    a_panel.panel.update()


def test_next_doubtful_place_goes_from_one_to_the_next_and_says_what_is_there(a_reviewed_scene, a_panel):
    volume, _segmentation = a_reviewed_scene
    view = SliceView()
    view.show(volume)
    ui = a_panel.ui
    ui.doubtfulButton.click()
    assert ui.doubtfulLabel.text == "Doubtful place 1 of 3: Ball, 0.42 ml"
    assert view.node.GetSliceOffset() == pytest.approx(4.0)  # slice 2 of 2 mm
    center = view.node.GetXYToRAS().MultiplyPoint([200, 200, 0, 1])
    assert center[:2] == pytest.approx([20, 15], abs=0.2), "the place is not in the middle of the view"
    ui.doubtfulButton.click()
    assert ui.doubtfulLabel.text == "Doubtful place 2 of 3: Spot, 0.10 ml"
    ui.doubtfulButton.click()  # the third lies on a slice that the user has painted meanwhile
    assert ui.doubtfulLabel.text.startswith("Doubtful place 1 of 3")


def test_places_outside_of_all_structures_say_so(a_reviewed_scene, a_panel):
    _volume, segmentation = a_reviewed_scene
    ReviewRecord.of({**EVENT, "doubtful": [{"index": [1, 1, 1], "value": 0, "ml": 3}]}).store(segmentation)
    a_panel.panel.update()
    a_panel.ui.doubtfulButton.click()
    assert a_panel.ui.doubtfulLabel.text == "Doubtful place 1 of 1: outside of all structures, 3.00 ml"


def test_a_structure_is_accepted_alone(a_reviewed_scene, a_panel):
    volume, segmentation = a_reviewed_scene
    ui = a_panel.ui
    assert not ui.acceptSegmentButton.enabled and "Select a structure" in tip_of(ui.acceptSegmentButton)
    painted = mask(segmentation, volume, "Ball")
    ui.volumeTable.setCurrentCell(1, 0)
    assert ui.acceptSegmentButton.enabled
    ui.acceptSegmentButton.click()
    assert np.array_equal(mask(segmentation, volume, "Spot"), labels() == 2)
    assert np.array_equal(mask(segmentation, volume, "Ball"), painted)
    assert ui.showCheckBox.checked  # the other structure is still to be reviewed


def test_the_slice_shown_is_accepted_and_each_acceptance_is_taken_back(a_reviewed_scene, a_panel):
    volume, segmentation = a_reviewed_scene
    ui = a_panel.ui
    SliceView().show(volume, offset=8.0)  # slice 4
    painted = mask(segmentation, volume, "Ball")
    ui.acceptSliceButton.click()
    first = mask(segmentation, volume, "Ball")
    assert np.array_equal(first[4], ball(SHAPE)[4] > 0) and not first[5].any()
    ui.volumeTable.setCurrentCell(1, 0)
    ui.acceptSegmentButton.click()
    assert mask(segmentation, volume, "Spot").any()
    ui.undoButton.click()
    spot = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "Spot", volume)
    assert (spot is None or not spot.any()) and np.array_equal(mask(segmentation, volume, "Ball"), first)
    assert ui.undoButton.enabled
    ui.undoButton.click()
    assert np.array_equal(mask(segmentation, volume, "Ball"), painted)
    assert not ui.undoButton.enabled


def test_a_slice_that_the_user_painted_is_not_replaced(a_reviewed_scene, a_panel):
    volume, segmentation = a_reviewed_scene
    SliceView().show(volume, offset=12.0)  # slice 6
    before = mask(segmentation, volume, "Ball")
    a_panel.ui.acceptSliceButton.click()
    assert "your painting stays" in a_panel.ui.statusLabel.text
    assert np.array_equal(mask(segmentation, volume, "Ball"), before)


def test_the_prediction_is_drawn_as_outline_or_fill(a_reviewed_scene, a_panel):
    _volume, segmentation = a_reviewed_scene
    display = PredictionLogic.predicted(segmentation).GetDisplayNode()
    drawn = []
    for index in range(3):
        a_panel.ui.drawingSelector.currentIndex = index
        drawn.append((bool(display.GetVisibility2DOutline()), bool(display.GetVisibility2DFill())))
    assert drawn == [(True, True), (True, False), (False, True)]


def test_a_large_acceptance_goes_on_between_events_and_blocks_other_buttons(
    a_reviewed_scene, a_panel, monkeypatch
):
    volume, segmentation = a_reviewed_scene
    monkeypatch.setattr(result_module, "_FEW_VOXELS", 0)
    monkeypatch.setattr(Chunks, "_some", one_step)
    ui = a_panel.ui
    ui.acceptButton.click()
    assert not mask(segmentation, volume, "Ball")[4].any(), "it was done at once"
    for button in (ui.acceptButton, ui.undoButton, ui.acceptSliceButton, ui.startButton):
        assert not button.enabled and "accepted" in tip_of(button), button.name
    wait_until(lambda: "Accepted into" in ui.statusLabel.text, 20)
    assert np.array_equal(mask(segmentation, volume, "Ball"), labels() == 1)
    assert ui.undoButton.enabled and ui.startButton.enabled
    assert ui.annotationLabel.text.startswith("3 annotated slices")


def one_step(self, seconds=0.0):
    try:
        next(self._steps)
    except StopIteration:
        self._steps = None
        return True
    return False


def test_nobody_paints_while_a_large_acceptance_is_under_way(a_reviewed_scene, a_panel, monkeypatch):
    _volume, segmentation = a_reviewed_scene
    monkeypatch.setattr(result_module, "_FEW_VOXELS", 0)
    monkeypatch.setattr(Chunks, "_some", one_step)
    window = slicer.util.mainWindow() or qt.QWidget()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda verbose=True: window)
    a_panel.enter()
    editor, ui = editor_of(a_panel), a_panel.ui

    def has_keys():
        return editor._hasKeys if hasattr(editor, "_hasKeys") else len(window.findChildren("QShortcut")) > 20

    assert has_keys()
    ui.acceptButton.click()
    section = ui.editorCollapsibleButton
    assert not section.enabled and "accepted" in tip_of(section)
    assert editor.segmentationNode() is segmentation, "its Undo is lost"
    assert not has_keys()
    wait_until(lambda: "Accepted into" in ui.statusLabel.text, 20)
    assert section.enabled and has_keys()
    a_panel.exit()  # before the window goes, which has the keys


def test_undo_in_the_editor_takes_accept_back_and_redo_brings_it_again(a_reviewed_scene, a_panel):
    volume, segmentation = a_reviewed_scene
    ui, editor = a_panel.ui, editor_of(a_panel)
    painted = mask(segmentation, volume, "Ball")
    ui.acceptButton.click()
    accepted = mask(segmentation, volume, "Ball")
    assert not np.array_equal(accepted, painted)
    for _again in range(2):
        editor.undo()
        assert np.array_equal(mask(segmentation, volume, "Ball"), painted)
        wait_until(lambda: "already" in tip_of(ui.undoButton), 5)
        assert ui.annotationLabel.text.startswith("3 annotated slices")
        assert ui.sliceTable.rowCount == 3 and not ui.undoButton.enabled
        editor.redo()
        assert np.array_equal(mask(segmentation, volume, "Ball"), accepted)
        wait_until(lambda: ui.undoButton.enabled, 5)
        assert ui.sliceTable.rowCount == 3
    ui.undoButton.click()
    assert np.array_equal(mask(segmentation, volume, "Ball"), painted)


@pytest.mark.parametrize("countsAll", [True, False])
def test_where_it_is_not_known_what_was_accepted_the_user_is_asked_what_counts(
    a_reviewed_scene, a_panel, monkeypatch, countsAll
):
    volume, segmentation = a_reviewed_scene
    ui, asked = a_panel.ui, []
    ui.acceptButton.click()
    # as in a scene of which only some files came
    slicer.mrmlScene.RemoveNode(AcceptedLabels(segmentation).node)
    a_panel.panel.result.forget()
    a_panel.panel.update()
    assert "cannot be told" in ui.annotationLabel.text and ui.sliceTable.rowCount == 3
    monkeypatch.setattr(
        slicer.util, "confirmYesNoDisplay", lambda text, *_: bool(asked.append(text)) or countsAll
    )
    started = []
    monkeypatch.setattr(a_panel.panel.learning, "start", lambda *nodes, **settings: started.append(nodes))
    monkeypatch.setattr(a_panel.panel.installing, "missing", lambda: [])
    for _twice in range(2):
        ui.startButton.click()
    assert len(started) == 2 and len(asked) == 1 and "3 slices" in asked[0]
    assert "cannot be told" not in ui.annotationLabel.text
    count = int((labels() > 0).any(axis=(1, 2)).sum()) if countsAll else 3
    assert ui.sliceTable.rowCount == count
    painted = mask(segmentation, volume, "Ball")
    painted[5, 2:4, 2:6] = True
    paint(segmentation, "Ball", painted, volume)
    wait_until(lambda: ui.sliceTable.rowCount == (count if countsAll else 4), 5)


def test_an_acceptance_that_fails_in_the_midst_ends_with_a_sentence(a_reviewed_scene, a_panel, monkeypatch):
    from ContrastiveSegLib.AcceptLogic import AcceptLogic
    from ContrastiveSegLib.UserError import UserError

    def steps(self, *arguments, **options):
        yield
        raise UserError("The disk is full.", "Make room.")

    monkeypatch.setattr(result_module, "_FEW_VOXELS", 0)
    monkeypatch.setattr(Chunks, "_some", one_step)
    monkeypatch.setattr(AcceptLogic, "steps", steps)
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "The disk is full." in a_panel.ui.statusLabel.text, 20)
    assert a_panel.ui.acceptButton.enabled


def test_numbers_and_places_come_back_with_the_scene(a_reviewed_scene, a_panel):
    scene = slicer.mrmlScene
    a_panel.ui.drawingSelector.currentIndex = 1
    scene.SetSaveToXMLString(1)
    scene.Commit()
    stored = scene.GetSceneXMLString()
    scene.Clear(0)
    assert a_panel.ui.volumeTable.isHidden() and a_panel.ui.doubtfulLabel.isHidden()
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(stored)
    scene.Import()
    scene.SetSaveToXMLString(0)
    scene.SetLoadFromXMLString(0)  # or no later test reads the files of a scene
    segmentation = slicer.util.getNode("Segmentation")
    assert ReviewRecord.stored(segmentation) == ReviewRecord.of(EVENT)
    assert a_panel.ui.drawingSelector.currentText == "Outline only"


def test_a_structure_whose_segment_was_removed_is_said_not_to_be_accepted(a_reviewed_scene, a_panel):
    _volume, segmentation = a_reviewed_scene
    segmentation.GetSegmentation().RemoveSegment("Spot")
    a_panel.ui.acceptButton.click()
    wait_until(lambda: "Accepted into" in a_panel.ui.statusLabel.text, 20)
    assert "No segment any more, and so not accepted: Spot." in a_panel.ui.statusLabel.text
    a_panel.ui.volumeTable.setCurrentCell(1, 0)
    a_panel.ui.acceptSegmentButton.click()
    assert "no segment of 'Segmentation' any more" in a_panel.ui.statusLabel.text
    segmentation.GetSegmentation().RemoveSegment("Ball")
    a_panel.ui.acceptButton.click()
    assert "no segment of 'Segmentation' any more" in a_panel.ui.statusLabel.text


def test_a_segment_that_is_renamed_is_called_so_in_the_review_too(a_reviewed_scene, a_panel):
    _volume, segmentation = a_reviewed_scene
    SliceSuggestion.store(segmentation, [SliceSuggestion((0, 5), "change", 0.1, 4.0, "Ball", 1)])
    segmentation.GetSegmentation().GetSegment("Ball").SetName("Left atrium")
    wait_until(lambda: "do not agree about Left atrium here" in a_panel.ui.suggestionLabel.text, 5)
    wait_until(lambda: table_texts(a_panel.ui)[0][0] == "Left atrium", 5)
    predicted = PredictionLogic.predicted(segmentation).GetSegmentation()
    assert [predicted.GetSegment(one).GetName() for one in ("Ball", "Spot")] == ["Left atrium", "Spot"]


def test_where_the_volume_was_cropped_no_place_and_no_slice_of_the_former_one_is_gone_to(
    a_reviewed_scene, a_panel
):
    volume, segmentation = a_reviewed_scene
    SliceSuggestion.store(segmentation, [SliceSuggestion((0, 5), "far", 0.1, 4.0, "Ball")])
    a_panel.panel.update()
    assert a_panel.ui.doubtfulButton.enabled and a_panel.ui.suggestionLabel.text.startswith("Next: axial")
    slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(slicer.util.arrayFromVolume(volume)[2:]))
    volume.SetOrigin(0.0, 0.0, 4.0)
    a_panel.panel.update()
    assert not a_panel.ui.doubtfulButton.enabled
    assert not a_panel.ui.suggestionLabel.text.startswith("Next: axial")
    assert a_panel.ui.volumeTable.rowCount == 2 and a_panel.ui.acceptButton.enabled  # the mask lies right
    assert mask(PredictionLogic.predicted(segmentation), volume, "Ball")[4].any()
