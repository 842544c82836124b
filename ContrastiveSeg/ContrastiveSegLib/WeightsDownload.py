"""Downloading weights of the catalogue, and deleting them again; needs no widgets."""

from __future__ import annotations

import logging
import shutil
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsFolders import WeightsFolders
from ContrastiveSegLib.WorkerProcess import WorkerProcess

SETTING = "ContrastiveSeg/Manifest"
"""The application setting that names another catalogue."""


class WeightsDownload:
    """Asks, then downloads in a child process; the panel is never blocked.

    Signals: ``listed`` (entries of the catalogue as dictionaries, see
    ``contrastive_seg.weights.child.described``), ``progressed`` (fraction, seconds left or None),
    ``finished`` (name of the weights that are here now), ``failed`` (a sentence), ``changed`` (whether
    something is going on).

    Args:
        command: Program and arguments instead of ``PythonSlicer -m contrastive_seg.weights.child``.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        self.listed, self.progressed = Signal("listed"), Signal("progressed")
        self.finished, self.failed, self.changed = Signal("finished"), Signal("failed"), Signal("changed")
        self._command = command
        self._process: WorkerProcess | None = None
        self._former: WorkerProcess | None = None
        self._name = ""
        self._isCancelled = self._answered = False

    @property
    def isBusy(self) -> bool:
        """Whether the catalogue is being read or weights are being downloaded."""
        return self._process is not None

    @property
    def name(self) -> str:
        """What is being downloaded; empty where nothing is."""
        return self._name

    @property
    def whyNot(self) -> str:
        """Why a download cannot begin, for a button's tooltip; empty where it can."""
        return _("'{name}' is being downloaded.").format(name=self._name) if self._name else ""

    @property
    def isCancelled(self) -> bool:
        """Whether the user has ended what was going on last."""
        return self._isCancelled

    @classmethod
    def needsNetwork(cls) -> bool:
        """Whether reading the catalogue asks a server."""
        from contrastive_seg.weights.catalogue import is_remote

        return is_remote(cls.manifest() or None)

    @staticmethod
    def manifest() -> str:
        """Another catalogue than the extension's own: file, folder or https address; else empty."""
        return str(slicer.app.userSettings().value(SETTING) or "")

    @staticmethod
    def setManifest(place: str) -> None:
        """Chooses another catalogue; empty for the extension's own."""
        slicer.app.userSettings().setValue(SETTING, place.strip())

    def look(self) -> None:
        """Reads the catalogue, which may need the network, and returns at once; see ``listed``.

        Raises:
            UserError: The application's Python cannot be found, or a download is going on.
        """
        self._start(["list"], "")

    def start(self, entry: dict[str, Any], folder: str = "") -> bool:
        """Asks, then begins a download and returns at once.

        Args:
            entry: One that ``listed`` told.
            folder: Take the file from this folder instead of the network.

        Returns:
            Whether the user agreed.

        Raises:
            UserError: The application's Python cannot be found, or a download is going on.
        """
        self._refuseWhileBusy()
        if not slicer.util.confirmYesNoDisplay(
            PlainText.shown(self.question(entry, folder)), _("Download weights")
        ):
            return False
        name = str(entry["id"])
        arguments = ["download", f"{name}@{entry['version']}"]
        if folder:
            arguments += ["--from", folder]
        self._start(arguments, name)
        return True

    @staticmethod
    def question(entry: dict[str, Any], folder: str = "") -> str:
        """What is asked before a download: what, how large, from where, under which licence."""
        where = folder or ", ".join(map(str, entry.get("hosts") or [])) or _("a folder")
        return _(
            "Download the weights '{name}' ({size}) from {where}?\n\nLicence: {licence}\n\n"
            "Nothing of your data is sent. The file is checked before it is used, and can be deleted again."
        ).format(
            name=entry["id"],
            size=WeightsDownload.size(int(entry["size"])),
            where=where,
            licence=entry["licence"],
        )

    @staticmethod
    def size(count: int) -> str:
        """Bytes for a person."""
        if count >= 1e9:
            return _("{number} GB").format(number=f"{count / 1e9:.1f}")
        return _("{number} MB").format(number=f"{max(count / 1e6, 0.1):.1f}")

    def cancel(self) -> None:
        """Ends the download; what was received is kept, and the next one goes on from there."""
        if self._process is not None:
            self._isCancelled = True
            self._process.quit()

    def close(self) -> None:
        """Ends the download with the module or the application."""
        if self._process is not None:
            self._isCancelled = True
            self._process.quit(wait=True, graceSeconds=1.0)

    @staticmethod
    def downloaded() -> list[str]:
        """Names of the weights that were downloaded."""
        from contrastive_seg.weights.removal import downloaded

        return [one.name for one in downloaded(WeightsFolders.store())]

    def deleteDownloaded(self) -> str:
        """Asks, then deletes all weights that were downloaded; a sentence, empty if declined.

        Raises:
            UserError: A file cannot be deleted, or a download is going on.
        """
        from contrastive_seg.errors import ContrastiveSegError
        from contrastive_seg.weights.removal import downloaded, remove, remove_unfinished

        self._refuseWhileBusy()
        store = WeightsFolders.store()
        found = downloaded(store)
        names = ", ".join(one.name for one in found)
        if found and not slicer.util.confirmYesNoDisplay(
            PlainText.shown(_("Delete these downloaded weights: {names}?").format(names=names)),
            _("Delete downloaded weights"),
        ):
            return ""
        try:
            size = remove(found, store).size + remove_unfinished(store)
        except ContrastiveSegError as error:
            raise UserError(error.sentence, error.what_to_do) from error
        if not found and not size:
            return _("There are no downloaded weights.")
        return _("Deleted {names} ({size}).").format(
            names=names or _("what was left unfinished"), size=self.size(size)
        )

    def _refuseWhileBusy(self) -> None:
        if self.isBusy:
            raise UserError(self.whyNot or _("The catalogue is being read."), _("Wait, or press Cancel."))

    def _start(self, arguments: list[str], name: str) -> None:
        self._refuseWhileBusy()
        process = WorkerProcess([*(self._command or self._defaultCommand()), *arguments, *self._options()])
        process.signals["progress"].connect(self._onProgress)
        process.signals["result"].connect(self._onResult)
        process.signals["error"].connect(self._onError)
        process.died.connect(self._onDied)
        process.ended.connect(self._onEnded)
        self._process, self._name = process, name
        self._isCancelled = self._answered = False
        process.start()
        self.changed.emit(True)

    def _options(self) -> list[str]:
        manifest = self.manifest()
        return ["--manifest", manifest] if manifest else []

    @staticmethod
    def _defaultCommand() -> list[str]:
        python = shutil.which("PythonSlicer")
        if python is None:
            raise UserError(
                _("The program PythonSlicer, which downloads, cannot be found."),
                _("Install 3D Slicer again."),
            )
        return [python, "-m", "contrastive_seg.weights.child"]

    def _onProgress(self, event: dict[str, Any]) -> None:
        left = event.get("seconds_left")
        self.progressed.emit(float(event.get("fraction") or 0.0), None if left is None else float(left))

    def _onResult(self, event: dict[str, Any]) -> None:
        self._answered = True
        if event.get("for") == "list":
            self.listed.emit(list(event.get("entries") or []))
        else:
            self.finished.emit(str(event.get("name", "")))

    def _onError(self, event: dict[str, Any]) -> None:
        self._answered = True
        error = event.get("error")
        told = error if isinstance(error, dict) else {}
        if self._isCancelled and told.get("code") == "download-stopped":
            self.failed.emit(_("The download was stopped. What was received is kept for the next time."))
        elif told.get("code") == "weights-exist":  # the engine names an option of its command
            self.failed.emit(f"{told.get('message', '')} " + _("Delete or rename them first."))
        else:
            self.failed.emit(f"{told.get('message', '')} {told.get('what_to_do', '')}".strip())

    def _onDied(self, sentence: str) -> None:
        """Also told when it has ended as it should: nobody has asked it to."""
        if not self._answered:
            log = self._process.recentLog if self._process is not None else ""
            logging.warning("ContrastiveSeg: the download ended: %s\n%s", sentence, log)
            self.failed.emit(_("The download ended unexpectedly. Start it again to go on from where it was."))
            self._answered = True

    def _onEnded(self) -> None:
        if self._isCancelled and not self._answered:
            self.failed.emit(_("The download was stopped. What was received is kept for the next time."))
        self._former = self._process  # it is still sending: destroyed now, it would crash
        self._process, self._name = None, ""
        self.changed.emit(False)
