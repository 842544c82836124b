"""Folders for what is needed only while other patients are segmented."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path

import slicer

from ContrastiveSegLib.RunFolder import RunFolder

_NAME = re.compile(r"ContrastiveSeg-(\d+)-[0-9a-f]{32}")


class WorkFolder:
    """One folder for each batch, below the application's temporary one; it holds images of patients.

    Its name begins with the number of this process: an application that was ended from outside leaves
    its folders behind, and the next one removes them.
    """

    @classmethod
    def make(cls) -> Path:
        """A new folder.

        Raises:
            UserError: It cannot be made.
        """
        cls.removeForgotten()
        path = cls._root() / f"ContrastiveSeg-{os.getpid()}-{uuid.uuid4().hex}"
        return RunFolder(path).create().path

    @classmethod
    def removeForgotten(cls) -> None:
        """Removes folders of applications that run no longer."""
        try:
            import psutil  # comes with the engine's packages
        except ImportError:
            return
        for path in cls._root().glob("ContrastiveSeg-*"):
            found = _NAME.fullmatch(path.name)
            if found and not psutil.pid_exists(int(found[1])):
                shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def _root() -> Path:
        return Path(slicer.app.temporaryPath)
