"""Folders of pretrainings: where each keeps its checkpoint until it is done."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.UserError import UserError

_CHECKPOINT = "pretraining.safetensors"
_CHOICES = "panel.json"


class PretrainingFolder:
    """One pretraining's folder, beside those of the runs; not where weights are looked for.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, name: str) -> PretrainingFolder:
        """The folder for weights of a name."""
        return cls(RunFolder.root().parent / "Pretraining" / name)

    @classmethod
    def interrupted(cls) -> PretrainingFolder | None:
        """The pretraining that was begun last and can be gone on with; None where there is none."""
        found: list[tuple[float, PretrainingFolder]] = []
        with contextlib.suppress(OSError):
            for path in (RunFolder.root().parent / "Pretraining").iterdir():
                folder = cls(path)
                if folder.choices():
                    with contextlib.suppress(OSError):
                        found.append(((path / _CHECKPOINT).stat().st_mtime, folder))
        return max(found, key=lambda one: one[0])[1] if found else None

    def begin(self, choices: dict[str, Any]) -> None:
        """Makes the folder empty and notes what the user has chosen.

        Raises:
            UserError: It cannot be written.
        """
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True, exist_ok=True)
            part = self.path / f"{_CHOICES}.part"
            part.write_text(json.dumps(choices), "utf-8")
            os.replace(part, self.path / _CHOICES)
        except OSError as error:
            raise UserError.cannotWrite(self.path, error) from error

    def choices(self) -> dict[str, Any]:
        """What the user had chosen; empty where that cannot be read."""
        try:
            stored = json.loads((self.path / _CHOICES).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def hasCheckpoint(self) -> bool:
        """Whether it can be gone on with."""
        return (self.path / _CHECKPOINT).is_file()

    def remove(self) -> None:
        """Deletes it with its checkpoint; weights that were made are kept elsewhere."""
        shutil.rmtree(self.path, ignore_errors=True)
