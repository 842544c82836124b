"""Which commands install what is missing."""

from __future__ import annotations

import importlib
from pathlib import Path

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.InstallStep import InstallStep
from ContrastiveSegLib.SetUp.Packages import Packages
from ContrastiveSegLib.SetUp.PackageState import PackageState

_HELPER = "light-the-torch>=0.5"
_LEFTOVERS = Path(__file__).resolve().parent / "Leftovers.py"
# pip writes its progress so that a program can read it since this version
_READABLE_PROGRESS = (24, 1)


class InstallPlan:
    """Turns the states of packages into steps.

    PyTorch comes as the PyTorch extension installs it: its tool *light-the-torch* finds the build that
    fits the graphics card. The extension's own function would stand still with the application for
    minutes, so the command that it would run is run in a child process instead. From a folder of
    wheels pip takes PyTorch itself, as there the choice of the build was made by whoever filled it.

    Args:
        packages: Tells what is there.
        wheelhouse: A folder of wheels to install from, without any network; None for the network.
    """

    def __init__(self, packages: Packages, wheelhouse: Path | None = None) -> None:
        self._packages, self._wheelhouse = packages, wheelhouse

    def steps(
        self, torch: PackageState, others: list[PackageState], rebuildTorch: bool = False
    ) -> list[InstallStep]:
        """The steps to what is needed, PyTorch first: what else there is must not bring another build.

        Args:
            torch: How PyTorch stands.
            others: How the others stand; those that are met are left alone.
            rebuildTorch: Replace PyTorch even where its version is right, as its build is not.
        """
        steps = []
        if rebuildTorch or not torch.isMet:
            steps += self._torchSteps(torch, rebuildTorch)
        broken = [one for one in others if one.condition is Condition.Broken]
        if broken:
            names = [one.name for one in broken]
            steps.append(InstallStep(_("Cleaning up"), (str(_LEFTOVERS), *names)))
            requirements = [one.requirement for one in broken]
            steps.append(
                InstallStep(
                    _("Repairing {names}").format(names=", ".join(one.title for one in broken)),
                    ("-m", "pip", *self._install(), "--force-reinstall", "--no-deps", *requirements),
                )
            )
        wanted = [one for one in others if not one.isMet]
        if wanted:
            steps.append(
                InstallStep(
                    _("Installing {names}").format(names=", ".join(one.title for one in wanted)),
                    (
                        "-m",
                        "pip",
                        *self._install(),
                        *self._sameTorch(),
                        *[one.requirement for one in wanted],
                    ),
                )
            )
        return steps

    def _torchSteps(self, torch: PackageState, rebuild: bool) -> list[InstallStep]:
        title = _("Installing PyTorch (this takes some minutes)")
        steps = []
        if rebuild or torch.condition in (Condition.Broken, Condition.TooNew):
            steps.append(InstallStep(_("Cleaning up"), (str(_LEFTOVERS), "torch", "torchvision")))
            removal = ("-m", "pip", "uninstall", "--yes", "--no-input", "torch", "torchvision")
            steps.append(InstallStep(_("Removing the former PyTorch"), removal))
        if self._wheelhouse is not None:
            return [*steps, InstallStep(title, ("-m", "pip", *self._install(), torch.requirement))]
        if not self._packages.hasModule("light_the_torch"):
            helper = ("-m", "pip", *self._install(), _HELPER)
            steps.append(InstallStep(_("Preparing the installation of PyTorch"), helper))
        wanted = _extensionsArguments(torch.requirement.removeprefix("torch"))
        options = self._install()[1:]
        if torch.condition is Condition.TooOld:
            options = [*options, "--upgrade"]
        return [*steps, InstallStep(title, ("-m", "light_the_torch", "install", *options, *wanted))]

    def _install(self) -> list[str]:
        """``install`` with its options: wheels only, as nobody has a compiler, and no questions."""
        options = ["install", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
        options += ["--retries", "2", "--timeout", "20"]
        options += ["--progress-bar", "raw" if self._pipVersion() >= _READABLE_PROGRESS else "off"]
        if self._wheelhouse is not None:
            options += ["--no-index", "--find-links", str(self._wheelhouse)]
        return options

    def _pipVersion(self) -> tuple[int, ...]:
        numbers = self._packages.version("pip").split(".")[:2]
        return tuple(int(one) for one in numbers if one.isdigit())

    def _sameTorch(self) -> list[str]:
        """Asks for the PyTorch that is there: MONAI must not bring another build of it."""
        version = self._packages.version("torch")
        return [f"torch=={version}"] if version else []


def _extensionsArguments(versions: str) -> list[str]:
    """What the PyTorch extension would ask its tool for: torch with torchvision of the same build."""
    usual = [f"torch{versions}", "torchvision"]
    try:
        logic = importlib.import_module("PyTorchUtils").PyTorchUtilsLogic
        verb, *wanted = logic._getPipInstallArguments(None, versions, None)
    except (ImportError, AttributeError, TypeError, ValueError):
        return usual  # another release of the extension
    return list(wanted) if verb == "install" else usual
