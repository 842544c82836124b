"""The volume that the module is tried on."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.SetUp.ConsoleProcess import ConsoleProcess
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError

NAME = "MRHead"
FILE = "MR-head.nrrd"
SHA256 = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
_CATEGORY = "ContrastiveSeg"
_DOWNLOAD = Path(__file__).resolve().parent / "Download.py"
_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)$")
_NO_NETWORK = re.compile(
    r"getaddrinfo|Name or service|name resolution|unreachable|timed out|refused|reset|No route|nodename", re.I
)


class SampleVolume:
    """MRHead, a head MRI that every 3D Slicer offers as sample data.

    It lies in the cache that the module Sample Data uses, so that it is downloaded only once. Signals:
    ``progressed`` (bytes, bytes in all), ``finished`` (the file), ``failed`` (a UserError).

    Args:
        address: Where it is; None for 3D Slicer's own data store.
        sha256: Its checksum.
        python: The Python program that downloads; None for the application's.
    """

    def __init__(self, address: str | None = None, sha256: str = SHA256, python: str | None = None) -> None:
        self.progressed, self.finished, self.failed = (
            Signal("progressed"),
            Signal("finished"),
            Signal("failed"),
        )
        self._address, self._sha256, self._python = address, sha256, python
        self._process = ConsoleProcess()
        self._process.line.connect(self._onLine)
        self._process.ended.connect(self._onEnded)
        self._lines: list[str] = []
        self._stopped = False

    @staticmethod
    def register(thumbnail: str) -> None:
        """Offers it in the module Sample Data, too, under the name of this module.

        Args:
            thumbnail: A picture of it.
        """
        try:
            import SampleData
        except ImportError:  # an application without this module
            return
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=_CATEGORY,
            sampleName="ContrastiveSeg MRHead",
            uris=_slicersAddress(),
            fileNames=FILE,
            nodeNames=NAME,
            checksums=f"SHA256:{SHA256}",
            loadFileTypes="VolumeFile",
            thumbnailFileName=thumbnail,
        )

    @property
    def isRunning(self) -> bool:
        return self._process.isRunning

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        manager = slicer.mrmlScene.GetCacheManager()
        folder = manager.GetRemoteCacheDirectory() if manager is not None else slicer.app.temporaryPath
        return Path(folder) / FILE

    def isThere(self) -> bool:
        """Whether it was downloaded before, and is whole."""
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() == self._sha256
        except OSError:
            return False

    def start(self) -> None:
        """Begins the download and returns at once.

        Raises:
            UserError: The application's Python cannot be found.
        """
        python = self._python or shutil.which("PythonSlicer")
        if python is None:
            raise UserError(_("The program PythonSlicer cannot be found."), _("Install 3D Slicer again."))
        self._lines, self._stopped = [], False
        address = self._address or _slicersAddress()
        self._process.start([python, str(_DOWNLOAD), address, str(self.path), self._sha256])

    def stop(self, wait: bool = False) -> None:
        """Ends the download; nothing of it is left."""
        self._stopped = True
        self._process.kill(wait=wait)
        for part in self.path.parent.glob(f"{FILE}.*.part"):
            part.unlink(missing_ok=True)

    @staticmethod
    def load(path: Path) -> Any:
        """Loads it into the scene.

        Raises:
            UserError: It cannot be read.
        """
        try:
            node = slicer.util.loadVolume(str(path), {"name": NAME})
        except RuntimeError as error:
            raise UserError(_("The sample volume cannot be read ({reason}).").format(reason=error)) from error
        return node

    def _onLine(self, line: str) -> None:
        progress = _PROGRESS.match(line)
        if progress:
            self.progressed.emit(int(progress[1]), int(progress[2]))
        else:
            self._lines.append(line)

    def _onEnded(self, code: int, wasKilled: bool) -> None:
        if self._stopped:
            self.failed.emit(UserError(_("The download was stopped.")))
        elif code == 0 and self.path.is_file():
            self.finished.emit(self.path)
        else:
            self.failed.emit(self._explained())

    def _explained(self) -> UserError:
        last = (self._lines or [_("it ended without a word")])[-1].removeprefix("ERROR: ")
        instead = _("Load a volume of your own with Add Data, or try again later.")
        if "407" in last:
            sentence = _("The sample volume cannot be downloaded: the proxy asks for a password (407).")
        elif "checksum" in last:
            sentence = _("The sample volume arrived damaged and was not kept.")
        elif _NO_NETWORK.search(last):
            sentence = _("The sample volume cannot be downloaded: there is no connection to the internet.")
        else:
            sentence = _("The sample volume cannot be downloaded ({reason}).").format(reason=last[:150])
        return UserError(sentence, instead)


def _slicersAddress() -> str:
    return f"{slicer.util.TESTING_DATA_URL}SHA256/{SHA256}"
