"""Each state of the set-up has its sentence and its button."""

from dataclasses import replace

import pytest

from ContrastiveSegLib.SetUp.Action import Action
from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.PackageState import PackageState
from ContrastiveSegLib.SetUp.SetUpAdvice import SetUpAdvice

TORCH = PackageState("torch", "torch>=2.4,<3", "2.4", "3", "2.9.1", Condition.UpToDate)
MONAI = PackageState("monai", "monai>=1.4,<2", "1.4", "2", "1.5", Condition.UpToDate)
GPU = CheckReport(torch="2.9.1", cuda="12.8", device="NVIDIA RTX A4000", kind="cuda", memory=15.7)
CPU_BUILD = CheckReport(
    torch="2.9.1", device="CPU", kind="cpu", code="cpu-build", problem="There is a GPU.", whatToDo="Press."
)


def advice(torch=TORCH, monai=MONAI, **known):
    return SetUpAdvice.of([torch, monai], **{"hasExtension": True, **known})


def gone(state):
    return replace(state, condition=Condition.Missing, installed="")


def test_without_the_pytorch_extension_the_extensions_manager_is_offered():
    said = advice(gone(TORCH), hasExtension=False)
    assert said.action is Action.OpenExtensions and "extension PyTorch is missing" in said.sentence
    assert advice(gone(TORCH), hasExtension=False, fromFolder=True).action is Action.Install
    assert advice(hasExtension=False).isFine  # it is there already, however it came


def test_what_is_missing_is_installed():
    said = advice(gone(TORCH), gone(MONAI))
    assert said.action is Action.Install and "PyTorch, MONAI" in said.sentence and not said.isFine


def test_what_is_too_old_is_updated():
    said = advice(replace(TORCH, condition=Condition.TooOld, installed="2.1"))
    assert said.action is Action.Update
    assert said.sentence == "PyTorch 2.1 is too old; needed is 2.4 to 2.x."


def test_what_is_broken_is_repaired():
    broken = replace(MONAI, condition=Condition.Broken, problem="Some of its files are missing.")
    said = advice(monai=broken)
    assert said.action is Action.Repair and said.isWarning and "files are missing" in said.sentence


def test_a_build_for_processors_on_a_computer_with_a_gpu_is_red_but_usable():
    said = advice(report=CPU_BUILD)
    assert said.action is Action.InstallGpuBuild and said.isWarning and said.isFine
    assert said.sentence == "There is a GPU. Press."


def test_a_build_that_does_not_fit_is_repaired():
    report = replace(GPU, code="build-does-not-fit", problem="It does not fit.")
    said = advice(report=report)
    assert said.action is Action.Repair and said.isWarning and not said.isFine


def test_an_old_driver_is_not_repaired_by_installing():
    report = CheckReport(device="CPU", kind="cpu", code="gpu-not-usable", problem="Cannot use the GPU.")
    said = advice(report=report)
    assert said.action is Action.Nothing and said.isWarning and said.isFine


def test_a_folder_that_cannot_be_written_to_and_a_full_disk_are_said_before():
    readOnly = advice(gone(TORCH), report=CheckReport(code="missing", folder="/opt/Slicer", writable=False))
    assert "'/opt/Slicer' cannot be written to" in readOnly.sentence and readOnly.action is Action.Nothing
    full = advice(gone(TORCH), report=CheckReport(code="missing", free=1.25))
    assert "only 1.2 GB free" in full.sentence and "6 GB" in full.sentence and full.action is Action.Nothing
    enough = advice(monai=gone(MONAI), report=CheckReport(code="missing", free=1.25))
    assert enough.action is Action.Install


def test_what_was_replaced_under_the_application_asks_for_a_restart_before_all_else():
    said = advice(gone(TORCH), replaced=["numpy"])
    assert said.action is Action.Restart and "NumPy was replaced" in said.sentence


def test_pytorch_in_use_by_another_module_is_replaced_after_a_restart():
    old = replace(TORCH, condition=Condition.TooOld, installed="2.1")
    assert advice(old, isTorchLoaded=True).action is Action.Restart
    assert advice(isTorchLoaded=True).isFine


def test_while_something_is_installed_only_stop_is_offered():
    said = advice(gone(TORCH), running="Installing PyTorch", replaced=["numpy"])
    assert said.action is Action.Stop and said.sentence.startswith("Installing PyTorch.")


@pytest.mark.parametrize("report", [None, GPU])
def test_with_everything_fine_there_is_nothing_to_do(report):
    said = advice(report=report)
    assert said.isFine and not said.isWarning and said.action is Action.Nothing
    assert ("NVIDIA RTX A4000, 16 GB" in said.sentence) is (report is not None)


@pytest.mark.parametrize("action", list(Action))
def test_every_button_has_a_text_and_a_tip(action):
    one = SetUpAdvice("", action)
    assert one.buttonText and one.buttonTip.endswith(".")
