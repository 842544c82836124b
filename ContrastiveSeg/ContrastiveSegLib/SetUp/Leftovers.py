"""Removes what an installation that was broken off has left behind."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path


class Leftovers:
    """Run as a program in the child process: ``python Leftovers.py FOLDER NAME ...``.

    pip refuses to replace a package whose description it cannot read, and passes over folders that
    begin with ``~``, which it left when it was killed. Only descriptions of the named packages
    (``NAME-VERSION.dist-info``) without a list of their files, second descriptions, and such folders
    are removed.

    Args:
        folder: Where packages are installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remove(self, name: str) -> list[str]:
        """Removes what is left of a package; returns the names of the folders removed."""
        plain = re.sub(r"[-_.]+", "_", name).lower()
        removed = []
        described = [
            one
            for one in sorted(self._folder.glob("*.dist-info"))
            if one.name.split("-", 1)[0].replace(".", "_").lower() == plain
        ]
        half = [one for one in described if not all((one / n).is_file() for n in ("METADATA", "RECORD"))]
        whole = [one for one in described if one not in half]
        second = whole if len(whole) > 1 else []
        torn = [one for one in self._folder.glob("~*") if one.name[1:].lower().startswith(plain[1:])]
        for one in [*half, *second, *torn]:
            shutil.rmtree(one, ignore_errors=True)
            removed.append(one.name)
        return removed


def main(arguments: list[str]) -> int:
    """Removes what is left of the named packages from the folder of the running Python."""
    leftovers = Leftovers(Path(sysconfig.get_paths()["purelib"]))
    for name in arguments:
        for removed in leftovers.remove(name):
            sys.stdout.write(f"Removed {removed}, left by an installation that was broken off.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
