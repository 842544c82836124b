"""The panel is as high as its texts need, also where what holds it does not ask again."""

import pytest
import qt
import slicer

from ContrastiveSegLib.HeightKeeper import HeightKeeper


@pytest.fixture
def a_widget():
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    label = qt.QLabel("short")
    label.wordWrap = True
    layout.addWidget(label)
    widget.resize(200, 50)
    widget.show()
    slicer.app.processEvents()
    keeper = HeightKeeper(widget)
    yield widget, label, keeper
    keeper.close()
    widget.close()


def test_a_longer_text_makes_the_widget_higher_and_a_shorter_one_lower(a_widget):
    widget, label, _keeper = a_widget
    heights = []
    for text in ("short", "a text of many words " * 20, "short"):
        label.text = text
        slicer.app.processEvents()
        heights.append(widget.minimumHeight)
        assert widget.minimumHeight == widget.layout().heightForWidth(widget.width)
    assert heights[1] > 3 * heights[0] and heights[2] == heights[0]


def test_a_wider_widget_needs_less_height(a_widget):
    widget, label, _keeper = a_widget
    label.text = "a text of many words " * 20
    slicer.app.processEvents()
    narrow = widget.minimumHeight
    widget.resize(600, widget.height)
    slicer.app.processEvents()
    assert widget.minimumHeight < narrow


def test_closed_it_lets_go(a_widget):
    widget, label, keeper = a_widget
    label.text = "short."
    slicer.app.processEvents()
    before = widget.minimumHeight
    keeper.close()
    label.text = "a text of many words " * 20
    slicer.app.processEvents()
    assert widget.minimumHeight == before
    keeper.close()


@pytest.mark.standin  # in the application the panel is in its window, and shown
def test_what_is_unfolded_in_the_panel_makes_it_higher(a_panel):
    root = a_panel.ui.patientsCollapsibleButton.parent().parent()
    window = root.window()
    window.show()
    slicer.app.processEvents()
    before = root.minimumHeight
    a_panel.ui.patientsCollapsibleButton.collapsed = False
    slicer.app.processEvents()
    assert root.minimumHeight > before + 100
    window.hide()
