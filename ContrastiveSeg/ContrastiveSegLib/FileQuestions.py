"""Dialogs that ask for files, folders and names."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer.util


class FileQuestions:
    """Each returns an empty text where the user has changed their mind."""

    @staticmethod
    def openFile(title: str, kinds: str, folder: Path | None = None) -> str:
        """A file that is there.

        Args:
            title: Of the dialog.
            kinds: Such as ``Weights (*.zip)``.
            folder: Where to begin.
        """
        return str(
            qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, str(folder or ""), kinds) or ""
        )

    @staticmethod
    def folder(title: str, folder: Path | None = None) -> str:
        """A folder that is there."""
        return str(
            qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, str(folder or "")) or ""
        )

    @staticmethod
    def newFolder(title: str, folder: Path | None = None) -> str:
        """A folder that is not there yet."""
        return str(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, str(folder or "")) or "")

    @staticmethod
    def newFile(title: str, kinds: str, path: Path) -> str:
        """A file to be written; the dialog asks before one that is there is replaced.

        Args:
            title: Of the dialog.
            kinds: Such as ``Web pages (*.html)``.
            path: What it proposes.
        """
        return str(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, str(path), kinds) or "")

    @staticmethod
    def name(title: str, label: str, former: str) -> str:
        """A line of text.

        Args:
            title: Of the dialog.
            label: What it asks for.
            former: What it proposes.
        """
        found = qt.QInputDialog.getText(slicer.util.mainWindow(), title, label, qt.QLineEdit.Normal, former)
        text, isGiven = found if isinstance(found, tuple) else (found, True)  # as Qt's bindings differ
        return str(text or "").strip() if isGiven else ""
