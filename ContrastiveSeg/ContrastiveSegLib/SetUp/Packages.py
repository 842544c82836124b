"""Looks which packages are there, without loading any of them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.Condition import Condition
from ContrastiveSegLib.SetUp.PackageState import PackageState

_FILES_LOOKED_AT = 60
_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE)


class Packages:
    """Compares what is installed with what is needed.

    Only descriptions and file names are read: torch must not be loaded into the application, and a
    package that was loaded could not be replaced on Windows.

    Args:
        paths: Folders to look in; None for where the application finds its packages.
    """

    def __init__(self, paths: list[str] | None = None) -> None:
        self._paths = paths
        self._samples: dict[tuple[str, str, str], list[tuple[Path, bool]]] = {}

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

    @staticmethod
    def refresh() -> None:
        """Looks at the folders anew; afterwards what was read from them is kept, which is quick."""
        importlib.invalidate_caches()

    def hasModule(self, module: str) -> bool:
        """Whether Python would find a module of this name."""
        try:
            spec = (
                importlib.util.find_spec(module)
                if self._paths is None
                else PathFinder.find_spec(module, self._paths)
            )
        except ValueError:  # loaded already, in some unusual way
            return True
        return spec is not None and spec.origin is not None  # a folder without its __init__ has none

    def _distributions(self, name: str) -> list[Any]:
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
        if not self.hasModule(module) or not self._isWhole(first, wanted.name, installed):
            return installed, Condition.Broken, _("Some of its files are missing.")
        return installed, _compared(installed, wanted), ""

    def _isWhole(self, distribution: Any, name: str, version: str) -> bool:
        """Whether the files that pip has noted are there, tried with some of them.

        A full disk leaves empty files, and an installation that was killed leaves none, or no notes.
        """
        key = (str(distribution.locate_file("")), name, version)
        if not self._samples.get(key):  # the notes of PyTorch are long, and the panel looks often
            self._samples[key] = _sample(distribution)
        try:
            return bool(self._samples[key]) and all(
                os.stat(path).st_size > 0 or not hasContent for path, hasContent in self._samples[key]
            )
        except OSError:
            return False


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
    """The version out of the description's head; the library would parse all of it, which takes long."""
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except (OSError, ValueError):  # half a description
        return ""
    found = _VERSION.search(text.replace("\r\n", "\n").partition("\n\n")[0])
    return found[1].strip() if found else ""


def _sample(distribution: Any) -> list[tuple[Path, bool]]:
    """Some of the files that pip has noted, each with whether it holds anything; empty without notes."""
    record = distribution.read_text("RECORD")
    if record is None:
        return []
    lines = record.splitlines()
    folder = Path(str(distribution.locate_file("")))
    some = [*lines[:: max(1, len(lines) // _FILES_LOOKED_AT)], *[one for one in lines if "/RECORD," in one]]
    found = []
    for line in some:
        path, _digest, size = [*line.rsplit(",", 2), "", ""][:3]
        if path.endswith((".py", ".so", ".pyd", ".dll", "/RECORD")):
            found.append((folder / path.strip('"'), size.isdigit() and int(size) > 0))
    return found


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
