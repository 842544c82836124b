"""The stand-ins are strict: what they do not know raises, as a mistyped name does in the application."""

import enum
from typing import Annotated

import ctk
import pytest
import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from slicer_harness import in_application

if in_application():
    pytest.skip("tests the stand-ins", allow_module_level=True)

from slicer_harness import mrml_widgets
from slicer_harness.libraries import check_libraries
from slicer_harness.module_host import ModuleDescription


@pytest.mark.parametrize("make", [qt.QPushButton, ctk.ctkSliderWidget, slicer.qMRMLNodeComboBox])
def test_a_widget_has_no_attributes_but_its_properties(make, a_scene):
    widget = make()
    widget.enabled = False
    assert widget.enabled is False
    with pytest.raises(AttributeError):
        widget.enabledd = False
    with pytest.raises(AttributeError):
        _ = widget.noSuchProperty


@pytest.mark.parametrize("module", [qt, ctk, slicer.app])
def test_an_unknown_name_of_a_module_or_the_application_raises(module):
    with pytest.raises(AttributeError):
        _ = module.noSuchName


def test_hints_are_properties_and_tooltips_become_rich_text(a_scene):
    bar = qt.QProgressBar()
    bar.value = 30
    assert (bar.text, bar.sizeHint.width() > 0) == ("30%", True)
    bar.toolTip = "a < b & 'c'"
    assert bar.toolTip == "<p>a &lt; b &amp; 'c'</p>"
    bar.toolTip = ""
    assert bar.toolTip == ""


def test_a_folder_is_chosen_with_a_button(a_scene, tmp_path):
    button, heard = ctk.ctkDirectoryButton(), []
    button.connect("directoryChanged(QString)", heard.append)
    assert button.directory  # the current one; in the application, too, it is never empty
    button.directory = str(tmp_path)
    button.directory = str(tmp_path)
    assert heard == [str(tmp_path)]


def test_a_slot_of_the_application_cannot_be_replaced():
    with pytest.raises(AttributeError, match="testingEnabled"):
        slicer.app.testingEnabled = lambda: False


def test_an_unknown_signal_cannot_be_connected(a_scene):
    with pytest.raises(ValueError, match="no signal 'clickd"):
        qt.QPushButton().connect("clickd(bool)", print)
    with pytest.raises(ValueError, match="no signal"):
        slicer.app.connect("startupComplete()", print)


def test_properties_stand_without_parentheses_and_signals_arrive(a_scene):
    button, heard = qt.QPushButton(), []
    button.text, button.checkable = "Start", True
    button.connect("toggled(bool)", heard.append)
    button.checked = True
    assert (button.text, heard) == ("Start", [True])
    button.disconnect("toggled(bool)", heard.append)


def test_a_ui_file_with_an_unknown_widget_is_refused(tmp_path, a_scene):
    path = tmp_path / "Some.ui"
    path.write_text('<ui version="4.0"><widget class="qMRMLNothing" name="one"/></ui>', "utf-8")
    with pytest.raises(RuntimeError, match="qMRMLNothing"):
        slicer.util.loadUI(str(path))


def test_a_ui_file_with_an_unknown_property_is_refused(tmp_path, a_scene):
    path = tmp_path / "Some.ui"
    wrong = '<property name="noneEnable"><bool>true</bool></property>'
    path.write_text(
        f'<ui version="4.0"><widget class="qMRMLNodeComboBox" name="one">{wrong}</widget></ui>', "utf-8"
    )
    with pytest.raises(RuntimeError, match="noneEnable"):
        slicer.util.loadUI(str(path))


def test_a_module_cannot_be_described_with_unknown_words(tmp_path):
    with pytest.raises(AttributeError):
        ModuleDescription(tmp_path / "Some.py").titel = "Some"


class Choice(enum.Enum):
    One = 1
    Two = 2


@parameterNodeWrapper
class Several:
    volume: vtkMRMLScalarVolumeNode
    choice: Choice = Choice.Two
    percent: Annotated[int, WithinRange(0, 100)] = 40
    shown: bool = True


@pytest.fixture
def some_parameters(a_scene):
    return Several(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_parameters_have_types_limits_and_defaults(some_parameters, a_volume_node):
    assert (some_parameters.choice, some_parameters.percent, some_parameters.shown) == (Choice.Two, 40, True)
    some_parameters.volume = a_volume_node
    assert some_parameters.volume is a_volume_node
    with pytest.raises(TypeError):
        some_parameters.shown = "yes"
    with pytest.raises(ValueError):
        some_parameters.percent = 101
    slicer.mrmlScene.RemoveNode(a_volume_node)
    assert some_parameters.volume is None


def test_a_parameter_of_an_unknown_kind_is_refused():
    with pytest.raises(TypeError, match="no serializer"):

        @parameterNodeWrapper
        class Wrong:
            something: set


def test_the_system_libraries_are_here():
    check_libraries()


def test_a_missing_system_library_is_named_with_its_package(monkeypatch):
    from slicer_harness import libraries

    monkeypatch.setattr(libraries, "_NEEDED", {"libnothing.so.7": "libnothing7"})
    with pytest.raises(RuntimeError, match=r"libnothing\.so\.7 are missing.*apt-get install libnothing7"):
        check_libraries()


def test_a_forgotten_panel_no_longer_looks_at_the_scene(a_scene, a_module, monkeypatch):
    filled = []
    monkeypatch.setattr(mrml_widgets._NodeComboBox, "_fill", lambda self, removed=False: filled.append(self))
    a_module.widgetRepresentation().enter()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert filled
    slicer.app.moduleManager().unload("ContrastiveSeg")
    a_module.forget()
    filled.clear()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert filled == []
