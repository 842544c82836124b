"""Shortcuts and themes; with the stand-ins' Qt, as windows and palettes are the application's own there."""

import pytest
import qt
import slicer
from scene_parts import add_segmentation, add_volume, ball, predict_ball, tip_of

from ContrastiveSegLib.Panels.ShortcutsSection import ShortcutsSection
from ContrastiveSegLib.State import State
from slicer_harness import in_application
from slicer_harness.views import SliceView

if in_application():
    pytest.skip("needs the stand-ins' Qt", allow_module_level=True)

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QLabel, QWidget

SHAPE = (12, 30, 40)


@pytest.fixture
def a_window(monkeypatch):
    """Stands for the application's main window."""
    window = QWidget()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda verbose=True: window)
    yield window
    window.deleteLater()


def keys_of(window):
    return sorted(shortcuts_of(window))


def shortcuts_of(window):
    """The shortcuts by key; those that wait to be destroyed are switched off."""
    return {one.property("key").toString(): one for one in window.findChildren(QShortcut)}


def test_shortcuts_are_there_while_the_panel_is_shown_and_gone_afterwards(a_panel, a_window):
    a_panel.enter()
    a_panel.enter()  # entered twice, they are there once
    there = keys_of(a_window)
    assert "Ctrl+Shift+D" in there and len(there) == len(set(there)) >= 4
    a_panel.exit()
    assert keys_of(a_window) == []
    a_panel.enter()
    assert keys_of(a_window) == there
    a_panel.onReload()
    again = slicer.modules.ContrastiveSegWidget
    assert keys_of(a_window) == there, "the former panel has left some, or the new one has made none"
    again.cleanup()
    assert keys_of(a_window) == []


def test_who_only_asks_for_the_logic_gets_no_shortcuts_no_choices_and_no_process(a_scene, a_module, a_window):
    volume = add_volume(ball(SHAPE))
    add_segmentation(volume, ["Ball"])
    SliceView().show(add_volume(ball(SHAPE), name="Of another module"))
    shown = SliceView().composite.GetBackgroundVolumeID()
    representation = a_module.widgetRepresentation()  # as slicer.util.getModuleLogic does
    panel = representation.self().panel
    panel.warmsUp = True
    try:
        for _round in range(2):
            add_volume(ball(SHAPE), name="Later")
            slicer.app.processEvents()
            assert keys_of(a_window) == [] and not panel.learning.worker.isRunning
            assert panel.nodes() == (None, None)
            assert SliceView().composite.GetBackgroundVolumeID() == shown
            assert not any(getattr(one, "editor", None) for one in panel.sections)
            slicer.mrmlScene.InvokeEvent(slicer.mrmlScene.EndImportEvent)
        representation.enter()
        assert keys_of(a_window) and panel.nodes()[0] is not None
        representation.exit()
        assert keys_of(a_window) == []
    finally:
        slicer.app.moduleManager().unload("ContrastiveSeg")
        a_module.forget()


def test_a_shortcut_presses_its_button_or_says_why_not(a_panel, a_painted_scene, a_window):
    a_panel.enter()
    by_key = shortcuts_of(a_window)
    by_key["Ctrl+Shift+D"].activated.emit()
    assert a_panel.ui.statusLabel.text == "There is no prediction yet; press Start."
    predict_ball(*a_painted_scene)
    a_panel.panel.update()
    by_key["Ctrl+Shift+D"].activated.emit()
    assert a_panel.ui.doubtfulLabel.text.startswith("Doubtful place 1 of 1")
    assert a_panel.ui.showCheckBox.checked
    by_key["Ctrl+Shift+P"].activated.emit()
    assert not a_panel.ui.showCheckBox.checked
    a_panel.exit()


def test_no_shortcut_is_one_of_slicers_or_of_the_segment_editors():
    plain = [str(n) for n in range(10)] + ["Esc", "Space", "Z", "Y", "I", "Q", "W", "Ctrl+Left", "Ctrl+Right"]
    slicers = [f"Shift+{n}" for n in range(10)] + [f"Ctrl+{one}" for one in "123456OSWZYXCVHFB"]
    slicers += [f"Ctrl+Shift+{one}" for one in ("Z", "S")]
    slicers += [f"Ctrl+Shift+{one}" for one in ("A", "T", "Space")]  # toolbar Markups
    slicers += [f"Ctrl+Shift+{one}" for one in ("Down", "Left", "Right")]  # toolbar Sequences
    taken = {QKeySequence(one).toString() for one in plain + slicers}
    ours = [QKeySequence(key).toString() for key, _button, _words in ShortcutsSection.table()]
    assert all(ours) and len(set(ours)) == len(ours) and not taken & set(ours)


def test_the_help_lists_the_shortcuts(a_panel):
    tip = tip_of(a_panel.ui.shortcutsButton)
    assert "Next" not in tip or "doubtful" in tip
    assert "Go to the next doubtful place" in tip and QKeySequence("Ctrl+Shift+D").toString() in tip


@pytest.mark.parametrize("dark", [False, True])
def test_texts_are_readable_in_both_themes(a_panel, a_painted_scene, dark):
    former = QApplication.palette()
    QApplication.setPalette(theme(dark))
    try:
        a_panel.panel.learning.machine.go(State.Ready)
        a_panel.panel.learning.machine.go(State.Starting)
        a_panel.panel.learning.machine.go(State.Failed)
        a_panel.panel.say("Something went wrong.")
        a_panel.parent.resize(400, 900)
        a_panel.parent.show()
        slicer.app.processEvents()
        labels = [one for one in vars(a_panel.ui).values() if isinstance(one, QLabel)]
        labels = [one for one in labels if one.isVisible() and one.text]
        assert len(labels) > 3
        for label in labels:
            assert contrast(label) > 80, label.name
    finally:
        QApplication.setPalette(former)
        a_panel.panel.learning.machine.go(State.Empty)


def theme(dark):
    palette = qt.QPalette()
    back, front = ("#2b2b2b", "#eeeeee") if dark else ("#f0f0f0", "#101010")
    roles = {
        "Window": back,
        "Base": back,
        "Button": back,
        "WindowText": front,
        "Text": front,
        "ButtonText": front,
    }
    for role, color in roles.items():
        palette.setColor(getattr(qt.QPalette.ColorRole, role), qt.QColor(color))
    return palette


def contrast(label):
    """Difference of the darkest and the brightest grey in the picture of a label."""
    image = label.grab().toImage()
    grey = [
        image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(0, image.height())
    ]
    return max(grey) - min(grey)
