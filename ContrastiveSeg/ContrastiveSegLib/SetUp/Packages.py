"""Looks which packages are there, without loading any of them."""

from __future__ import annotations

import importlib
import os
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.PackageState import PackageState

_FILES_LOOKED_AT = 150


class Packages:
    """Compares what is installed with what is needed.

    Only descriptions and file names are read: torch must not be loaded into the application, and a
    package that was loaded could not be replaced on Windows.

    Args:
        paths: Folders to look in; None for where the application finds its packages.
    """

    def __init__(self, paths: list[str] | None = None) -> None:
        self._paths = paths

    def state(self, requirement: str) -> PackageState:
        """How the package of a requirement such as ``monai>=1.4,<2`` stands."""
        wanted = _packaging().requirements.Requirement(requirement)
        limits = [(one.operator, one.version) for one in wanted.specifier]
        floor = next((version for operator, version in limits if operator in (">=", ">", "==", "~=")), "")
        ceiling = next((version for operator, version in limits if operator in ("<", "<=")), "")
        installed, condition, problem = self._look(wanted)
        return PackageState(wanted.name, requirement, floor, ceiling, installed, condition, problem)

    def version(self, name: str) -> str:
        """The installed version of a package; empty where there is none that can be read."""
        found = self._distributions(name)
        return _version(found[0]) if found else ""

    def hasModule(self, module: str) -> bool:
        """Whether Python would find a module of this name."""
        importlib.invalidate_caches()
        spec = PathFinder.find_spec(module, self._paths)
        return spec is not None and spec.origin is not None  # a folder without its __init__ has none

    def _distributions(self, name: str) -> list[Any]:
        importlib.invalidate_caches()
        where = {} if self._paths is None else {"path": self._paths}
        return list(metadata.distributions(name=name, **where))

    def _look(self, wanted: Any) -> tuple[str, Condition, str]:
        found = self._distributions(wanted.name)
        module = wanted.name.replace("-", "_").lower()
        if not found:
            if self.hasModule(module) and wanted.name == "torch":
                return "", Condition.Broken, _("Its files are there, but not the description of them.")
            return "", Condition.Missing, ""
        first = found[0]
        installed = _version(first)
        if not installed:
            return "", Condition.Broken, _("Its installation was broken off half-way.")
        here = [one for one in found if str(one.locate_file("")) == str(first.locate_file(""))]
        if len(here) > 1:
            return installed, Condition.Broken, _("It is installed in two versions at once.")
        if not self.hasModule(module) or not _isWhole(first):
            return installed, Condition.Broken, _("Some of its files are missing.")
        return installed, _compared(installed, wanted), ""


def _compared(installed: str, wanted: Any) -> Condition:
    versions = _packaging().version
    try:
        version = versions.Version(installed)
    except versions.InvalidVersion:
        return Condition.Broken
    if wanted.specifier.contains(version, prereleases=True):
        return Condition.UpToDate
    floors = [one.version for one in wanted.specifier if one.operator in (">=", ">", "==", "~=")]
    return Condition.TooOld if any(version < versions.Version(one) for one in floors) else Condition.TooNew


def _version(distribution: Any) -> str:
    try:
        return str(distribution.version or "")
    except Exception:  # half a description
        return ""


def _isWhole(distribution: Any) -> bool:
    """Whether the files that pip has noted are there, tried with some of them.

    A full disk leaves empty files, and an installation that was killed leaves none or no list of them.
    """
    record = distribution.read_text("RECORD")
    if record is None:
        return False
    lines = record.splitlines()
    folder = Path(str(distribution.locate_file("")))
    for line in lines[:: max(1, len(lines) // _FILES_LOOKED_AT)]:
        path, _digest, size = [*line.rsplit(",", 2), "", ""][:3]
        if not path.endswith((".py", ".so", ".pyd", ".dll")):
            continue
        try:
            found = os.stat(folder / path.strip('"')).st_size
        except OSError:
            return False
        if size.isdigit() and int(size) > 0 and found == 0:
            return False
    return True


def _packaging() -> Any:
    """The library that compares versions: the application has it, and pip has its own copy."""
    try:
        import packaging.requirements
        import packaging.version

        return packaging
    except ImportError:
        import pip._vendor.packaging.requirements
        import pip._vendor.packaging.version

        return pip._vendor.packaging
