"""Where the masks of other patients go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.UserError import UserError

SCENE = "scene"
FORMATS = ("seg.nrrd", "nii.gz")


@dataclass(frozen=True)
class PatientTarget:
    """Nodes of the scene, or files in a folder.

    Attributes:
        kind: ``scene``, ``seg.nrrd`` or ``nii.gz``.
        folder: Of the files.
        replace: Whether files that are there already are replaced; else they are kept.
    """

    kind: str = SCENE
    folder: Path | None = None
    replace: bool = False

    @property
    def isFiles(self) -> bool:
        return self.kind != SCENE

    def message(self) -> dict[str, Any] | None:
        """What the process is told; None for the scene.

        Raises:
            UserError: No folder is chosen.
        """
        if not self.isFiles:
            return None
        if self.folder is None:
            raise UserError(_("Choose a folder for the files first."))
        return {"folder": str(self.folder), "format": self.kind, "replace": self.replace}
