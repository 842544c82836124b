"""The sections that a learning does not reach: set-up, other patients and models, in their states."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from contrastive_seg_phantom import two_organs
from scene_parts import add_volume, wait_until
from section_pictures import SectionPictures

from ContrastiveSegLib.InstallLogic import InstallLogic
from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection
from ContrastiveSegLib.Panels.PretrainingSection import PretrainingSection
from ContrastiveSegLib.Panels.SetUpSection import SetUpSection
from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.Condition import Condition

_SMALL = ["--width", "4", "--size", "64", "--batch", "8", "--device", "cpu", "--threads", "1"]


class MorePictures:
    """Brings each of these sections into its states, and draws them.

    Args:
        widget: The module's widget.
        pictures: What draws the sections.
        fit: Makes the panel as tall as it needs to be.
    """

    def __init__(self, widget: Any, pictures: SectionPictures, fit: Callable[[], None]) -> None:
        self._widget, self._pictures, self._fit, self._ui = widget, pictures, fit, widget.ui

    def set_up(self) -> None:
        """Fine, a package missing, and a PyTorch that does not use the GPU."""
        section = self._section(SetUpSection)
        installing = section.panel.installing
        fine, installing.hasExtension = installing.packages, lambda: True
        torch = fine()[0].installed
        section._report = CheckReport(torch=torch, device="NVIDIA RTX A4000", kind="cuda", memory=15.7)
        self._ui.openSetUpButton.click()
        self._draw("fine", "SetUp")
        installing.packages = lambda: [
            replace(one, condition=Condition.Missing, installed="") if one.name == "monai" else one
            for one in InstallLogic().packages()
        ]
        section._look()
        section.show()
        self._draw("missing", "SetUp")
        installing.packages = fine
        section._look()
        section._report = CheckReport(
            torch=torch, device="CPU", kind="cpu", memory=31.0, code="cpu-build",
            problem="This computer has an NVIDIA RTX A4000, but PyTorch is a build for processors.",
            whatToDo="Press 'Install the GPU build'.",
        )  # fmt: skip
        section._look()
        section.show()
        self._draw("failed", "SetUp")
        section._report = None
        self._ui.closeSetUpButton.click()

    def other_patients(self, volume: Any, folder: Path) -> None:
        """Volumes of the scene before, while and after they are segmented; a folder with a broken file."""
        section, ui = self._section(OtherPatientsSection), self._ui
        array = np.asarray(sitk_array(volume))
        for number, name in enumerate(("Second patient", "Third patient"), 1):
            noise = np.random.default_rng(number).normal(0, 0.02 * float(array.max()), array.shape)
            other = add_volume((array * (1 - 0.1 * number) + noise).astype(array.dtype), name=name)
            other.CopyOrientation(volume)
        self._widget.enter()
        ui.volumeSelector.setCurrentNode(volume)
        ui.patientsCollapsibleButton.collapsed = False
        section.update()
        self._draw("ready", "OtherPatients")
        ui.patientsStartButton.click()
        wait_until(lambda: any(one.learns and one.fraction > 0.4 for one in section.logic.cases), 300)
        self._draw("learning", "OtherPatients")
        wait_until(lambda: any(one.result for one in section.logic.cases), 300)
        self._draw("running", "OtherPatients")
        wait_until(lambda: not section.logic.isRunning, 300)
        self._draw("done", "OtherPatients")
        ui.patientsTable.setCurrentCell(0, 0)
        ui.patientsRightCheckBox.click()
        self._draw("reviewed", "OtherPatients")
        ui.patientsRightCheckBox.click()
        write_phantom(folder / "images" / "scan.nii.gz", 3)
        (folder / "images" / "broken.nrrd").write_bytes(b"NRRD0004\nthis is none")
        ui.patientsSourceBox.setCurrentIndex(1)
        section.setFolder(Path("images"))
        section.setMasksFolder(Path("masks"))
        ui.patientsStartButton.click()
        wait_until(lambda: not section.logic.isRunning, 300)
        self._draw("failed", "OtherPatients")
        ui.patientsCollapsibleButton.collapsed = True

    def models(self, folder: Path) -> None:
        """The list of weights, and a pretraining that begins, runs, ends, and one that cannot."""
        section, ui = self._section(PretrainingSection), self._ui
        for seed in range(2):
            write_phantom(folder / "volumes" / f"{seed}.nii.gz", seed)
        ui.modelsCollapsibleButton.collapsed = False
        self._widget.enter()
        ui.exportCollapsibleButton.collapsed = False
        ui.pretrainCollapsibleButton.collapsed = False
        self._draw("ready", "Models")
        ui.exportCollapsibleButton.collapsed = True
        section.pretraining.extra = [*_SMALL, "--steps", "60"]
        ui.pretrainFolderEdit.text = "volumes"
        ui.pretrainNameEdit.text = "our-abdomen"
        ui.pretrainAnatomyEdit.text = "abdomen"
        ui.pretrainLicenceEdit.text = "ours"
        ui.pretrainButton.click()
        wait_until(lambda: "left" in ui.pretrainProgressBar.text or not section.pretraining.isBusy, 200)
        self._draw("learning", "Models")
        wait_until(lambda: not section.pretraining.isBusy, 200)
        self._draw("done", "Models")
        (folder / "empty").mkdir()
        ui.pretrainNameEdit.text = "another"
        ui.pretrainFolderEdit.text = "empty"
        ui.pretrainButton.click()
        wait_until(lambda: not section.pretraining.isBusy, 200)
        self._draw("failed", "Models")
        ui.modelsCollapsibleButton.collapsed = True

    def _draw(self, state: str, section: str) -> None:
        self._fit()
        self._pictures.draw(state, section)

    def _section(self, kind: type) -> Any:
        return next(one for one in self._widget.panel.sections if type(one).__name__ == kind.__name__)


def sitk_array(volume: Any) -> np.ndarray:
    """The voxels of a volume node."""
    import slicer.util

    return np.asarray(slicer.util.arrayFromVolume(volume))


def write_phantom(path: Path, seed: int) -> None:
    """A made-up patient as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(np.asarray(two_organs((20, 40, 48), seed)[0].array))
    image.SetSpacing((0.8, 0.8, 1.5))
    sitk.WriteImage(image, str(path))


@contextmanager
def a_folder_of_its_own() -> Iterator[Path]:
    """An empty working folder that also holds the weights: pictures show no place of this computer."""
    former, models = Path.cwd(), os.environ.get("CONTRASTIVE_SEG_MODELS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Models").mkdir()
        os.environ["CONTRASTIVE_SEG_MODELS"] = str(folder / "Models")
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(former)
            if models is None:
                del os.environ["CONTRASTIVE_SEG_MODELS"]
            else:
                os.environ["CONTRASTIVE_SEG_MODELS"] = models
