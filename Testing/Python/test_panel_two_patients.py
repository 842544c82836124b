"""Two patients in one scene: nothing that is said of one stands under the other."""

import pytest
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, predict_ball, tip_of

from ContrastiveSegLib.LabelledSegment import LabelledSegment
from ContrastiveSegLib.LearningRound import LearningRound
from ContrastiveSegLib.PercentVolume import PercentVolume
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import ReviewRecord
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.State import State
from slicer_harness.views import SliceView

SHAPE = (12, 30, 40)
FINISHED = "Finished. Review it, paint more slices where it is wrong, or accept it."


def add_patient(name):
    volume = add_volume(ball(SHAPE) * 300 + 50, name=name)
    segmentation = add_segmentation(volume, ["Ball"], name=f"{name} painted")
    segmentation.GetSegmentation().GetSegment("Ball").SetName(f"Tumour of {name}")
    paint(segmentation, "Ball", only_slices(ball(SHAPE), 0, [3, 6, 8]), volume)
    return volume, segmentation


def choose(widget, nodes):
    parameters = widget.panel._parameters
    parameters.volume, parameters.segmentation = nodes
    widget.panel.update()


def begin(widget, nodes):
    """A learning of these nodes, as far as the panel hears of it; no worker is needed."""
    learning = widget.panel.learning
    folder = RunFolder.of(*nodes).create()
    name = nodes[1].GetSegmentation().GetSegment("Ball").GetName()
    learning._round = LearningRound(*nodes, folder, [LabelledSegment(1, "Ball", name)], 1.0)
    for state in (State.Ready, State.Starting, State.Learning):
        assert learning.machine.go(state)
    learning.said.emit(f"Learning {name}.")
    return learning


@pytest.fixture
def two_patients(a_panel):
    """Anna, who is chosen, and Bert."""
    anna, bert = add_patient("Anna"), add_patient("Bert")
    choose(a_panel, anna)
    yield anna, bert
    a_panel.panel.learning.machine.go(State.Empty)


def test_estimate_and_status_of_one_patient_do_not_stand_under_another(two_patients, a_panel):
    anna, bert = two_patients
    ui, learning = a_panel.ui, begin(a_panel, anna)
    learning.estimated.emit({1: 0.93})
    learning.machine.go(State.Done)
    learning.said.emit(FINISHED)
    assert ui.estimateLabel.text == "Estimated Dice: Tumour of Anna 0.93" and ui.statusLabel.text == FINISHED
    choose(a_panel, bert)
    assert ui.estimateLabel.text == "" and ui.estimateLabel.isHidden()
    assert ui.statusLabel.text == "" and ui.statusLabel.isHidden()
    choose(a_panel, (anna[0], bert[1]))  # Bert's painting was never learnt on Anna's image
    assert ui.estimateLabel.text == "" and ui.statusLabel.text == ""
    choose(a_panel, anna)
    assert ui.estimateLabel.text == "Estimated Dice: Tumour of Anna 0.93" and ui.statusLabel.text == FINISHED


def test_the_estimate_of_an_earlier_learning_is_that_of_the_chosen_prediction(two_patients, a_panel):
    anna, bert = two_patients
    predict_ball(*bert)
    ReviewRecord(dice={1: 0.71}).store(bert[1])
    begin(a_panel, anna).estimated.emit({1: 0.93})
    choose(a_panel, bert)
    assert a_panel.ui.estimateLabel.text == "Estimated Dice: Tumour of Bert 0.71"
    choose(a_panel, (anna[0], bert[1]))
    assert a_panel.ui.estimateLabel.text == ""


