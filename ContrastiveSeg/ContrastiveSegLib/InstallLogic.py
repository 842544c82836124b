"""The Python packages that the worker needs."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.CheckReport import CheckReport
from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.InstallPlan import InstallPlan
from ContrastiveSegLib.SetUp.InstallStep import InstallStep
from ContrastiveSegLib.SetUp.LoadedPackages import LoadedPackages
from ContrastiveSegLib.SetUp.Packages import Packages
from ContrastiveSegLib.SetUp.PackageState import PackageState
from ContrastiveSegLib.UserError import UserError

TORCH = "torch>=2.4,<3"
_REQUIREMENTS = Path(__file__).resolve().parent.parent / "Resources" / "requirements.txt"


class InstallLogic:
    """Says which packages are missing, and with which commands they are installed.

    PyTorch comes through the PyTorch extension, which chooses the build that suits the graphics
    card. Nothing of it is ever imported here: torch belongs into the worker's process.

    Args:
        requirements: The requirements file; None for the extension's own.
        paths: Folders where packages are looked for; None for the application's.
        python: The Python to install with; None for the application's.
        torch: What is needed of PyTorch.
    """

    def __init__(
        self,
        requirements: Path | None = None,
        paths: list[str] | None = None,
        python: str | None = None,
        torch: str = TORCH,
    ) -> None:
        self._requirements = requirements or _REQUIREMENTS
        self._torch, self._python = torch, python
        self.installed = Packages(paths)
        self.isInstalling = False

    def packages(self) -> list[PackageState]:
        """All packages that are needed, PyTorch first."""
        self.installed.refresh()
        torch = self.installed.state(self._torch)
        if torch.isMet and not self.hasTorch():  # described, but not there
            torch = PackageState(
                torch.name, torch.requirement, torch.floor, torch.ceiling, "", Condition.Missing
            )
        return [torch, *[self.installed.state(one) for one in self._listed()]]

    def missing(self) -> list[str]:
        """Requirements that are not met, PyTorch first."""
        return [one.requirement for one in self.packages() if not one.isMet]

    def sentence(self) -> str:
        """What is missing, for the user; empty where nothing is."""
        titles = [one.title for one in self.packages() if not one.isMet]
        if not titles:
            return ""
        return _("Before the first use, Python packages must be installed: {names}.").format(
            names=", ".join(titles)
        )

    def hasTorch(self) -> bool:
        """Whether PyTorch can be found, without loading it."""
        return self.installed.hasModule("torch")

    @staticmethod
    def hasExtension() -> bool:
        """Whether the PyTorch extension is there."""
        return importlib.util.find_spec("PyTorchUtils") is not None

    @staticmethod
    def isTesting() -> bool:
        """Whether the application runs tests."""
        return bool(slicer.app.testingEnabled())

    @staticmethod
    def isTorchLoaded() -> bool:
        """Whether some other module has loaded PyTorch into the application."""
        return "torch" in sys.modules

    def replaced(self) -> list[str]:
        """Packages that the application has loaded in another version than the installed one."""
        return LoadedPackages(self.installed).replaced()

    def python(self) -> str:
        """The program with which packages are installed and tried.

        Raises:
            UserError: It cannot be found.
        """
        python = self._python or shutil.which("PythonSlicer")
        if python is None:
            raise UserError(
                _("The program PythonSlicer, which installs packages, cannot be found."),
                _("Install 3D Slicer again."),
            )
        return python

    def steps(self, wheelhouse: Path | None, report: CheckReport | None = None) -> list[InstallStep]:
        """The commands that bring everything up to date.

        Args:
            wheelhouse: A folder of wheels to install from; None for the network.
            report: What the test found, if it was run: it may say that PyTorch is the wrong build.

        Raises:
            UserError: The folder holds no wheels, or something else is being installed.
        """
        if wheelhouse is not None and not any(wheelhouse.glob("*.whl")):
            raise UserError(
                _("The folder '{folder}' holds no wheels (files that end with .whl).").format(
                    folder=wheelhouse
                ),
                _("Docs/installation.md says how to make such a folder."),
            )
        if _isSlicerInstalling():
            raise UserError(_("Another module is installing packages."), _("Wait until it has finished."))
        torch, *others = self.packages()
        broken = report.brokenPackage if report is not None else ""
        others = [
            replace(one, condition=Condition.Broken) if one.isMet and one.name == broken else one
            for one in others
        ]
        rebuild = report is not None and report.needsTorchAgain
        return InstallPlan(self.installed, wheelhouse).steps(torch, others, rebuildTorch=rebuild)

    def _listed(self) -> list[str]:
        lines = self._requirements.read_text("utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _isSlicerInstalling() -> bool:
    try:
        packaging: Any = importlib.import_module("slicer.packaging")
        return bool(packaging.isPipInstallInProgress())
    except (ImportError, AttributeError):  # 3D Slicer 5.10
        return False
