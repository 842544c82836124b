"""The section Set-up in the panel: what it shows in each state, and what its buttons do."""

import sys
from dataclasses import replace

import pytest
import slicer
from scene_parts import add_segmentation, add_volume, ball, only_slices, paint, tip_of, wait_until
from scratch_python import ScratchPython, make_wheel

from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.Panels.SetUpSection import SetUpSection
from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.CheckStore import CheckStore
from ContrastiveSegLib.SetUp.Condition import Condition

CPU_BUILD = CheckReport(
    torch="2.9.1",
    device="CPU",
    kind="cpu",
    memory=31.0,
    code="cpu-build",
    problem="This computer has an NVIDIA RTX A4000, but PyTorch is a build for processors.",
    whatToDo="Press 'Install the GPU build'.",
)


@pytest.fixture
def a_section(a_panel, monkeypatch):
    # tests of the engine in the same process have loaded a PyTorch, which the application never does
    monkeypatch.setattr(sys.modules["ContrastiveSegLib.SetUp.LoadedPackages"], "_LOADED_EARLY", {})
    CheckStore().forget()
    slicer.app.userSettings().setValue("ContrastiveSeg/Wheelhouse", "")
    (section,) = [one for one in a_panel.panel.sections if isinstance(one, SetUpSection)]
    section.panel.installing.isTorchLoaded = lambda: False
    yield section
    CheckStore().forget()
    slicer.app.userSettings().setValue("ContrastiveSeg/Wheelhouse", "")


def stand(section, condition, *names, installed="", problem=""):
    """Lets some packages stand otherwise than they do."""
    packages = [
        replace(one, condition=condition, installed=installed, problem=problem) if one.name in names else one
        for one in InstallLogic().packages()
    ]
    section.panel.installing.packages = lambda: packages


def rows(ui):
    table = ui.packageTable
    return [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]


def is_shown(widget):
    return not widget.isHidden()


def test_with_everything_fine_only_a_small_button_is_there(a_section, a_panel):
    ui = a_panel.ui
    assert not is_shown(ui.setUpCollapsibleButton) and is_shown(ui.setUpSummaryFrame)


def test_it_can_be_opened_and_closed(a_section, a_panel):
    ui = a_panel.ui
    a_section._report = CheckReport(torch="2", device="NVIDIA RTX A4000", kind="cuda", memory=15.7)
    ui.openSetUpButton.click()
    assert is_shown(ui.setUpCollapsibleButton) and not is_shown(ui.setUpSummaryFrame)
    assert [row[0] for row in rows(ui)] == ["PyTorch", "MONAI", "psutil", "safetensors"]
    assert all(row[3] == "up to date" and row[1][0].isdigit() for row in rows(ui))
    assert not is_shown(ui.installButton)  # there is nothing to install
    ui.closeSetUpButton.click()
    assert not is_shown(ui.setUpCollapsibleButton)


def test_the_device_is_found_by_a_real_test_and_remembered(a_section, a_panel):
    ui = a_panel.ui
    ui.openSetUpButton.click()
    assert "small calculation" in ui.deviceDetailsLabel.text and not ui.checkButton.enabled
    assert tip_of(ui.checkButton).endswith(".")
    wait_until(lambda: ui.checkButton.enabled, 180)
    assert "GB" in ui.setUpLabel.text and "test calculation correct" in ui.deviceDetailsLabel.text
    ui.closeSetUpButton.click()
    assert ui.deviceLabel.text.startswith("Learning runs on")
    assert CheckStore().read(InstallLogic().packages()[0].installed) == a_section._report
    assert CheckStore().read("1.0") is None


@pytest.mark.parametrize(
    ("reported", "installed", "holds"),
    [
        ("2.13.0", "2.13.0", True),
        ("2.13.0+cu130", "2.13.0", True),
        ("2.13.0+cpu", "2.13.0+cpu", True),
        ("2.13.0+cpu", "2.13.0", False),
        ("2.13.0+cu130", "2.13.0+cpu", False),
        ("2.13.0+cu130", "2.12.0", False),
        ("2.13.0", "", False),
    ],
)
def test_a_report_holds_for_the_build_it_was_made_with(a_panel, reported, installed, holds):
    CheckStore().write(CheckReport(torch=reported, device="CPU"))
    assert (CheckStore().read(installed) is not None) == holds


