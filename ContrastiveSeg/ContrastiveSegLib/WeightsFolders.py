"""Where weights lie, as the application knows it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

SETTING = "ContrastiveSeg/ModelsFolder"
"""The application setting that names the folder of the user's own weights."""


class WeightsFolders:
    """The user's folder and those of other extensions, for this process and for its children.

    An extension is heard of as soon as it is installed: its weights need no restart, as they are data.
    """

    @staticmethod
    def user() -> Path:
        """The user's own folder; the environment variable wins over the setting."""
        from contrastive_seg.weights import sources

        named = str(slicer.app.userSettings().value(SETTING) or "").strip()
        if named and not os.environ.get(sources.FOLDER_VARIABLE, "").strip():
            return Path(named).expanduser()
        return sources.user_folder()

    @staticmethod
    def whyNotChoose() -> str:
        """Why another folder cannot be chosen; empty where it can."""
        from contrastive_seg.weights.sources import FOLDER_VARIABLE

        if not os.environ.get(FOLDER_VARIABLE, "").strip():
            return ""
        return _("The environment variable {name} decides which folder it is.").format(name=FOLDER_VARIABLE)

    @staticmethod
    def choose(folder: str) -> None:
        """Takes another folder from now on; weights are not moved. Empty: the default one."""
        slicer.app.userSettings().setValue(SETTING, folder.strip())

    @classmethod
    def extensions(cls) -> list[Any]:
        """The sources of weights that other extensions ship."""
        from contrastive_seg.weights.sources import EXTENSION, Source, extension_folders, extension_of

        named = [(extension_of(folder), folder) for folder in extension_folders()]
        named += [(name, Path(path) / "Resources" / "Models") for name, path in cls._modulePaths()]
        ours = cls._real(Path(__file__).resolve().parent.parent / "Resources" / "Models")
        found: dict[Path, Any] = {}
        for name, folder in named:
            real = cls._real(folder)
            if real != ours and folder.is_dir():
                found.setdefault(real, Source(EXTENSION, folder, name or extension_of(folder)))
        return list(found.values())

    @classmethod
    def store(cls) -> Any:
        """All weights on this computer."""
        from contrastive_seg.weights.store import Store

        return Store(user=cls.user(), extensions=cls.extensions())

    @classmethod
    def environment(cls) -> dict[str, str]:
        """Environment variables with which a child process finds the same weights."""
        from contrastive_seg.weights.sources import FOLDER_VARIABLE, PATH_VARIABLE

        folders = [str(one.folder) for one in cls.extensions()]
        return {FOLDER_VARIABLE: str(cls.user()), PATH_VARIABLE: os.pathsep.join(folders)}

    @classmethod
    def _modulePaths(cls) -> list[tuple[str, str]]:
        """Names of extensions with folders of modules; the name is empty where it is not known."""
        found: list[tuple[str, str]] = []
        model = cls.extensionsManager()
        if model is not None:
            for name in model.installedExtensions:
                if model.isExtensionEnabled(name):
                    found += [(str(name), str(path)) for path in model.extensionModulePaths(name)]
        manager = slicer.app.moduleManager().factoryManager()
        return found + [("", str(path)) for path in manager.searchPaths]

    @staticmethod
    def extensionsManager() -> Any:
        """The application's extensions manager; None where it was built without one."""
        make = getattr(slicer.app, "extensionsManagerModel", None)
        return make() if make is not None else None

    @staticmethod
    def _real(path: Path) -> Path:
        try:
            return path.resolve()
        except OSError:
            return path