def test_what_goes_on_elsewhere_is_said_with_its_name(two_patients, a_panel):
    anna, bert = two_patients
    ui, learning = a_panel.ui, begin(a_panel, anna)
    choose(a_panel, bert)
    assert ui.statusLabel.text == "Of 'Anna': Learning Tumour of Anna."
    assert ui.startButton.text == "Stop" and "Of 'Anna'" in tip_of(ui.startButton)
    learning.estimated.emit({1: 0.93})
    assert ui.estimateLabel.text == ""
    learning.machine.go(State.Done)
    learning.said.emit(FINISHED)
    assert ui.statusLabel.text == f"Of 'Anna': {FINISHED}" and ui.startButton.text == "Start"
    choose(a_panel, anna)
    assert ui.statusLabel.text == FINISHED and ui.estimateLabel.text.endswith("0.93")


def test_only_the_patient_whose_learning_was_interrupted_can_be_resumed(two_patients, a_panel):
    anna, bert = two_patients
    ui, learning = a_panel.ui, begin(a_panel, anna)
    learning.machine.go(State.Failed, True)
    learning.said.emit("The worker ended. Press Resume.")
    assert ui.startButton.text == "Resume" and "#fdecea" in ui.statusLabel.styleSheet
    choose(a_panel, bert)
    assert ui.startButton.text == "Start" and "Learns from" in tip_of(ui.startButton)
    assert ui.statusLabel.text == "" and ui.statusLabel.styleSheet == ""
    choose(a_panel, anna)
    assert ui.startButton.text == "Resume" and "Press Resume" in ui.statusLabel.text


def test_a_new_learning_begins_without_the_former_estimate(two_patients, a_panel):
    anna, bert = two_patients
    learning = begin(a_panel, anna)
    learning.estimated.emit({1: 0.93})
    learning.machine.go(State.Done)
    choose(a_panel, bert)
    begin(a_panel, bert)
    assert a_panel.ui.estimateLabel.text == ""
    learning.machine.go(State.Done)
    assert "needs 10 or more annotated slices" in a_panel.ui.estimateLabel.text
    choose(a_panel, anna)  # its prediction has no numbers here
    assert a_panel.ui.estimateLabel.text == ""


def test_the_curve_of_one_patient_does_not_go_on_under_another(two_patients, a_panel):
    anna, bert = two_patients
    layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")  # the application has one
    layout = layout or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    ui, learning = a_panel.ui, begin(a_panel, anna)
    section = next(one for one in a_panel.panel.sections if type(one).__name__ == "CurveSection")
    learning.measured.emit(1, 0.5, {1: 0.8})
    ui.curveButton.click()
    name = section.plot.chart.GetNthPlotSeriesNode(1).GetName
    assert section.plot.table.GetNumberOfRows() == 1 and name() == "Dice of Tumour of Anna"
    choose(a_panel, bert)
    assert section.plot.table.GetNumberOfRows() == 0
    series = slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")
    assert [one.GetName() for one in series] == ["Loss"], "of Bert no Dice is known yet"
    learning.measured.emit(2, 0.4, {1: 0.9})
    assert section.plot.table.GetNumberOfRows() == 0
    assert section.plot.chart.GetNumberOfPlotSeriesNodes() == 1, "Anna's estimate is not Bert's"
    ui.curveButton.click()
    assert not ui.curveButton.enabled and "no learning curve" in tip_of(ui.curveButton)


def test_a_prediction_does_not_lie_over_the_image_of_another_patient(two_patients, a_panel):
    anna, bert = two_patients
    predict_ball(*anna)
    a_panel.panel.update()
    predicted = PredictionLogic.predicted(anna[1])
    choose(a_panel, bert)
    assert not predicted.GetDisplayNode().GetVisibility()
    choose(a_panel, anna)
    assert predicted.GetDisplayNode().GetVisibility()
    predict_ball(*bert)
    late = PredictionLogic.predicted(bert[1])
    a_panel.panel.learning.predicted.emit(late)  # Bert was learnt, and Anna is chosen meanwhile
    assert not late.GetDisplayNode().GetVisibility() and predicted.GetDisplayNode().GetVisibility()
    choose(a_panel, bert)
    assert late.GetDisplayNode().GetVisibility() and not predicted.GetDisplayNode().GetVisibility()
    choose(a_panel, (anna[0], bert[1]))  # it was made for Bert's image
    assert not late.GetDisplayNode().GetVisibility()


