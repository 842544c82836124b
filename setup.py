"""Puts the starter weights and the list of further ones into a wheel; pyproject.toml says everything else.

In the source and in Slicer they lie beside the package, in the module's own Resources, where an
extension's build looks for them; in a Python environment there is no such place.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESOURCES = Path("ContrastiveSeg") / "Resources"


class BuildWithResources(build_py):
    """The package with its resources inside it."""

    def run(self) -> None:
        """Copies the modules, then the resources; an editable installation finds them in the source."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "contrastive_seg" / "Resources"
        shutil.copytree(RESOURCES / "Models", target / "Models", dirs_exist_ok=True)
        shutil.copy2(RESOURCES / "manifest.json", target)


setup(cmdclass={"build_py": BuildWithResources})
