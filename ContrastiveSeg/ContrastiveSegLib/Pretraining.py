"""Pretraining on the user's own volumes, in a child process; needs no widgets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.CommandProcess import CommandProcess
from ContrastiveSegLib.OneCommand import OneCommand
from ContrastiveSegLib.PretrainingFolder import PretrainingFolder
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsFolders import WeightsFolders

_NAME = re.compile(r"\w(?:[\w .+-]{0,98}[\w+])?")  # as the weights' cards have it; it names a folder, too


class Pretraining(OneCommand):
    """One pretraining at a time, independent of scenes and segmentations.

    Signals: ``changed`` when one begins, is being stopped, or ends; ``progressed`` (fraction, seconds
    left or None); ``measured`` (an event with ``step``, ``loss`` and now and then ``effective_rank``);
    ``said`` (a sentence); ``stored`` (name of weights that are among the user's own now).
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed, self.progressed = Signal("changed"), Signal("progressed")
        self.measured = Signal("measured")
        self.said, self.stored = Signal("said"), Signal("stored")
        self.extra: list[str] = []  # further arguments of the command line, for scripts and tests
        self.hasFailed = self.hasCollapsed = self.isStopping = self._hasBegun = False
        self._folder: PretrainingFolder | None = None

    @staticmethod
    def interrupted() -> dict[str, Any]:
        """What the user had chosen for a pretraining that can be gone on with; empty for none."""
        folder = PretrainingFolder.interrupted()
        return folder.choices() if folder is not None else {}

    @staticmethod
    def whyNot(choices: dict[str, Any]) -> str:
        """Why a pretraining cannot begin with these choices; empty where it can."""
        folder, name = str(choices.get("data", "")), str(choices.get("name", ""))
        if not folder:
            return _("Choose a folder with volumes.")
        if not Path(folder).is_dir():
            return _("There is no folder '{folder}'.").format(folder=folder)
        if not name:
            return _("Give the new weights a name.")
        if not _NAME.fullmatch(name):
            return _("The name may have letters, digits, spaces and . + - _ only.")
        return ""

    def start(self, choices: dict[str, Any]) -> None:
        """Begins and returns at once.

        Args:
            choices: ``data`` (folder of volumes), ``name``, ``method``, ``modality``, ``anatomy``,
                ``licence``, ``minutes``.

        Raises:
            UserError: Something is missing, or a folder cannot be made.
        """
        reason = self.whyNot(choices)
        if reason:
            raise UserError(reason)
        name = str(choices["name"])
        folder = PretrainingFolder.of(name)
        taken = WeightsFolders.user() / f"{name}.safetensors"
        if taken.exists():
            raise UserError(
                _("There are weights called '{name}' already.").format(name=name),
                _("Choose another name, or delete them first."),
            )
        self._refuseWhileBusy()
        folder.begin({**choices, "extra": self.extra})
        self._run(folder, choices, resume=False)

    def resume(self) -> None:
        """Goes on with the one that was interrupted; returns at once.

        Raises:
            UserError: There is none, or one is going on.
        """
        self._refuseWhileBusy()
        folder = PretrainingFolder.interrupted()
        if folder is None:
            raise UserError(_("There is no pretraining to go on with."), _("Begin one."))
        self._run(folder, folder.choices(), resume=True)

    def discard(self) -> None:
        """Deletes what an interrupted pretraining could go on from; weights that were made stay."""
        folder = PretrainingFolder.interrupted()
        if folder is not None and not self.isBusy:
            folder.remove()
            self.changed.emit()

    def stop(self) -> None:
        """Asks it to end; checkpoint and weights are kept. Returns at once."""
        if self._process is not None and not self.isStopping:
            self.isStopping = True
            self._process.stop()
            self.said.emit(_("Stopping; what has been learnt so far is kept."))
            self.changed.emit()

    def close(self) -> None:
        """Ends the child; for the end of the module. The next time it can be resumed."""
        process, self._process = self._process, None
        if process is not None:
            process.quit(wait=True, graceSeconds=2.0)

    def _refuseWhileBusy(self) -> None:
        if self._process is not None:
            raise UserError(_("A pretraining is going on."), _("Press Stop first."))

    def _run(self, folder: PretrainingFolder, choices: dict[str, Any], resume: bool) -> None:
        arguments = ["pretrain", "--output", str(folder.path), "--into-store"]
        for name in ("data", "name", "method", "modality", "anatomy", "licence"):
            text = str(choices.get(name) or "").strip()
            if text:
                arguments.append(f"--{name}={text}")  # a text may begin with a dash
        extra = [str(one) for one in choices.get("extra") or []] or self.extra
        if "--steps" not in extra:
            arguments.append(f"--minutes={float(choices.get('minutes') or 30):g}")
        process = CommandProcess([*arguments, *extra, *(["--resume"] if resume else [])])
        process.signals["progress"].connect(self._onProgress)
        process.signals["metric"].connect(self.measured.emit)
        process.signals["note"].connect(self._onNote)
        process.finished.connect(self._onFinished)
        process.failed.connect(self._onFailed)
        self._process, self._folder = process, folder
        self.hasFailed = self.hasCollapsed = self.isStopping = self._hasBegun = False
        process.start()
        self.said.emit(
            _("Going on from where it was interrupted.") if resume else _("Reading the volumes ...")
        )
        self.changed.emit()

    def _onProgress(self, event: dict[str, Any]) -> None:
        left = event.get("seconds_left")
        if event.get("stage") != "reading" and not self._hasBegun:
            self._hasBegun = True
            if not self.isStopping:
                self.said.emit(_("Learning what the images look like."))
        self.progressed.emit(float(event.get("fraction") or 0.0), None if left is None else float(left))

    def _onNote(self, event: dict[str, Any]) -> None:
        if event.get("code") == "collapse":
            self.hasCollapsed = True
            self.changed.emit()
        self.said.emit(str(event.get("message", "")))

    def _onFinished(self, event: dict[str, Any]) -> None:
        self._process, self.isStopping = None, False
        name = str(event.get("name") or "")
        if event.get("complete"):
            if self._folder is not None:
                self._folder.remove()
            words = _("Finished. The weights '{name}' can be chosen under Start from.")
        elif name:
            words = _("Stopped. The weights '{name}' are kept as they are by now; Resume goes on.")
        else:
            words = _("Stopped before anything was learnt.")
            if self._folder is not None and not self._folder.hasCheckpoint():
                self._folder.remove()
        skipped = len(event.get("skipped") or [])
        if skipped:
            words += " " + _("{count} volumes could not be used.").format(count=skipped)
        if self.hasCollapsed and name:
            words += " " + _("They are hardly better than none: all images look nearly alike to the network.")
        self.said.emit(words.format(name=name))
        if name:
            self.stored.emit(name)
        self.changed.emit()

    def _onFailed(self, sentence: str, code: str) -> None:
        self._process, self.isStopping, self.hasFailed = None, False, True
        if not code and self._folder is not None and self._folder.hasCheckpoint():
            sentence += " " + _("Press Resume to go on from where it was.")
        self.said.emit(sentence)
        self.changed.emit()
