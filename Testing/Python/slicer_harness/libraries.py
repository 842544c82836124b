"""Says in one sentence which system library is missing."""

from __future__ import annotations

import ctypes
import sys

_NEEDED = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libgthread-2.0.so.0": "libglib2.0-0",
}


def check_libraries() -> None:
    """Raises where an offscreen window of Qt or VTK could not be opened.

    Raises:
        RuntimeError: Naming the missing libraries and the apt packages that hold them.
    """
    if not sys.platform.startswith("linux"):
        return
    missing = [library for library in _NEEDED if not _can_load(library)]
    if missing:
        packages = " ".join(_NEEDED[library] for library in missing)
        raise RuntimeError(
            f"The system libraries {', '.join(missing)} are missing; install them with: "
            f"sudo apt-get install {packages}"
        )


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