def test_without_pytorch_the_panel_says_so_and_start_gives_a_sentence(a_section, a_panel):
    volume = add_volume(ball((12, 30, 40)) * 300 + 50)
    segmentation = add_segmentation(volume, ["Ball"])
    paint(segmentation, "Ball", only_slices(ball((12, 30, 40)), 0, [3, 6, 8]), volume)
    stand(a_section, Condition.Missing, "torch")
    a_section.panel.installing.hasExtension = lambda: True
    a_panel.enter()
    ui = a_panel.ui
    assert is_shown(ui.setUpCollapsibleButton) and "PyTorch" in ui.setUpLabel.text
    assert rows(ui)[0][1:] == ["–", "2.4 to 2.x", "missing"]
    assert ui.installButton.text == "Install" and ui.installButton.enabled
    ui.startButton.click()
    assert "PyTorch" in ui.statusLabel.text and "Set-up" in ui.statusLabel.text
    assert not a_panel.panel.learning.machine.state.isBusy


def test_what_another_module_has_installed_meanwhile_is_seen(a_section, a_panel):
    stand(a_section, Condition.Missing, "torch")
    a_section._report = CheckReport(code="missing", problem="torch is not installed.", whatToDo="Press.")
    a_panel.enter()
    assert is_shown(a_panel.ui.setUpCollapsibleButton)
    stand(a_section, Condition.UpToDate)
    a_panel.enter()
    assert not is_shown(a_panel.ui.setUpCollapsibleButton) and a_section._report is None


def test_a_test_never_installs_anything(a_section, a_panel):
    stand(a_section, Condition.Missing, "monai")
    a_panel.enter()
    a_panel.ui.installButton.click()
    assert "MONAI" in a_panel.ui.setUpLabel.text and a_section._installer is None


def test_without_the_pytorch_extension_the_extensions_manager_opens(a_section, a_panel, monkeypatch):
    opened = []
    monkeypatch.setattr(SetUpSection, "_openExtensions", staticmethod(lambda: opened.append(1)))
    stand(a_section, Condition.Missing, "torch")
    a_section.panel.installing.hasExtension = lambda: False
    a_panel.enter()
    assert "extension PyTorch is missing" in a_panel.ui.setUpLabel.text
    a_panel.ui.installButton.click()
    assert opened == [1]


def test_a_processor_build_on_a_gpu_computer_is_a_red_line_even_when_closed(a_section, a_panel):
    ui = a_panel.ui
    a_section._report = CPU_BUILD
    a_section._store.read = lambda torch: CPU_BUILD
    a_section.panel.installing.hasExtension = lambda: True
    a_panel.enter()
    assert not is_shown(ui.setUpCollapsibleButton), ui.setUpLabel.text
    assert "RTX A4000" in ui.deviceLabel.text and "#8b0000" in ui.deviceLabel.styleSheet
    ui.openSetUpButton.click()
    assert ui.installButton.text == "Install the GPU build" and is_shown(ui.installButton)


def test_a_replaced_numpy_asks_for_a_restart(a_section, a_panel, monkeypatch):
    restarted = []
    monkeypatch.setattr(slicer.util, "restart", lambda: restarted.append(1))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: True)
    a_section.panel.installing.replaced = lambda: ["numpy"]
    a_panel.enter()
    assert a_panel.ui.installButton.text == "Restart 3D Slicer"
    a_panel.ui.installButton.click()
    assert restarted == [1]


def a_logic(folder, site, program):
    """Needs two small packages that are not there; their wheels are in the folder ``wheels``."""
    make_wheel(folder / "wheels", "torch", "2.5.0", code="raise ImportError('not a real one')")
    make_wheel(folder / "wheels", "tiny", "1.5")
    requirements = folder / "requirements.txt"
    requirements.write_text("tiny>=1,<2\n", "utf-8")
    logic = InstallLogic(requirements, paths=[str(site)], python=program)
    logic.isTesting = lambda: False
    logic.hasExtension = lambda: False
    return logic


