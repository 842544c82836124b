"""Questions to the process that segments other patients, and its answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import qt

from ContrastiveSegLib.PatientCase import PatientCase
from ContrastiveSegLib.PatientProcess import PatientProcess
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WorkerProcess import WorkerProcess

_IDLE_MS = 120_000


class PatientChannel:
    """Starts the process when it is needed, lets it load what was learnt, and ends it when it is not.

    Signals: ``ready`` (what was learnt is loaded), ``answered`` (what was asked, the case or None, the
    answer), ``refused`` (likewise, with an error), ``progressed`` (the case, the event), ``died`` (a
    sentence, the cases it was at), ``unable`` (a sentence: it cannot even be started).

    Args:
        process: Another process than the application's own, for tests.
    """

    def __init__(self, process: WorkerProcess | None = None) -> None:
        self.process = process or PatientProcess()
        self.ready, self.answered, self.refused = Signal("ready"), Signal("answered"), Signal("refused")
        self.progressed, self.died, self.unable = Signal("progressed"), Signal("died"), Signal("unable")
        self.isReady = False
        self._begin: dict[str, Any] = {}
        self._asked: dict[int, tuple[str, PatientCase | None]] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._idle = qt.QTimer()
        self._idle.setSingleShot(True)
        self._idle.setInterval(_IDLE_MS)
        self._idle.connect("timeout()", self._onIdle)
        self.process.signals["progress"].connect(self._onProgress)
        self.process.signals["note"].connect(self._onNote)
        self.process.signals["result"].connect(self._onResult)
        self.process.signals["error"].connect(self._onError)
        self.process.died.connect(self._onDied)

    @property
    def isBusy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._asked)

    def begin(self, message: dict[str, Any]) -> None:
        """Loads a run: now, and again whenever the process has to be started anew.

        Args:
            message: Fields of the command ``begin``.
        """
        self._begin, self.isReady = message, False
        self._afterwards.clear()
        self.need()

    def need(self) -> None:
        """Says ``ready`` as soon as the process is."""
        self._idle.stop()
        if self.process.isRunning and self.isReady:
            self.ready.emit()
            return
        self.isReady = False
        try:
            self.process.start()
        except UserError as error:
            self.unable.emit(str(error))
            return
        self.send("begin", None, **self._begin)

    def later(self, action: Callable[[], None]) -> None:
        """Does something as soon as the process is ready for it."""
        if self.process.isRunning and self.isReady:
            action()
            return
        self._afterwards.append(action)
        if not any(what == "begin" for what, _case in self._asked.values()):
            self.need()

    def send(self, what: str, about: PatientCase | None, /, **arguments: Any) -> None:
        """Asks something; the answer comes with ``answered`` or ``refused``."""
        self._idle.stop()
        self._asked[self.process.send(what, **arguments)] = (what, about)

    def rest(self) -> None:
        """Nothing more is needed for now: the process ends after a while."""
        self._idle.start()

    def end(self, wait: bool = False) -> None:
        """Ends the process; answers that come later are not heard."""
        self._idle.stop()
        self._asked.clear()
        self._afterwards.clear()
        self.isReady = False
        self.process.quit(wait=wait, graceSeconds=2.0)

    def _onIdle(self) -> None:
        if not self._asked:
            self.end()

    def _onProgress(self, event: dict[str, Any]) -> None:
        what, case = self._asked.get(event.get("reply_to") or 0, ("", None))
        if what == "segment" and case is not None:
            self.progressed.emit(case, event)

    def _onNote(self, event: dict[str, Any]) -> None:
        logging.info("ContrastiveSeg: %s", event.get("message", ""))

    def _onResult(self, event: dict[str, Any]) -> None:
        what, case = self._asked.pop(event.get("reply_to") or 0, ("", None))
        if not what:
            return
        if what == "begin":
            self.isReady = True
        self.answered.emit(what, case, event)
        if what == "begin":
            waiting, self._afterwards = self._afterwards, []
            for action in waiting:
                action()
            self.ready.emit()

    def _onError(self, event: dict[str, Any]) -> None:
        what, case = self._asked.pop(event.get("reply_to") or 0, ("", None))
        if what or event.get("code") == "bad-installation":
            self.refused.emit(what or "begin", case, event)

    def _onDied(self, sentence: str) -> None:
        logging.warning("ContrastiveSeg: %s\n%s", sentence, self.process.recentLog)
        self.isReady = False
        at = [case for what, case in self._asked.values() if what == "segment" and case is not None]
        self._asked.clear()
        self._afterwards.clear()
        self.died.emit(sentence, at)
