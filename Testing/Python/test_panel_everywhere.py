"""What holds for the whole panel: reasons in tooltips, translatable texts, width, scenes."""

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import slicer
import vtk
from scene_parts import add_volume, predict_ball, tip_of, wait_until

from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SliceSuggestion import SliceSuggestion
from ContrastiveSegLib.State import State

SHAPE = (12, 30, 40)
MODULE = Path(__file__).resolve().parents[2] / "ContrastiveSeg"
PATHS = {
    State.Ready: [State.Ready],
    State.Starting: [State.Ready, State.Starting],
    State.Learning: [State.Ready, State.Starting, State.Learning],
    State.Stopping: [State.Ready, State.Starting, State.Stopping],
    State.Done: [State.Ready, State.Starting, State.Learning, State.Done],
    State.Failed: [State.Ready, State.Starting, State.Failed],
}


def buttons_of(ui):
    """Push buttons, tool buttons and check boxes of the panel."""
    kinds = ("QPushButton", "QToolButton", "QCheckBox")
    return [one for one in vars(ui).values() if hasattr(one, "className") and one.className() in kinds]


def silent(ui):
    """Names of the disabled buttons that do not say why."""
    return [one.name for one in buttons_of(ui) if not one.enabled and not re.search(r"\w+.*\.$", tip_of(one))]


@pytest.mark.parametrize("state", [None, *PATHS])
@pytest.mark.parametrize("predicted", [False, True])
def test_every_disabled_button_says_why_in_each_state(a_panel, a_painted_scene, state, predicted):
    machine = a_panel.panel.learning.machine
    if predicted:
        predict_ball(*a_painted_scene)
    if state is None:
        slicer.mrmlScene.Clear(0)
    for step in PATHS.get(state, []):
        assert machine.go(step)
    a_panel.panel.update()
    assert silent(a_panel.ui) == []
    machine.go(State.Empty)


def test_every_button_says_what_it_does(a_panel, a_painted_scene):
    predict_ball(*a_painted_scene)
    a_panel.panel.update()
    found = {one.name: tip_of(one) for one in buttons_of(a_panel.ui)}
    assert "acceptSliceButton" in found and "showCheckBox" in found and "shortcutsButton" in found
    assert [name for name, tip in found.items() if not tip] == []


def test_texts_in_ui_files_can_be_translated():
    forms = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
    assert forms
    for form in forms:
        for one in ElementTree.parse(form).iter("property"):
            text = one.find("string")
            if (
                one.get("name") in ("text", "toolTip", "title", "suffix", "placeholderText")
                and text is not None
            ):
                wrong = text.get("notr") == "true" and re.search("[A-Za-z]{2}", text.text or "")
                assert not wrong, f"{form.name}: {text.text}"


SHOWN = {"text", "toolTip", "title", "placeholderText"}
SAYING = {"UserError", "setText", "setToolTip", "addItem", "setHorizontalHeaderLabels", "say", "setFormat"}


def untranslated(tree):
    """Texts with words that reach a user past ``_()``: (line, text)."""

    def words(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [(node.lineno, node.value)] if re.search("[A-Za-z]{3}", node.value) else []
        elif isinstance(node, ast.JoinedStr | ast.BinOp | ast.IfExp | ast.List | ast.Tuple):
            for child in ast.iter_child_nodes(node):
                yield from words(child)

    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            names = [
                one.attr
                for target in node.targets
                for one in ast.walk(target)
                if isinstance(one, ast.Attribute)
            ]
            if SHOWN & set(names):
                yield from words(node.value)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in SAYING:
                for argument in node.args:
                    yield from words(argument)


def test_texts_of_the_panel_go_through_the_translation():
    wrong = {}
    for path in sorted((MODULE / "ContrastiveSegLib").rglob("*.py")):
        found = list(untranslated(ast.parse(path.read_text("utf-8"))))
        if found:
            wrong[path.name] = found
    assert wrong == {}


def test_the_search_for_untranslated_texts_finds_some():
    code = "label.text = 'Two words'\nraise UserError('Nothing there.', _('Do it.'))\nx.toolTip = _('Fine.')"
    assert [line for line, _text in untranslated(ast.parse(code))] == [1, 2]


def test_placeholders_are_named():
    for path in sorted((MODULE / "ContrastiveSegLib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"
                assert not re.search(r"\{\d*\}|%[sd]", node.args[0].value), f"{path.name}:{node.lineno}"


def test_the_panel_fits_400_pixels_in_every_state(a_panel, a_painted_scene):
    widget = a_panel.parent
    machine = a_panel.panel.learning.machine
    widget.resize(400, 900)
    widget.show()
    _volume, segmentation = a_painted_scene
    segmentation.GetSegmentation().GetSegment("Ball").SetName("A structure with a very long name indeed " * 2)
    predict_ball(*a_painted_scene)
    for state in (State.Ready, State.Starting, State.Learning, State.Done):
        machine.go(state)
        a_panel.panel.update()
        slicer.app.processEvents()
        assert widget.minimumSizeHint.width() <= 400, state
    a_panel.panel.say("Nowhere_to_break_this_text_" * 3)
    machine.go(State.Empty)


def test_a_saved_scene_is_opened_again_and_the_learning_goes_on(a_panel, a_painted_scene, tmp_path):
    volume, segmentation = a_painted_scene
    predict_ball(volume, segmentation)
    folder = RunFolder.of(volume, segmentation).create()
    (folder.path / "checkpoint.safetensors").write_bytes(b"x")
    SliceSuggestion.store(segmentation, [SliceSuggestion((0, 5), "change", 0.2, 4.0, "Ball")])
    ui = a_panel.ui
    ui.opacitySlider.value, ui.drawingSelector.currentIndex, ui.budgetSelector.currentIndex = 70, 2, 1
    ui.uncertaintyCheckBox.checked = True
    path = tmp_path / "scene ü.mrb"
    pixels = vtk.vtkImageData()  # the thumbnail: without one, the process is aborted
    pixels.SetDimensions(2, 2, 1)
    pixels.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    assert slicer.mrmlScene.WriteToMRB(str(path), pixels)
    slicer.mrmlScene.Clear(0)
    other = add_volume(np.zeros((4, 5, 6), np.int16), name="Another scene")
    wait_until(lambda: ui.volumeSelector.currentNode() is other, 5)
    assert ui.volumeTable.isHidden() and ui.opacitySlider.value == 40
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(path))
    slicer.app.processEvents()
    found = ui.segmentationSelector.currentNode()
    assert found.GetName() == "Segmentation" and ui.opacitySlider.value == 70
    assert ui.drawingSelector.currentText == "Fill only" and ui.uncertaintyCheckBox.checked
    again = RunFolder.existing(ui.volumeSelector.currentNode(), found)
    assert again is not None and again.path == folder.path and again.hasLearnt
    a_panel.panel.update()
    assert ui.volumeTable.item(0, 1).text() == "4.00" and ui.doubtfulButton.enabled
    assert ui.acceptButton.enabled and ui.startButton.enabled
    assert ui.annotationLabel.text.startswith("3 annotated slices")
    assert "do not agree about Ball here" in ui.suggestionLabel.text