def test_what_is_hidden_while_another_patient_is_looked_at_stays_so(two_patients, a_panel):
    anna, _bert = two_patients
    predict_ball(*anna)
    a_panel.panel.learning.predicted.emit(PredictionLogic.predicted(anna[1]))
    display = PredictionLogic.predicted(anna[1]).GetDisplayNode()
    display.SetVisibility(False)  # as PatientViewer does
    a_panel.ui.opacitySlider.value = 55
    assert display.GetOpacity2DFill() == pytest.approx(0.55) and not display.GetVisibility()
    a_panel.ui.showCheckBox.checked = False
    a_panel.ui.showCheckBox.checked = True
    assert display.GetVisibility()


def test_nothing_of_the_learnt_patient_lies_over_one_that_is_only_looked_at(two_patients, a_panel):
    anna, bert = two_patients
    view, ui = SliceView(), a_panel.ui
    view.show(anna[0])
    ui.patientsCollapsibleButton.collapsed = False
    painted = anna[1].GetDisplayNode()
    ui.patientsTable.cellClicked.emit(0, 0)  # before anything was segmented
    assert view.composite.GetBackgroundVolumeID() == bert[0].GetID() and not painted.GetVisibility()
    predict_ball(*anna)  # the first preview of a learning that goes on
    predicted = PredictionLogic.predicted(anna[1])
    a_panel.panel.learning.predicted.emit(predicted)
    assert not predicted.GetDisplayNode().GetVisibility()
    ui.patientsBackButton.click()
    assert view.composite.GetBackgroundVolumeID() == anna[0].GetID() and ui.patientsBackButton.isHidden()
    assert painted.GetVisibility() and predicted.GetDisplayNode().GetVisibility()
    ui.patientsTable.cellClicked.emit(0, 0)
    assert not painted.GetVisibility() and not predicted.GetDisplayNode().GetVisibility()
    choose(a_panel, bert)  # who is learnt now, and no longer another one
    choose(a_panel, anna)
    ui.patientsBackButton.click()
    assert painted.GetVisibility() and predicted.GetDisplayNode().GetVisibility()


def test_the_uncertainty_goes_with_its_volume_and_its_segmentation(two_patients, a_panel):
    anna, bert = two_patients
    predict_ball(*anna)
    view = SliceView()
    view.show(anna[0])
    a_panel.ui.uncertaintyCheckBox.checked = True
    uncertain = PercentVolume(anna[1], "uncertainty").node.GetID()
    assert view.composite.GetForegroundVolumeID() == uncertain
    choose(a_panel, (bert[0], anna[1]))  # the prediction is hidden then, as it is of Anna's image
    assert view.composite.GetForegroundVolumeID() is None
    choose(a_panel, anna)
    assert view.composite.GetForegroundVolumeID() == uncertain
    display = PredictionLogic.predicted(anna[1]).GetDisplayNode()
    assert display.GetVisibility()
    slicer.mrmlScene.RemoveNode(anna[1])
    slicer.app.processEvents()
    assert view.composite.GetForegroundVolumeID() is None and not display.GetVisibility()


def test_a_segment_that_is_renamed_while_it_is_learnt_is_called_so_in_the_estimate(two_patients, a_panel):
    anna, _bert = two_patients
    learning = begin(a_panel, anna)
    learning.estimated.emit({1: 0.93})
    anna[1].GetSegmentation().GetSegment("Ball").SetName("Cyst")
    learning.machine.go(State.Done)
    assert a_panel.ui.estimateLabel.text == "Estimated Dice: Cyst 0.93"
    anna[1].GetSegmentation().RemoveSegment("Ball")
    assert learning.segmentNames == {1: "Tumour of Anna"}  # as it was called when it was learnt
