"""The package as others install it: a wheel, away from the source."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from project_tree import ROOT

_SOURCE = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def pip(command: str, *arguments: str | Path) -> None:
    """Without a network, and without what the package needs."""
    whole = [sys.executable, "-m", "pip", command, "--no-deps", "--no-index", *map(str, arguments)]
    run = subprocess.run(whole, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def built(folder: Path) -> Path:
    """A wheel of a copy of the source; nothing is left in the source itself."""
    source = folder / "source"
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__", "ContrastiveSegLib", "Testing")
    shutil.copytree(ROOT / "ContrastiveSeg", source / "ContrastiveSeg", ignore=ignored)
    for name in _SOURCE:
        shutil.copy2(ROOT / name, source)
    pip("wheel", "--no-build-isolation", "-w", folder, source)
    return next(folder.glob("*.whl"))


def test_an_installed_package_has_the_starter_weights_and_the_list_of_further_ones(tmp_path):
    pip("install", "--target", tmp_path / "installed", built(tmp_path))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("CONTRASTIVE_SEG")},
        "PYTHONPATH": str(tmp_path / "installed"),
        "CONTRASTIVE_SEG_MODELS": str(tmp_path / "own"),
    }
    where = "import contrastive_seg, contrastive_seg.weights.catalogue as c; print(contrastive_seg.__file__);"
    run = subprocess.run(
        [sys.executable, "-c", where + "print(c.default_manifest())"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    package, manifest = map(Path, run.stdout.split("\n")[:2])
    assert package.is_relative_to(tmp_path) and manifest.is_relative_to(tmp_path) and manifest.is_file()
    listing = subprocess.run(
        [sys.executable, "-m", "contrastive_seg.cli", "weights", "list", "--json"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    found = {one["name"]: one for one in json.loads(listing.stdout)["weights"]}
    expected = {one.name.removesuffix(".safetensors") for one in shipped()}
    assert expected and expected <= set(found)
    assert all(found[name]["source"] == "starter" for name in expected)


def shipped() -> list[Path]:
    return list((ROOT / "ContrastiveSeg" / "Resources" / "Models").glob("*.safetensors"))
