"""The panel without a worker: what it finds, what it allows, and what it says."""

import numpy as np
import pytest
import qt
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, tip_of, wait_until

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.State import State
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)


def show_prediction(volume, segmentation):
    PredictionLogic.update(volume, segmentation, ball(SHAPE), [LabelledSegment(1, "Ball", "Ball")])


def mask(segmentation, volume, name="Ball"):
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, volume) > 0


def test_in_an_empty_scene_start_asks_for_a_volume(a_panel):
    ui = a_panel.ui
    assert not ui.startButton.enabled
    assert "Choose a volume" in tip_of(ui.startButton)
    assert "Choose a volume" in ui.annotationLabel.text
    assert not ui.newSegmentationButton.enabled and "volume" in tip_of(ui.newSegmentationButton)


def test_every_disabled_button_says_why(a_panel):
    for name in ("startButton", "acceptButton", "undoButton", "emptyButton", "paintButton"):
        button = getattr(a_panel.ui, name)
        assert not button.enabled
        assert tip_of(button).endswith("."), name


def test_the_only_volume_and_segmentation_are_chosen_and_their_slices_listed(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    ui = a_panel.ui
    assert ui.volumeSelector.currentNode() is volume
    assert ui.segmentationSelector.currentNode() is segmentation
    assert ui.annotationLabel.text == "3 annotated slices (3 axial)."
    rows = [[ui.sliceTable.item(r, c).text() for c in range(3)] for r in range(ui.sliceTable.rowCount)]
    assert rows == [["axial", f"S: {z:.1f} mm", "Ball"] for z in (6, 12, 16)]
    assert ui.startButton.enabled and ui.startButton.text == "Start"


def test_label_maps_predictions_and_their_maps_are_not_chosen(a_panel):
    slicer.util.addVolumeFromArray(ball(SHAPE), name="Labels", nodeClassName="vtkMRMLLabelMapVolumeNode")
    volume = add_volume(ball(SHAPE), name="Image")
    segmentation = add_segmentation(volume, ["Ball"])
    show_prediction(volume, segmentation)
    PredictionLogic.updateMaps(volume, segmentation, {"probability": np.zeros(SHAPE, np.uint8)})
    a_panel.enter()
    assert a_panel.ui.volumeSelector.currentNode() is volume
    assert a_panel.ui.segmentationSelector.currentNode() is segmentation
    slicer.mrmlScene.RemoveNode(volume)
    slicer.mrmlScene.RemoveNode(segmentation)
    a_panel.enter()
    assert a_panel.ui.volumeSelector.currentNode() is None
    assert a_panel.ui.segmentationSelector.currentNode() is None


def test_a_chosen_volume_that_is_removed_is_not_followed_by_a_map(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    show_prediction(volume, segmentation)
    PredictionLogic.updateMaps(volume, segmentation, {"probability": np.zeros(SHAPE, np.uint8)})
    slicer.app.processEvents()  # the panel is open and hears of the new nodes
    slicer.mrmlScene.RemoveNode(volume)
    slicer.mrmlScene.RemoveNode(segmentation)
    assert a_panel.ui.volumeSelector.currentNode() is None
    assert a_panel.ui.segmentationSelector.currentNode() is None


def test_nodes_that_appear_while_the_panel_is_open_are_chosen(a_panel):
    volume = add_volume(ball(SHAPE))
    wait_until(lambda: a_panel.ui.volumeSelector.currentNode() is volume, 5)
    segmentation = add_segmentation(volume, ["Ball"])
    wait_until(lambda: a_panel.ui.segmentationSelector.currentNode() is segmentation, 5)
    add_volume(ball(SHAPE), name="Later")
    slicer.app.processEvents()
    assert a_panel.ui.volumeSelector.currentNode() is volume  # what is chosen stays


def test_the_volume_that_is_shown_is_preferred(a_panel):
    add_volume(ball(SHAPE), name="First")
    shown = add_volume(ball(SHAPE), name="Shown")
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(shown.GetID())
    a_panel.enter()
    assert a_panel.ui.volumeSelector.currentNode() is shown


def test_a_segmentation_made_for_the_volume_is_preferred_to_that_of_another_patient(a_panel):
    first, second = (add_volume(ball(SHAPE), name=name) for name in ("Anna", "Bert"))
    other, own = (add_segmentation(one, ["Ball"], name=one.GetName()) for one in (first, second))
    a_panel.panel._parameters.volume = second
    a_panel.enter()
    assert a_panel.ui.segmentationSelector.currentNode() is own
    slicer.mrmlScene.RemoveNode(own)
    a_panel.panel._parameters.segmentation = None
    a_panel.enter()
    assert a_panel.ui.segmentationSelector.currentNode() is other  # better than none


def test_new_makes_a_segmentation_on_the_grid_of_the_volume(a_panel):
    volume = add_volume(np.zeros(SHAPE, np.int16))
    a_panel.enter()
    a_panel.ui.newSegmentationButton.click()
    made = a_panel.ui.segmentationSelector.currentNode()
    assert made.GetName() == "Volume segmentation"
    assert made.GetSegmentation().GetNumberOfSegments() == 1
    assert made.GetNodeReference("referenceImageGeometryRef") is volume
    assert "Paint" in tip_of(a_panel.ui.startButton) and not a_panel.ui.startButton.enabled


def test_painting_is_noticed_and_too_few_slices_are_warned_of(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 1, [14]), volume)
    wait_until(lambda: a_panel.ui.annotationLabel.text.startswith("1 annotated slice (1 coronal)."), 5)
    assert "very little" in a_panel.ui.annotationLabel.text
    assert a_panel.ui.startButton.enabled  # a warning, not a refusal


def test_a_segment_painted_once_and_one_not_painted_are_named(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    segmentation.GetSegmentation().AddEmptySegment("Wall", "Wall")
    wait_until(lambda: "Not painted yet, and so not learnt: Wall." in a_panel.ui.annotationLabel.text, 5)
    wall = np.zeros(SHAPE, np.uint8)
    wall[6, 2:4, 2:4] = 1
    paint(segmentation, "Wall", wall, volume)
    wait_until(lambda: "Painted on one slice only: Wall." in a_panel.ui.annotationLabel.text, 5)


def test_a_click_on_a_slice_goes_there(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    view = SliceView()
    view.show(volume)
    a_panel.ui.sliceTable.cellClicked.emit(2, 0)
    assert view.node.GetSliceOffset() == pytest.approx(16)


def test_the_slice_shown_can_be_marked_as_empty_and_unmarked(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    SliceView().show(volume, offset=0.0)
    a_panel.ui.emptyButton.click()
    assert a_panel.ui.annotationLabel.text == "4 annotated slices (4 axial)."
    assert a_panel.ui.sliceTable.item(0, 2).text() == "none (marked empty)"
    assert "marked as empty" in a_panel.ui.statusLabel.text
    a_panel.ui.emptyButton.click()
    assert a_panel.ui.annotationLabel.text == "3 annotated slices (3 axial)."


def test_a_painted_slice_is_not_marked_as_empty(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    SliceView().show(volume, offset=12.0)
    a_panel.ui.emptyButton.click()
    assert "painted on the slice" in a_panel.ui.statusLabel.text
    assert a_panel.ui.annotationLabel.text == "3 annotated slices (3 axial)."


def test_a_segment_beside_the_volume_is_explained_and_start_refused(a_painted_scene, a_panel):
    volume, _segmentation = a_painted_scene
    volume.SetOrigin(1000, 0, 0)
    a_panel.enter()
    assert "'Ball' does not touch the volume" in a_panel.ui.annotationLabel.text
    assert "does not touch" in tip_of(a_panel.ui.startButton) and not a_panel.ui.startButton.enabled


def test_a_prediction_is_not_offered_and_cannot_be_learnt_from(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    show_prediction(volume, segmentation)
    predicted = PredictionLogic.predicted(segmentation)
    assert "is a prediction" in Readiness.whyNotPaint(volume, predicted)
    a_panel.panel.chooseDefaults()
    assert a_panel.ui.segmentationSelector.nodeCount() == 1
    a_panel.ui.segmentationSelector.setCurrentNode(predicted)
    assert a_panel.ui.segmentationSelector.currentNode() is None


def test_accept_leaves_painted_slices_alone_and_undo_brings_everything_back(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    painted = mask(segmentation, volume)
    show_prediction(volume, segmentation)
    segmented = ball(SHAPE).copy()
    segmented[6] = 0  # what is predicted on an annotated slice does not count
    PredictionLogic.update(volume, segmentation, segmented, [LabelledSegment(1, "Ball", "Ball")])
    a_panel.panel.update()
    ui = a_panel.ui
    assert ui.acceptButton.enabled and not ui.undoButton.enabled
    ui.acceptButton.click()
    assert np.array_equal(mask(segmentation, volume), ball(SHAPE) > 0)
    assert "Accepted into 'Segmentation'" in ui.statusLabel.text
    assert not ui.showCheckBox.checked
    assert ui.annotationLabel.text == "3 annotated slices (3 axial)."  # accepted ones are not a person's
    assert ui.undoButton.enabled
    ui.undoButton.click()
    assert np.array_equal(mask(segmentation, volume), painted)
    assert ui.showCheckBox.checked and not ui.undoButton.enabled


def test_what_was_painted_after_accept_is_not_lost_by_undo(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    show_prediction(volume, segmentation)
    a_panel.panel.update()
    a_panel.ui.acceptButton.click()
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6]), volume)
    wait_until(lambda: not a_panel.ui.undoButton.enabled, 5)
    assert "Undo in the Segment Editor" in tip_of(a_panel.ui.undoButton)


def test_the_prediction_is_shown_as_chosen(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    show_prediction(volume, segmentation)
    a_panel.panel.update()
    node = PredictionLogic.predicted(segmentation)
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    ui = a_panel.ui
    ui.opacitySlider.value = 70
    assert node.GetDisplayNode().GetOpacity2DFill() == pytest.approx(0.7)
    assert node.GetSegmentation().ContainsRepresentation(surface)
    ui.show3DCheckBox.checked = False
    assert not node.GetSegmentation().ContainsRepresentation(surface)
    ui.showCheckBox.checked = False
    assert not node.GetDisplayNode().GetVisibility()
    assert not ui.opacitySlider.enabled and "Show" in tip_of(ui.opacitySlider)


def test_the_uncertainty_lies_over_the_slices_when_wished(a_painted_scene, a_panel):
    volume, segmentation = a_painted_scene
    view = SliceView()
    view.show(volume)
    show_prediction(volume, segmentation)
    assert not a_panel.ui.uncertaintyCheckBox.enabled
    maps = PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": np.full(SHAPE, 60, np.uint8)})
    a_panel.panel.update()
    assert a_panel.ui.uncertaintyCheckBox.enabled
    a_panel.ui.uncertaintyCheckBox.checked = True
    assert view.composite.GetForegroundVolumeID() == maps["uncertainty"].GetID()
    a_panel.ui.uncertaintyCheckBox.checked = False
    assert view.composite.GetForegroundVolumeID() is None


def test_the_uncertainty_gives_back_what_lay_over_the_image_and_leaves_the_users_choices(
    a_painted_scene, a_panel
):
    volume, segmentation = a_painted_scene
    pet = add_volume(ball(SHAPE) * 10, name="PET")
    fused, plain = SliceView("Red"), SliceView("Yellow", "Sagittal")
    for view in (fused, plain):
        view.show(volume)
    fused.composite.SetForegroundVolumeID(pet.GetID())
    fused.composite.SetForegroundOpacity(0.3)
    show_prediction(volume, segmentation)
    maps = PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": np.full(SHAPE, 60, np.uint8)})
    a_panel.panel.update()
    a_panel.ui.uncertaintyCheckBox.checked = True
    fused.composite.SetForegroundOpacity(0.8)
    plain.composite.SetForegroundVolumeID(pet.GetID())
    a_panel.panel._parameters.opacity = 25  # any other choice
    assert fused.composite.GetForegroundVolumeID() == maps["uncertainty"].GetID()
    assert fused.composite.GetForegroundOpacity() == pytest.approx(0.8)
    assert plain.composite.GetForegroundVolumeID() == pet.GetID()
    a_panel.ui.uncertaintyCheckBox.checked = False
    assert fused.composite.GetForegroundVolumeID() == pet.GetID()
    assert fused.composite.GetForegroundOpacity() == pytest.approx(0.3)
    assert plain.composite.GetForegroundVolumeID() == pet.GetID()
    a_panel.ui.uncertaintyCheckBox.checked = True  # a second time, in both views
    for view in (fused, plain):
        assert view.composite.GetForegroundVolumeID() == maps["uncertainty"].GetID()


def test_choices_are_saved_with_the_scene_and_come_back(a_painted_scene, a_panel):
    ui = a_panel.ui
    ui.budgetSelector.currentIndex = 2
    ui.opacitySlider.value = 55
    scene = slicer.mrmlScene
    scene.SetSaveToXMLString(1)
    scene.Commit()
    stored = scene.GetSceneXMLString()
    scene.Clear(0)
    assert a_panel.ui.budgetSelector.currentText == "Quick (1 minute)"
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(stored)
    scene.Import()
    scene.SetSaveToXMLString(0)
    scene.SetLoadFromXMLString(0)  # or no later test reads the files of a scene
    assert a_panel.ui.budgetSelector.currentText == "Best (10 minutes)"
    assert a_panel.ui.opacitySlider.value == 55
    assert a_panel.ui.volumeSelector.currentNode().GetName() == "Volume"
    assert a_panel.ui.segmentationSelector.currentNode().GetName() == "Segmentation"
    assert a_panel.ui.volumeSelector.currentNode() is a_panel.panel._parameters.volume


def test_a_scene_with_choices_of_a_later_release_is_opened_with_the_defaults(a_painted_scene, a_panel):
    a_panel.onSceneStartClose()
    node = a_panel.logic.getParameterNode().parameterNode
    for name in ("budget", "method", "planes", "drawing"):
        assert node.HasParameter(name)
        node.SetParameter(name, "OfALaterRelease")
    node.SetParameter("opacity", "70")
    a_panel.onSceneEndClose()
    assert a_panel.ui.budgetSelector.currentText == "Quick (1 minute)"
    assert a_panel.ui.opacitySlider.value == 70  # what is known stays
    assert a_panel.ui.startButton.enabled


def test_a_closed_scene_leaves_an_empty_panel(a_painted_scene, a_panel):
    slicer.mrmlScene.Clear(0)
    assert a_panel.ui.volumeSelector.currentNode() is None
    assert "Choose a volume" in tip_of(a_panel.ui.startButton)
    assert a_panel.panel.learning.machine.state is State.Empty


def test_reload_gives_a_panel_that_works(a_painted_scene, a_panel):
    a_panel.onReload()
    again = slicer.modules.ContrastiveSegWidget
    assert again is not a_panel
    if not again.parent.isEntered:  # in the application, the test's panel is not the one that is loaded again
        again.enter()
    assert again.ui.annotationLabel.text == "3 annotated slices (3 axial)."
    assert again.ui.startButton.enabled


def test_nothing_is_cut_off_at_400_pixels(a_painted_scene, a_panel):
    widget = a_panel.parent
    widget.resize(400, 800)
    widget.show()
    slicer.app.processEvents()
    assert widget.minimumSizeHint.width() <= 400
    for label in widget.findChildren(qt.QLabel):
        if label.isVisible() and not label.wordWrap:
            assert label.width >= label.sizeHint.width() - 1, label.text
