"""Where weights can come from, in the order in which equal ones are taken.

1. the user's own store, 2. further folders that were named, 3. folders that other extensions of the
application ship, 4. the starter weights that come with ContrastiveSeg, 5. what can be downloaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER_VARIABLE = "CONTRASTIVE_SEG_MODELS"
"""Names the folder of the user's own weights."""

PATH_VARIABLE = "CONTRASTIVE_SEG_MODEL_PATH"
"""Names the folders that other extensions ship, with the system's separator between them."""

USER, FOLDER, EXTENSION, STARTER, DOWNLOAD = "user", "folder", "extension", "starter", "download"
KINDS = (USER, FOLDER, EXTENSION, STARTER, DOWNLOAD)

_INSTALLED = re.compile(r"^(?:lib|lib64)$")
_VERSIONED = re.compile(r"^\w+-\d+\.\d+$")


@dataclass(frozen=True)
class Source:
    """One place of weights.

    Attributes:
        kind: One of :data:`KINDS`.
        folder: Where they lie; None for what is not downloaded yet.
        extension: Name of the extension that ships them, where it is known.
    """

    kind: str
    folder: Path | None = None
    extension: str = ""

    @property
    def label(self) -> str:
        """For a list: ``your own``, ``extension NAME``, ``starter``, ``folder``, ``not downloaded``."""
        if self.kind == EXTENSION:
            return f"extension {self.extension}" if self.extension else "extension"
        return {USER: "your own", FOLDER: "folder", STARTER: "starter", DOWNLOAD: "not downloaded"}[self.kind]


def sources(folders: Sequence[Path] = (), user: Path | None = None) -> list[Source]:
    """All places on this computer, first come, first served.

    Args:
        folders: Further folders that were named.
        user: The user's folder; None for the usual one.
    """
    found = [Source(USER, user if user is not None else user_folder())]
    found += [Source(FOLDER, folder) for folder in folders]
    found += [Source(EXTENSION, folder, extension_of(folder)) for folder in extension_folders()]
    return found


def user_folder() -> Path:
    """Where the user's own weights lie; it need not exist."""
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    return Path(named).expanduser() if named else Path.home() / ".ContrastiveSeg" / "Models"


def extension_folders() -> list[Path]:
    """The folders that :data:`PATH_VARIABLE` names, each once, without our own."""
    named = os.environ.get(PATH_VARIABLE, "").split(os.pathsep)
    own = own_folders()
    return [Path(one) for one in dict.fromkeys(named) if one.strip() and Path(one) not in own]


def own_folders() -> list[Path]:
    """Where the weights lie that come with ContrastiveSeg, or with an installed package."""
    return [folder / "Models" for folder in resource_folders()]


def resource_folders() -> list[Path]:
    """Resources of the module, and of an installed package, which has its own."""
    package = Path(__file__).resolve().parents[1]
    return [package.parent / "Resources", package / "Resources"]


def extension_of(folder: Path) -> str:
    """Name of the extension that a folder of weights belongs to; empty where it cannot be seen.

    An installed extension has its modules in ``NAME/lib/Slicer-5.12/qt-scripted-modules``.
    """
    parts = folder.parts
    for index in range(len(parts) - 2, 0, -1):
        if _INSTALLED.match(parts[index]) and _VERSIONED.match(parts[index + 1]):
            return parts[index - 1]
    if parts[-2:] == ("Resources", "Models") and len(parts) > 2:
        return parts[-3]  # a module that is run from its source
    return ""
