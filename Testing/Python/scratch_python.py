"""An environment of its own and small wheels, for tests that really install something."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


class ScratchPython:
    """A fresh environment with pip and nothing else.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        self.program = str(folder / inside)
        code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        done = subprocess.run([self.program, "-c", code], check=True, capture_output=True, encoding="utf-8")
        self.site = Path(done.stdout.strip())


def make_wheel(folder: Path, name: str, version: str, code: str = "", needs: str = "") -> Path:
    """Writes a wheel of one package with one module.

    Args:
        folder: Where it is put.
        name: Name of the package and of its module.
        version: Its version.
        code: What the module holds besides its version.
        needs: A requirement of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    described = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}/__init__.py": f"__version__ = '{version}'\n{code}\n",
        f"{described}/METADATA": metadata + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{described}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{one},,\n" for one in [*files, f"{described}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for one, text in files.items():
            wheel.writestr(one, text)
        wheel.writestr(f"{described}/RECORD", record)
    return path
