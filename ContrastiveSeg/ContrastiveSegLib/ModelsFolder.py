"""The folder of the user's own weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

SETTING = "ContrastiveSeg/ModelsFolder"


class ModelsFolder:
    """An application setting; the environment variable of the engine wins over it."""

    @staticmethod
    def path() -> Path:
        """Where the user's own weights lie; it need not exist."""
        from contrastive_seg.weights.store import FOLDER_VARIABLE, user_folder

        named = str(slicer.app.userSettings().value(SETTING) or "").strip()
        if named and not os.environ.get(FOLDER_VARIABLE, "").strip():
            return Path(named).expanduser()
        return user_folder()

    @staticmethod
    def whyNotChoose() -> str:
        """Why another folder cannot be chosen; empty where it can."""
        from contrastive_seg.weights.store import FOLDER_VARIABLE

        if not os.environ.get(FOLDER_VARIABLE, "").strip():
            return ""
        return _("The environment variable {name} decides which folder it is.").format(name=FOLDER_VARIABLE)

    @staticmethod
    def choose(folder: str) -> None:
        """Takes another folder from now on; weights are not moved. Empty: the default one."""
        slicer.app.userSettings().setValue(SETTING, folder.strip())

    @classmethod
    def store(cls) -> Any:
        """All weights on this computer."""
        from contrastive_seg.weights.store import Store

        return Store(user=cls.path())

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Environment variables with which a child process finds the same folder."""
        from contrastive_seg.weights.store import FOLDER_VARIABLE

        return {FOLDER_VARIABLE: str(cls.path())}
