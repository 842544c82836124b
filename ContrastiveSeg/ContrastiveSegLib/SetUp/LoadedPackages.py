"""Which packages the application has loaded in another version than the one installed now."""

from __future__ import annotations

import sys

from ContrastiveSegLib.SetUp.Packages import Packages

_LOADED_EARLY = {
    "numpy": "numpy",
    "scipy": "scipy",
    "torch": "torch",
    "monai": "monai",
    "psutil": "psutil",
    "safetensors": "safetensors",
}


class LoadedPackages:
    """An installation may replace a package under the running application, such as NumPy.

    Compiled modules of the old and the new version then meet in one process, which may crash it or,
    worse, give wrong numbers. Only a restart helps.

    Args:
        packages: Tells what is installed.
    """

    def __init__(self, packages: Packages) -> None:
        self._packages = packages

    def replaced(self) -> list[str]:
        """Names of the packages whose loaded version is not the installed one."""
        found = []
        for name, module in _LOADED_EARLY.items():
            loaded = getattr(sys.modules.get(module), "__version__", None)
            installed = self._packages.version(name)
            if isinstance(loaded, str) and installed and loaded.split("+")[0] != installed.split("+")[0]:
                found.append(name)
        return found
