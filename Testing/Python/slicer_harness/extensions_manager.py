"""``slicer.app.extensionsManagerModel()``, written from qSlicerExtensionsManagerModel's source.

Its server is a dictionary in the test; what it installs is a real archive, which the application's own
vtkArchive lists and unpacks. Answers come through the event loop, never within the call.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PySide6 import QtCore
from PySide6.QtCore import Property, Signal

from slicer_harness.ctk_module import _strict

SHARE = "share/Slicer-5.13"
SCRIPTED = "lib/Slicer-5.13/qt-scripted-modules"
LISTING = "ExtensionsMetadataFromServer.json"


class _ExtensionsManagerModel(QtCore.QObject):
    """Extensions that are installed, and those on the server."""

    updateExtensionsMetadataFromServerCompleted = Signal(bool)
    extensionInstalled = Signal(str)
    activeTasksChanged = Signal()
    installDownloadProgress = Signal(str, "qint64", "qint64")

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._installed: list[str] = []
        self._disabled: set[str] = set()
        self._tasks: list[str] = []
        self._metadata: dict[str, dict[str, str]] = {}
        # the test's: name -> archive and description on the server; None where there is no network
        self._server: dict[str, tuple[Path, str]] | None = None
        self._url = "https://extensions.example"

    def serverUrl(self) -> QtCore.QUrl:
        return QtCore.QUrl(self._url)

    def extensionInstallPath(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def extensionModulePaths(self, name: str) -> list[str]:
        path = self._folder / name / SCRIPTED
        return [str(path)] if path.is_dir() else []  # appendToPathList passes over what is not there

    def isExtensionInstalled(self, name: str) -> bool:
        return name in self._installed

    def isExtensionEnabled(self, name: str) -> bool:
        return name in self._installed and name not in self._disabled

    def updateExtensionsMetadataFromServer(self, force: bool = False, wait: bool = False) -> bool:
        if wait:
            raise AssertionError("this would block the application")
        if not self._url:
            return False
        QtCore.QTimer.singleShot(0, self._answer)
        return True

    def _answer(self) -> None:
        if self._server is None:
            self.updateExtensionsMetadataFromServerCompleted.emit(False)
            return
        self._metadata = {
            name: {"extensionname": name, "extension_id": name, "description": about}
            for name, (_, about) in self._server.items()
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / LISTING).write_text(json.dumps(self._metadata), "utf-8")
        self.updateExtensionsMetadataFromServerCompleted.emit(True)

    def downloadAndInstallExtensionByName(
        self, name: str, dependencies: bool = True, wait: bool = False
    ) -> bool:
        if wait:
            raise AssertionError("this would block the application")
        if self._server is None or name not in self._metadata:
            return False
        self._tasks.append(f"install {name} extension")
        self.activeTasksChanged.emit()
        QtCore.QTimer.singleShot(0, lambda: self._download(name))
        return True

    def _download(self, name: str) -> None:
        archive = (self._server or {}).get(name, (None, ""))[0]
        if archive is not None and archive.is_file():
            size = archive.stat().st_size
            self.installDownloadProgress.emit(name, size // 2, size)
            self.installDownloadProgress.emit(name, size, size)
            self.installExtension(str(archive))
        self._tasks.remove(f"install {name} extension")
        self.activeTasksChanged.emit()

    def installExtension(self, archive: str) -> bool:
        """What *Install from file* does; False, as there, where the archive is not right."""
        import slicer

        names: list[str] = []
        if not slicer.vtkArchive.ListArchive(archive, names):
            return False
        described = next((Path(name) for name in names if name.endswith(".s4ext")), None)
        if described is None or self.isExtensionInstalled(described.stem):
            return False
        target = self._folder / described.stem
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if not slicer.vtkArchive.UnZip(archive, str(target)):
            return False
        top = target / Path(names[0]).parts[0]  # all files are thought to be in one folder
        between = target.with_name(f"{described.stem}-XXXXXX")
        shutil.copytree(top, between)
        shutil.copytree(between, target, dirs_exist_ok=True)
        shutil.rmtree(between)
        shutil.rmtree(top)
        if not (target / SHARE / f"{described.stem}.s4ext").is_file():
            return False
        self._installed = sorted([*self._installed, described.stem])
        self.extensionInstalled.emit(described.stem)
        return True

    installedExtensions = Property("QStringList", lambda self: self._installed)
    activeTasks = Property("QStringList", lambda self: self._tasks)


ExtensionsManagerModel = _strict(_ExtensionsManagerModel, "qSlicerExtensionsManagerModel")