@pytest.fixture
def a_scratch(a_section, tmp_path, monkeypatch):
    """The section with an environment of its own to install into; gives the folder of wheels."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PYTHONPATH", raising=False)  # no packages from elsewhere
    python = ScratchPython(tmp_path / "env")
    a_section.panel.installing = a_logic(tmp_path, python.site, python.program)
    return tmp_path / "wheels"


@pytest.fixture
def a_wheelhouse(a_section, tmp_path):
    """The section with nothing installed, and nothing that could install; gives the folder of wheels."""
    a_section.panel.installing = a_logic(tmp_path, tmp_path / "nothing", "/no/such/python")
    return tmp_path / "wheels"


def test_a_folder_of_wheels_is_installed_from_with_a_live_log(a_scratch, a_section, a_panel, monkeypatch):
    asked = []
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_args, **_named: not asked.append(text)
    )
    a_panel.enter()
    wait_until(lambda: not a_section._isChecking(), 60)
    ui = a_panel.ui
    assert ui.installButton.text == "Open the Extensions Manager"
    ui.wheelhouseCheckBox.checked = True
    ui.wheelhouseButton.directory = str(a_scratch)
    assert ui.installButton.text == "Install"
    ui.installButton.click()
    assert "PyTorch, tiny from the folder" in asked[0] and "no image leaves" in asked[0]
    assert ui.installButton.text == "Stop" and a_section.panel.installing.isInstalling
    assert is_shown(ui.installProgressBar) and not ui.wheelhouseCheckBox.enabled
    wait_until(lambda: not a_section._running, 120)
    assert [row[3] for row in rows(ui)] == ["up to date", "up to date"]
    assert "Successfully installed tiny-1.5" in ui.installLog.plainText
    wait_until(lambda: not a_section._isChecking(), 60)
    assert "cannot be loaded" in ui.setUpLabel.text or "is not installed" in ui.setUpLabel.text
    stored = slicer.app.userSettings().value("ContrastiveSeg/Wheelhouse")
    assert stored == ui.wheelhouseButton.directory
    assert not a_section.panel.installing.isInstalling


def test_who_declines_gets_nothing_installed(a_wheelhouse, a_section, a_panel, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: False)
    a_panel.enter()
    a_panel.ui.wheelhouseCheckBox.checked = True
    a_panel.ui.wheelhouseButton.directory = str(a_wheelhouse)
    a_panel.ui.installButton.click()
    assert a_section._installer is None and not a_section.panel.installing.isInstalling


def test_an_empty_folder_is_explained_where_the_button_is(a_wheelhouse, a_section, a_panel, tmp_path):
    (tmp_path / "empty").mkdir()
    a_panel.enter()
    a_panel.ui.wheelhouseCheckBox.checked = True
    a_panel.ui.wheelhouseButton.directory = str(tmp_path / "empty")
    a_panel.ui.installButton.click()
    assert "holds no wheels" in a_panel.ui.setUpLabel.text
    assert "#8b0000" in a_panel.ui.setUpLabel.styleSheet


def test_a_stopped_installation_can_be_taken_up_again(a_scratch, a_section, a_panel, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_named: True)
    a_panel.enter()
    a_panel.ui.wheelhouseCheckBox.checked = True
    a_panel.ui.wheelhouseButton.directory = str(a_scratch)
    a_panel.ui.installButton.click()
    a_panel.ui.installButton.click()  # it says Stop now
    wait_until(lambda: not a_section._running, 60)
    assert "stopped" in a_panel.ui.setUpLabel.text
    assert a_panel.ui.installButton.text in ("Install", "Repair")
    a_panel.ui.installButton.click()
    wait_until(lambda: not a_section._running, 120)
    assert [row[3] for row in rows(a_panel.ui)] == ["up to date", "up to date"]
