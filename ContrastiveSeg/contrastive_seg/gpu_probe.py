"""Which GPU the computer has, asked without PyTorch: a CPU build of PyTorch sees none.

Only the standard library is used, as this must work before anything is installed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 20
_DRIVER_LIBRARIES = {"linux": ("libcuda.so.1",), "win32": ("nvcuda.dll",)}


@dataclass(frozen=True)
class Gpu:
    """A graphics card that PyTorch could compute on.

    Attributes:
        name: As the vendor calls it.
        memory_gb: Its memory in GiB; 0 where it cannot be found out.
        vendor: ``nvidia`` or ``apple``.
        driver: Version of the driver; empty where it cannot be found out.
    """

    name: str
    memory_gb: float
    vendor: str
    driver: str = ""


def find_gpus() -> list[Gpu]:
    """The computer's GPUs; empty where there is none that PyTorch computes on.

    NVIDIA's own program is asked first; where it is missing, the driver's library says at least that
    there is a card.
    """
    if sys.platform == "darwin":
        return [Gpu("Apple GPU", 0.0, "apple")] if platform.machine() == "arm64" else []
    return _ask_nvidia_smi() or _ask_driver_library()


def parse_nvidia_smi(text: str) -> list[Gpu]:
    """The cards in the output of ``nvidia-smi --query-gpu=name,memory.total,driver_version``.

    Args:
        text: Lines such as ``NVIDIA RTX A4000, 16376, 550.54``, memory in MiB.
    """
    gpus = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) == 3 and parts[0] and not parts[0].lower().startswith("no devices"):
            memory = float(parts[1]) if parts[1].replace(".", "", 1).isdigit() else 0.0
            gpus.append(Gpu(parts[0], round(memory / 1024, 1), "nvidia", parts[2]))
    return gpus


def _ask_nvidia_smi() -> list[Gpu]:
    program = shutil.which("nvidia-smi")
    if program is None and sys.platform == "win32":
        beside = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvidia-smi.exe"
        program = str(beside) if beside.is_file() else None
    if program is None:
        return []
    command = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True, creationflags=flags
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    return parse_nvidia_smi(done.stdout)


def _ask_driver_library() -> list[Gpu]:
    """NVIDIA's driver counts its cards even where its programs are not on the path."""
    for name in _DRIVER_LIBRARIES.get(sys.platform, ()):
        try:
            driver = ctypes.CDLL(name)
            count = ctypes.c_int(0)
            if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
                return [Gpu("NVIDIA GPU", 0.0, "nvidia")] * count.value
        except (OSError, AttributeError):
            continue
    return []
