"""``python -m contrastive_seg.selfcheck``: does what is installed work on this computer?

Made to run in a child process of its own, so that a broken PyTorch, which can end a process without
a word, ends nothing else. It needs only the standard library itself, and says in one JSON object what
it found, whatever is missing.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import sysconfig
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from contrastive_seg import __version__
from contrastive_seg.gpu_probe import Gpu, find_gpus

_PACKAGES = ("torch", "monai", "safetensors", "psutil", "numpy")
_TOLERANCE = 0.05


def check() -> dict[str, Any]:
    """Looks at the packages, the GPU and the device, and lets the device compute something small.

    Returns:
        ``folder``, ``writable`` and ``free_gb`` of the folder where packages go; ``versions``;
        ``gpus`` that the computer has; ``torch`` (version, CUDA version or None); ``device`` that a
        learning would use; ``milliseconds`` of the test; ``problem``, None or its ``code``,
        ``sentence`` and ``what_to_do``.
    """
    gpus = find_gpus()
    found: dict[str, Any] = {
        "type": "selfcheck",
        "engine": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        **_folder(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "gpus": [asdict(gpu) for gpu in gpus],
        "torch": None,
        "device": None,
        "milliseconds": None,
        "problem": None,
    }
    try:
        for name in ("numpy", "torch", "safetensors", "monai"):
            found["problem"] = _import_problem(name)
            if found["problem"]:
                return found
        _try_device(found, gpus)
    except Exception as error:  # whatever a driver may raise is a finding, not a crash
        found["problem"] = _problem(
            "device-failed",
            f"The test calculation failed ({_first_line(error)}).",
            "Press Repair; if that does not help, update the driver of the graphics card.",
        )
    return found


def _try_device(found: dict[str, Any], gpus: list[Gpu]) -> None:
    import torch

    from contrastive_seg.compute import choose_compute

    found["torch"] = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}
    compute = choose_compute("auto")
    found["device"] = compute.describe()
    nvidia = [gpu for gpu in gpus if gpu.vendor == "nvidia"]
    if nvidia and compute.device.type == "cpu":
        found["problem"] = _gpu_unused(nvidia[0], torch.version.cuda)
    try:
        difference, found["milliseconds"] = _convolve(torch, compute)
    except RuntimeError as error:
        if "no kernel image" not in str(error):
            raise
        found["problem"] = _problem(
            "build-does-not-fit",
            f"This build of PyTorch was not made for {found['device']['name']}.",
            "Press Repair, which chooses the build anew.",
        )
        return
    if difference > _TOLERANCE:
        found["problem"] = _problem(
            "wrong-numbers",
            f"{found['device']['name']} calculates wrongly (a difference of {difference:.2g}).",
            "Update the driver of the graphics card.",
        )


def _convolve(torch: Any, compute: Any) -> tuple[float, float]:
    """One small convolution on the device; its largest difference from the CPU's, and its milliseconds."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 4, 32, 32, generator=generator)
    kernel = torch.randn(8, 4, 3, 3, generator=generator) / 6
    there, weights = image.to(compute.device), kernel.to(compute.device)
    torch.nn.functional.conv2d(there, weights)  # the first one loads what is needed
    began = time.perf_counter()
    result = torch.nn.functional.conv2d(there, weights).cpu()
    milliseconds = 1000 * (time.perf_counter() - began)
    difference = (result - torch.nn.functional.conv2d(image, kernel)).abs().max()
    return float(difference), round(milliseconds, 2)


def _gpu_unused(gpu: Gpu, cuda: str | None) -> dict[str, str]:
    if cuda is None:
        return _problem(
            "cpu-build",
            f"This computer has an {gpu.name}, but the installed PyTorch is a build for processors only.",
            "Press 'Install the GPU build'; learning is then many times faster.",
        )
    return _problem(
        "gpu-not-usable",
        f"PyTorch (for CUDA {cuda}) cannot use the {gpu.name} (driver {gpu.driver or 'unknown'}).",
        "Update the driver of the graphics card, restart the computer, and press 'Check again'.",
    )


def _import_problem(name: str) -> dict[str, str] | None:
    try:
        importlib.import_module(name)
    except Exception as error:  # also OSError: a library that cannot be loaded
        said = _first_line(error)
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return _problem("missing", f"{name} is not installed.", "Press Install.")
        if name == "numpy":
            return _problem(
                "numpy-broken",
                f"NumPy cannot be loaded ({said}).",
                "Restart 3D Slicer; if that does not help, install it again.",
            )
        if "numpy" in str(error).lower():
            said = f"it does not fit the installed NumPy {_version('numpy')}"
        return _problem(f"{name}-broken", f"{name} cannot be loaded ({said}).", "Press Repair.")
    return None


def _folder() -> dict[str, Any]:
    folder = Path(sysconfig.get_paths()["purelib"])
    try:
        free = round(shutil.disk_usage(folder).free / 2**30, 1)
    except OSError:
        free = None
    return {"folder": str(folder), "writable": _is_writable(folder), "free_gb": free}


def _is_writable(folder: Path) -> bool:
    """Tried, as some systems allow by their rules what they then refuse."""
    probe = folder / f".contrastive-seg-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except Exception:  # not installed, or broken off half-way
        return None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def _problem(code: str, sentence: str, what_to_do: str) -> dict[str, str]:
    return {"code": code, "sentence": sentence, "what_to_do": what_to_do}


def main(arguments: list[str] | None = None) -> int:
    """Prints what was found, as one line of JSON with ``--json``, else as words.

    Returns:
        0 where everything works, 1 where something is wrong.
    """
    found = check()
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        text = json.dumps(found)
    else:
        problem = found["problem"]
        shown = {key: value for key, value in found.items() if key not in ("type", "problem")}
        lines = [f"{key.replace('_', ' ')}: {value}" for key, value in shown.items()]
        said = f"{problem['sentence']} {problem['what_to_do']}" if problem else "Everything works."
        text = "\n".join([*lines, said])
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    return 1 if found["problem"] else 0


if __name__ == "__main__":
    sys.exit(main())
