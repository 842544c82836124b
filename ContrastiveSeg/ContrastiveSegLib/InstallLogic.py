"""The Python packages that the worker needs."""

from __future__ import annotations

import importlib.util
import logging
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.UserError import UserError

_REQUIREMENTS = Path(__file__).resolve().parent.parent / "Resources" / "requirements.txt"


class InstallLogic:
    """Says which packages are missing, and installs them after asking.

    PyTorch comes through the PyTorch extension, which chooses the build that suits the graphics
    card; the others through Slicer's own package tools. Nothing of it is ever imported here: torch
    belongs into the worker's process.

    Args:
        requirements: The requirements file; None for the extension's own.
    """

    def __init__(self, requirements: Path | None = None) -> None:
        self._requirements = requirements or _REQUIREMENTS

    def missing(self) -> list[str]:
        """Requirements that are not met, PyTorch first."""
        found = [] if self.hasTorch() else ["torch"]
        return found + [one for one in self._listed() if not self._isMet(one)]

    def sentence(self) -> str:
        """What is missing, for the user; empty where nothing is."""
        missing = self.missing()
        if not missing:
            return ""
        names = ", ".join("PyTorch" if one == "torch" else self._name(one) for one in missing)
        return _("Before the first use, Python packages must be installed: {names}.").format(names=names)

    @staticmethod
    def hasTorch() -> bool:
        """Whether PyTorch can be found, without loading it."""
        return importlib.util.find_spec("torch") is not None

    @staticmethod
    def isTesting() -> bool:
        """Whether the application runs tests."""
        return bool(slicer.app.testingEnabled())

    def install(self) -> None:
        """Asks, then installs what is missing.

        Raises:
            UserError: The user declined, the PyTorch extension is missing, or the installation failed.
        """
        if self.isTesting():  # a test never changes the application's packages
            raise UserError(self.sentence() or _("Nothing is missing."))
        if not self.hasTorch():
            self._installTorch()
        others = [one for one in self._listed() if not self._isMet(one)]
        if others:
            self._installOthers(others)
        importlib.invalidate_caches()
        left = self.missing()
        if left:
            raise UserError(
                _("These packages are still missing: {names}.").format(names=", ".join(left)),
                _("Restart 3D Slicer and press Install again."),
            )

    @staticmethod
    def _installTorch() -> None:
        try:
            import PyTorchUtils
        except ImportError as error:
            raise UserError(
                _("The extension PyTorch is not installed."),
                _("Install PyTorch with the Extensions Manager and restart 3D Slicer."),
            ) from error
        try:
            torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True)
        except Exception as error:
            logging.exception("ContrastiveSeg: the installation of PyTorch failed")
            raise UserError(
                _("PyTorch could not be installed ({reason}).").format(reason=error),
                _("Check the internet connection and the free disk space, then press Install again."),
            ) from error
        if torch is None:
            raise UserError(_("PyTorch was not installed."), _("Press Install when you want to go on."))

    def _installOthers(self, others: list[str]) -> None:
        try:
            packaging: Any = importlib.import_module("slicer.packaging")
        except ImportError:  # 3D Slicer 5.10
            packaging = None
        try:
            if packaging is not None:
                packaging.pip_ensure(others, requester="ContrastiveSeg")
            elif self._agreed(others):
                for one in others:
                    slicer.util.pip_install(one)
        except Exception as error:
            logging.exception("ContrastiveSeg: the installation of packages failed")
            raise UserError(
                _("The packages could not be installed ({reason}).").format(reason=error),
                _("Check the internet connection and the free disk space, then press Install again."),
            ) from error

    @staticmethod
    def _agreed(others: list[str]) -> bool:
        return bool(
            slicer.util.confirmOkCancelDisplay(
                _("ContrastiveSeg needs these Python packages:\n{names}\nInstall them now?").format(
                    names="\n".join(others)
                ),
                _("Install packages"),
            )
        )

    def _listed(self) -> list[str]:
        lines = self._requirements.read_text("utf-8").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]

    @classmethod
    def _isMet(cls, requirement: str) -> bool:
        try:
            installed = metadata.version(cls._name(requirement))
        except metadata.PackageNotFoundError:
            return False
        floor = re.search(r">=\s*([0-9.]+)", requirement)
        return floor is None or _numbers(installed) >= _numbers(floor[1])

    @staticmethod
    def _name(requirement: str) -> str:
        return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0]


def _numbers(version: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", version.split("+")[0])[:3]]
