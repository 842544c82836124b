"""Makes the archive that *Install from file* of 3D Slicer's Extensions Manager takes.

The layout is that of Slicer's own macros: scripts and resources of all scripted modules in the one folder
``lib/Slicer-X.Y/qt-scripted-modules``, the description in ``share/Slicer-X.Y/NAME.s4ext``, everything
under a folder that is called as the archive. Only listed files are packed. Compiled ``.pyc`` files, which
Slicer's build adds, are left out: Python makes them.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from contrastive_seg.atomic import make_folder, replacing, write_error
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.extension.cmake_files import SourceTree, read_tree

_SYSTEMS = ("linux", "macosx", "win")
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Application:
    """The 3D Slicer that an archive is for.

    Attributes:
        version: Such as ``5.12``; further numbers are passed over.
        revision: Such as ``34045``, from *Help > About 3D Slicer* or ``slicer.app.revision``.
        system: ``linux``, ``macosx`` or ``win``.
        architecture: Such as ``amd64`` or ``arm64``.

    Raises:
        ContrastiveSegError: ``bad-application``.
    """

    version: str
    revision: str
    system: str
    architecture: str = "amd64"

    def __post_init__(self) -> None:
        wrong = [
            f"the version '{self.version}'" if not re.match(r"^\d+\.\d+(\.\d+)*$", self.version) else "",
            f"the revision '{self.revision}'" if not re.match(r"^\w+$", self.revision) else "",
            f"the system '{self.system}'" if self.system not in _SYSTEMS else "",
            f"the architecture '{self.architecture}'" if not re.match(r"^\w+$", self.architecture) else "",
        ]
        if any(wrong):
            raise ContrastiveSegError(
                "bad-application",
                f"3D Slicer has no {', '.join(one for one in wrong if one).removeprefix('the ')}.",
                "Give a version such as 5.12, the revision as Slicer's About window has it, "
                f"and one of the systems {', '.join(_SYSTEMS)}.",
            )

    @property
    def short_version(self) -> str:
        """Major and minor number, as its folders have them."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Origin:
    """Where the source comes from: ``git`` with its short hash, or ``local``."""

    kind: str = "local"
    revision: str = "NA"
    url: str = "NA"
    date: str = "NA"


def build_archive(source: Path, target: Path, application: Application) -> Path:
    """Packs an extension of scripted modules.

    Args:
        source: Folder with the top CMakeLists.txt.
        target: Folder that gets the archive.
        application: What it is for.

    Returns:
        The archive: ``.zip`` for Windows, ``.tar.gz`` for the others.

    Raises:
        ContrastiveSegError: ``bad-extension``, ``no-write-permission`` or ``disk-full``.
    """
    tree, origin = read_tree(source), origin_of(source)
    name = (
        f"{application.revision}-{application.system}-{application.architecture}-{tree.name}"
        f"-{origin.kind}{origin.revision}-{origin.date}"
    )
    content = {f"{name}/{path}": data for path, data in _installed(tree, origin, application).items()}
    path = target / (f"{name}.zip" if application.system == "win" else f"{name}.tar.gz")
    make_folder(target)
    try:
        with replacing(path) as part:
            (_write_zip if application.system == "win" else _write_tar)(part, content)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def _installed(tree: SourceTree, origin: Origin, application: Application) -> dict[str, bytes]:
    """Every installed file by its place, the description first: the installer looks for it."""
    # In the disk image of macOS the extension lies where it will be installed to.
    inside = ""
    if application.system == "macosx":
        inside = f"Slicer.app/Contents/Extensions-{application.revision}/{tree.name}/"
    slicer = f"Slicer-{application.short_version}"
    described = description(tree, origin).encode("utf-8")
    files = {f"{inside}share/{slicer}/{tree.name}.s4ext": described}
    for path, source in sorted(tree.files.items()):
        try:
            files[f"{inside}lib/{slicer}/qt-scripted-modules/{path}"] = source.read_bytes()
        except OSError as error:
            raise ContrastiveSegError(
                "bad-extension", f"'{source}' cannot be read ({error.strerror}).", "See that you may read it."
            ) from error
    return files


def description(tree: SourceTree, origin: Origin) -> str:
    """The text of the ``.s4ext`` file: a keyword and its value on each line."""
    entry = _catalogue_entry(tree)
    said = tree.variables

    def value(name: str, default: str = "") -> str:
        return " ".join(said.get(f"EXTENSION_{name}", "").replace(";", " ").split()) or default

    lines = {
        "scm": origin.kind,
        "scmurl": origin.url,
        "scmrevision": origin.revision,
        "depends": value("DEPENDS", "NA"),
        "recommends": value("RECOMMENDS", "NA"),
        "build_subdirectory": str(entry.get("build_subdirectory", ".")),
        "homepage": value("HOMEPAGE"),
        "contributors": value("CONTRIBUTORS"),
        "category": str(entry.get("category", "")),
        "iconurl": value("ICONURL"),
        "status": value("STATUS"),
        "tier": str(entry.get("tier", 1)),
        "description": value("DESCRIPTION"),
        "screenshoturls": value("SCREENSHOTURLS"),
        "enabled": "1" if entry.get("enabled", True) else "0",
        "dicom_support_rule": value("DICOM_SUPPORT_RULE"),
        "keywords": value("KEYWORDS"),
    }
    return "".join(f"{key} {text}\n" for key, text in lines.items())


def _catalogue_entry(tree: SourceTree) -> dict[str, Any]:
    """The fields that Slicer's build takes from the catalogue; none where there is no entry."""
    path = tree.root / f"{tree.name}.json"
    if not path.is_file():
        return {}
    try:
        entry = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ContrastiveSegError(
            "bad-extension",
            f"The catalogue entry '{path}' cannot be read ({error}).",
            "Correct it, or remove it.",
        ) from error
    return entry if isinstance(entry, dict) else {}


def origin_of(source: Path) -> Origin:
    """What git says about a folder that is the root of a checkout; ``local`` for any other."""
    if not (source / ".git").exists():
        return Origin()
    revision = _git(source, "rev-parse", "--verify", "-q", "--short=7", "HEAD")
    if not revision:
        return Origin()
    url = _git(source, "config", "--get", "remote.origin.url")
    if url.startswith("git@"):
        url = "https://" + url.removeprefix("git@").replace(":", "/", 1)
    # A remote may hold a password, or lie on this computer: neither belongs into an archive.
    url = re.sub(r"^(https?://)[^/@]*@", r"\1", url) if re.match(r"^https?://", url) else "NA"
    return Origin("git", revision, url, _git(source, "show", "-s", "--format=%cs", "HEAD") or "NA")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _write_tar(part: Path, content: dict[str, bytes]) -> None:
    """Files alone, with fixed times and owners: the same source gives the same archive."""
    with (
        part.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in content.items():
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(data), 0o644
            about.mtime = int(datetime(*_FIXED_TIME, tzinfo=timezone.utc).timestamp())
            archive.addfile(about, io.BytesIO(data))


def _write_zip(part: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            about = zipfile.ZipInfo(name, _FIXED_TIME)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o644 << 16
            archive.writestr(about, data)
