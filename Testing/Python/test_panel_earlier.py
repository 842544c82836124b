"""What was learnt before, in another scene, is applied to the patients of this one."""

import json
import shutil

import pytest
import slicer
from contrastive_seg_phantom import dice
from patients_parts import BLUE, another, labels_of, learnt_nodes, section_of, states, wait_for_end
from scene_parts import tip_of, wait_until

from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.Panels.LearntBox import LearntBox
from ContrastiveSegLib.PatientResults import PatientResults
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.ReviewedPatients import ReviewedPatients
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.Runs.RunFinder import RunFinder

pytestmark = pytest.mark.usefixtures("a_scene")


@pytest.fixture
def an_earlier_run(a_panel, a_learnt_run):
    """A learning of yesterday: its nodes are gone with their scene."""
    shutil.rmtree(RunFolder.root(), ignore_errors=True)
    nodes = learnt_nodes(a_learnt_run)
    run = RunFolder.of(*nodes)
    run.keepLook(nodes[1])
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not a_panel.panel.learning.worker.isRunning, 30)
    section_of(a_panel).logic.settings = {"device": "cpu", "threads": 1}
    yield run
    shutil.rmtree(run.path, ignore_errors=True)


def open_section(widget):
    widget.enter()
    widget.ui.patientsCollapsibleButton.collapsed = False
    section_of(widget).update()


def test_what_was_learnt_yesterday_segments_the_patient_of_today(a_panel, an_earlier_run):
    ui, section = a_panel.ui, section_of(a_panel)
    today, truth = another(3, "Today")
    open_section(a_panel)
    assert "Or choose above what was learnt before" in tip_of(ui.patientsStartButton)
    a_panel.panel.update()
    assert "Or apply under Other patients" in ui.suggestionLabel.text
    box = ui.patientsLearntBox
    assert not ui.patientsLearntFrame.isHidden() and box.currentIndex == 0 and box.count == 2
    assert box.itemText(1).startswith("Liver, Kidney, 20")
    box.setCurrentIndex(1)
    assert [one.name for one in section.table.cases] == ["Today"]  # also where it is the chosen volume
    assert ui.patientsStartButton.enabled
    ui.patientsStartButton.click()
    assert not box.enabled
    wait_for_end(section.logic)
    case = section.logic.cases[0]
    assert states(section.logic) == [PatientState.Done], case.reason
    mask = case.maskNode()
    overlap = dice(labels_of(mask, today), truth, 1)
    assert overlap > 0.6 and mask.GetName() == "Today (predicted)"
    kidney = mask.GetSegmentation().GetSegment("Kidney")
    assert kidney.GetName() == "Kidney" and kidney.GetColor() == pytest.approx(BLUE, abs=1e-3)
    assert ui.patientsTable.item(0, 1).text().startswith("Liver ")
    ui.patientsTable.setCurrentCell(0, 0)
    ui.patientsTable.cellClicked.emit(0, 0)
    assert mask.GetDisplayNode().GetVisibility()
    ui.patientsRightCheckBox.click()  # it may be learnt from, and belongs to that learning only
    assert ReviewedPatients.of(an_earlier_run) == [mask]
    box.setCurrentIndex(0)
    assert [one.wanted for one in section.table.cases] in ([], [True])
    assert "Correct one mask" in ui.patientsRightLabel.text


def test_the_row_is_hidden_where_nothing_was_learnt(a_panel, an_earlier_run):
    shutil.rmtree(an_earlier_run.path)
    nodes = another(1, "Alone")[0], None
    box = section_of(a_panel).learnt
    box.fill(*nodes)
    assert a_panel.ui.patientsLearntFrame.isHidden() and box.earlier is None
    assert LearntBox.runOf(*nodes) is None


def test_a_run_that_was_deleted_since_says_so(a_panel, an_earlier_run):
    ui = a_panel.ui
    another(3, "Today")
    open_section(a_panel)
    ui.patientsLearntBox.setCurrentIndex(1)
    shutil.rmtree(an_earlier_run.path)
    section_of(a_panel).update()
    assert not ui.patientsStartButton.enabled and "not there any more" in tip_of(ui.patientsStartButton)
    a_panel.enter()
    assert ui.patientsLearntFrame.isHidden() and section_of(a_panel).learnt.earlier is None


def test_a_run_whose_looks_are_damaged_still_gives_names(a_panel, an_earlier_run):
    stored = json.loads((an_earlier_run.path / "panel.json").read_text("utf-8"))
    stored["segments"] = {"Liver": {"name": "", "color": "red"}, "Kidney": 7}
    (an_earlier_run.path / "panel.json").write_text(json.dumps(stored), "utf-8")
    results = PatientResults(None, an_earlier_run.values(), None, an_earlier_run, True)
    assert [(one["value"], one["name"]) for one in results.structures()] == [(1, "Liver")]


def test_what_was_learnt_can_be_given_a_name_by_which_it_is_found_again(a_panel, an_earlier_run, monkeypatch):
    ui, asked = a_panel.ui, []
    another(3, "Today")
    open_section(a_panel)
    a_panel.panel.update()
    assert not ui.patientsNameButton.enabled and "Nothing" in tip_of(ui.patientsNameButton)
    ui.patientsLearntBox.setCurrentIndex(1)
    a_panel.panel.update()

    def answer(title):
        monkeypatch.setattr(FileQuestions, "name", lambda *words: asked.append(words[2]) or title)

    for title in ("Abdomen, 3 T", ""):  # nothing is changed where the dialog is cancelled
        answer(title)
        ui.patientsNameButton.click()
        assert an_earlier_run.title == "Abdomen, 3 T"
        assert ui.patientsLearntBox.itemText(1).startswith("Abdomen, 3 T, 20")
        assert ui.patientsLearntBox.currentIndex == 1
    assert asked == ["", "Abdomen, 3 T"]
    assert RunFinder().all()[0].names == "Abdomen, 3 T"


def test_the_learning_of_the_chosen_nodes_shows_its_name(a_panel, learnt):
    RunFolder.of(*learnt).setTitle("Organs of phantoms")
    box = section_of(a_panel).learnt
    box.fill(*learnt)
    assert a_panel.ui.patientsLearntBox.itemText(0).endswith(": Organs of phantoms")
    assert box.earlier is None and not a_panel.ui.patientsLearntFrame.isHidden()
