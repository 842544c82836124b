"""Extensions that hold weights, from the application's extension server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.SourceWords import PREFIX
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsFolders import WeightsFolders

_LISTING = "ExtensionsMetadataFromServer.json"
_PATIENCE_MS = 60_000


@dataclass(frozen=True)
class OfferedExtension:
    """An extension that can be installed.

    Attributes:
        name: Of the extension.
        description: What its makers say about it.
    """

    name: str
    description: str


class WeightsExtensions:
    """Asks the Extensions Manager for weights and has it install them, without waiting.

    Signals: ``found`` with a list of :class:`OfferedExtension`, ``installed`` with a name, ``progressed``
    with a name and a fraction, ``failed`` with a sentence for the user.

    Args:
        manager: The application's ``extensionsManagerModel()``; None for the running application's.
    """

    def __init__(self, manager: Any = None) -> None:
        self.found, self.installed = Signal("found"), Signal("installed")
        self.progressed, self.failed = Signal("progressed"), Signal("failed")
        self._manager = manager or WeightsFolders.extensionsManager()
        self._looking = False
        self._installing = ""
        self._starting = False
        self._patience = qt.QTimer()
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.connect("timeout()", self._onPatienceEnded)
        for signal, function in self._connections():
            self._manager.connect(signal, function)

    def _connections(self) -> list[tuple[str, Any]]:
        if self._manager is None:
            return []
        return [
            ("updateExtensionsMetadataFromServerCompleted(bool)", self._onListed),
            ("extensionInstalled(QString)", self._onInstalled),
            ("activeTasksChanged()", self._onTasks),
            ("installDownloadProgress(QString,qint64,qint64)", self._onProgress),
        ]

    def close(self) -> None:
        """Lets go of the Extensions Manager."""
        self._patience.stop()
        for signal, function in self._connections():
            self._manager.disconnect(signal, function)
        self._manager = None

    @property
    def isBusy(self) -> bool:
        """Whether an answer is awaited."""
        return self._looking or bool(self._installing)

    def whyNot(self) -> str:
        """Why nothing can be asked now; empty where it can."""
        if self._manager is None:
            return _(
                "This 3D Slicer has no Extensions Manager. Copy weights with their card into '{folder}'."
            ).format(folder=WeightsFolders.user())
        if self._installing:
            return _("{name} is being installed.").format(name=self._installing)
        if self._looking:
            return _("The extension server is being asked.")
        return ""

    def lookUp(self) -> None:
        """Asks the server; ``found`` or ``failed`` follows.

        Raises:
            UserError: There is no Extensions Manager, or it is busy.
        """
        reason = self.whyNot()
        if reason:
            raise UserError(reason)
        self._looking = True
        self._patience.start()
        if not self._manager.updateExtensionsMetadataFromServer(True, False):
            self._fail(_("No extension server is set in this 3D Slicer."))

    def install(self, offer: OfferedExtension) -> bool:
        """Asks the user and has the extension installed; ``installed`` or ``failed`` follows.

        Returns:
            Whether the user has agreed.

        Raises:
            UserError: There is no Extensions Manager, or it is busy.
        """
        reason = self.whyNot()
        if reason:
            raise UserError(reason)
        if not slicer.util.confirmOkCancelDisplay(self.question(offer), _("Get more weights")):
            return False
        self._installing = offer.name
        self._patience.start()
        self._starting = True
        try:
            started = self._manager.downloadAndInstallExtensionByName(offer.name, True, False)
        finally:
            self._starting = False
        if not started and self._installing:
            self._fail(_("The download of {name} could not be started.").format(name=offer.name))
        return True

    def question(self, offer: OfferedExtension) -> str:
        """What the user agrees to."""
        server = self._manager.serverUrl().host() if self._manager is not None else ""
        return _(
            "Download and install the extension {name} from {server}?\n\n{description}\n\n"
            "Only the extension is downloaded; nothing of your data is sent. The Extensions Manager can "
            "remove it again."
        ).format(
            name=offer.name,
            server=server or _("the extension server"),
            description=offer.description or _("Its makers give no description."),
        )

    def _onListed(self, success: bool) -> None:
        if not self._looking:
            return  # somebody else has asked
        if not success:
            self._fail(_("The extension server cannot be reached."))
            return
        offers = self._offers()
        if offers is None:
            self._fail(_("The answer of the extension server cannot be read."))
            return
        self._looking = False
        self._patience.stop()
        self.found.emit(offers)

    def _offers(self) -> list[OfferedExtension] | None:
        """Weights extensions on the server that are not installed; None without a readable answer.

        The Extensions Manager tells of an extension only by its name; the names stand in the answer
        that it keeps as a file.
        """
        try:
            path = Path(str(self._manager.extensionInstallPath(_LISTING)))
            listed = dict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        names = sorted(name for name in listed if name.startswith(PREFIX))
        return [
            OfferedExtension(name, self._plain(listed[name]))
            for name in names
            if not self._manager.isExtensionInstalled(name)
        ]

    @staticmethod
    def _plain(about: Any) -> str:
        """The description without the tags that it may have."""
        text = about.get("description") if isinstance(about, dict) else ""
        return " ".join(re.sub(r"<[^>]*>", " ", str(text or "")).split())

    def _onInstalled(self, name: str) -> None:
        if str(name) == self._installing:
            self._installing = ""
            self._patience.stop()
        if str(name).startswith(PREFIX):
            self.installed.emit(str(name))

    def _onTasks(self) -> None:
        ended = self._installing and not self._starting and not self._manager.activeTasks
        if ended and not self._manager.isExtensionInstalled(self._installing):
            self._fail(_("{name} could not be installed.").format(name=self._installing))

    def _onProgress(self, name: str, received: int, total: int) -> None:
        if str(name) == self._installing:
            self._patience.start()  # it goes on
            self.progressed.emit(str(name), received / total if total > 0 else 0.0)

    def _onPatienceEnded(self) -> None:
        self._fail(_("The extension server does not answer."))

    def _fail(self, sentence: str) -> None:
        self._looking, self._installing = False, ""
        self._patience.stop()
        self.failed.emit(f"{sentence} {self._withoutServer()}")

    @staticmethod
    def _withoutServer() -> str:
        return _(
            "Without network, install the extension from a file in the Extensions Manager, or copy weights "
            "with their card into '{folder}'."
        ).format(folder=WeightsFolders.user())
