"""The part of the panel with all weights, and the export of what was learnt."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.ChecksumTimer import ChecksumTimer
from ContrastiveSegLib.CommandProcess import CommandProcess
from ContrastiveSegLib.FileQuestions import FileQuestions
from ContrastiveSegLib.ModelDetails import ModelDetails
from ContrastiveSegLib.Panels.ModelsTable import ModelsTable
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsFolders import WeightsFolders

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel


class ModelsSection(Section):
    """Lists every source's weights with what their cards say; imports, deletes, and shows their folder.

    Signals: ``changed`` when the list or the chosen weights are others.

    Attributes:
        offers: What can be downloaded; :meth:`fill` puts it into the list.
        hasDownloaded: Whether weights were downloaded, or parts of them.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.questions = FileQuestions()
        self.changed = Signal("changed")
        self.offers: list[Any] = []
        self.hasDownloaded, self._isSeen = False, True
        self.checking = ChecksumTimer(self._show)
        self._resolver: Any = None
        self._import: CommandProcess | None = None
        # here and not in the .ui file, where the contents do not exist yet when it is read
        self.ui.modelsCollapsibleButton.collapsed = True
        self.table = ModelsTable(self.ui.modelsTable)
        for widget, signal, function in self._connections():
            widget.connect(signal, function)
        self.say("")

    def _connections(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.modelsCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.modelsTable, "itemSelectionChanged()", self._showDetails),
            (ui.importModelButton, "clicked(bool)", self._onImport),
            (ui.deleteModelButton, "clicked(bool)", self._onDelete),
            (ui.openModelsFolderButton, "clicked(bool)", self._onOpenFolder),
            (ui.chooseModelsFolderButton, "clicked(bool)", self._onChooseFolder),
        ]

    def enter(self) -> None:
        """Looks which weights there are; not while nobody sees the list."""
        self._isSeen = True
        if not self.ui.modelsCollapsibleButton.collapsed:
            self.fill()

    def exit(self) -> None:
        """No file is read for a panel that nobody sees."""
        self._isSeen = False
        self.checking.stop()

    def close(self) -> None:
        """Lets go of the widgets and ends an import."""
        self.checking.stop()
        for widget, signal, function in self._connections():
            widget.disconnect(signal, function)
        process, self._import = self._import, None
        if process is not None:
            process.quit(wait=True, graceSeconds=1.0)

    def say(self, sentence: str, isWarning: bool = False) -> None:
        """Puts a sentence under the buttons."""
        label = self.ui.modelsStatusLabel
        label.text, label.visible = sentence, bool(sentence)
        label.styleSheet = WARNING if isWarning else ""

    @property
    def entries(self) -> list[Any]:
        """All weights, as the list shows them."""
        return self.table.entries

    @property
    def chosen(self) -> Any:
        """The chosen weights; None without any."""
        return self.table.chosen

    def fill(self, choose: str = "") -> None:
        """Reads all cards again, and begins to check the files.

        Args:
            choose: Name of weights to choose; those chosen now stay so otherwise.
        """
        from contrastive_seg.weights.removal import has_unfinished, is_downloaded
        from contrastive_seg.weights.resolver import Resolver
        from contrastive_seg.weights.store import StoredWeights

        self.checking.stop()  # and keeps what it has found
        store = WeightsFolders.store()
        self._resolver = Resolver(store, self.offers)
        self._show(choose)
        own = [StoredWeights(one.path, one.card) for one in self.entries if one.source.kind == "user"]
        self.hasDownloaded = any(is_downloaded(one) for one in own) or has_unfinished(store)
        if self._isSeen and not self.ui.modelsCollapsibleButton.collapsed:
            self.checking.start(self._resolver.checksums, self.entries)
        self._showDetails()

    def _show(self, choose: str = "") -> None:
        if self._resolver is not None:
            self.table.show(self._resolver.entries(), choose)
        self._showDetails()

    def update(self) -> None:
        """Enables what can be used, and says why the rest cannot."""
        ui, whyNot = self.ui, self._whyNotDelete()
        busy = _("Weights are being taken in.") if self._import is not None else ""
        self.allow(ui.deleteModelButton, busy or whyNot, _("Deletes the chosen weights, after asking."))
        self.allow(
            ui.importModelButton,
            busy,
            _("Takes in a file of weights with its card (.zip, or .safetensors with .card.json beside it)."),
        )
        folder = str(WeightsFolders.user())
        self.allow(
            ui.openModelsFolderButton, "", _("Shows '{folder}' in the file browser.").format(folder=folder)
        )
        self.allow(
            ui.chooseModelsFolderButton,
            WeightsFolders.whyNotChoose() or self._whyNotNow(),
            _("Weights of your own are in '{folder}'. Takes another folder; nothing is moved.").format(
                folder=folder
            ),
        )

    def _whyNotNow(self) -> str:
        """The worker finds another folder only when it is started again."""
        if self.panel.learning.machine.state.isBusy:
            return _("Wait until the learning has finished, or press Stop.")
        return ""

    def _whyNotDelete(self) -> str:
        chosen = self.chosen
        if chosen is None:
            return _("Choose weights in the list.")
        if not chosen.is_here:
            return _("These weights are not on this computer.")
        return "" if chosen.source.kind == "user" else _("Only weights of your own can be deleted.")

    def _showDetails(self) -> None:
        chosen, text = self.chosen, ""
        if chosen is not None:
            text = ModelDetails(chosen, self.entries).text(self.checking.isBusy)
        self.ui.modelDetailsLabel.text = text
        self.ui.modelDetailsLabel.visible = bool(text)
        self.update()
        self.changed.emit()

    def _onCollapsed(self, isCollapsed: bool) -> None:
        if isCollapsed:
            self.checking.stop()
        else:
            self.fill()

    @contextlib.contextmanager
    def _told(self) -> Any:
        """For what buttons do: what users can put right stands under the buttons."""
        with slicer.util.tryWithErrorDisplay(_("ContrastiveSeg failed."), show=True):
            try:
                yield
            except UserError as error:
                self.say(str(error), isWarning=True)
        self.update()

    def _onImport(self, checked: bool = False) -> None:
        with self._told():
            name = self.questions.openFile(
                _("Import weights"), _("Weights (*.zip *.safetensors *.card.json);;All files (*)")
            )
            if name:
                self.takeIn(name)

    def takeIn(self, name: str, overwrite: bool = False) -> None:
        """Imports a file of weights in a child process, as it is read and checked as a whole.

        Raises:
            UserError: The application's Python cannot be found.
        """
        arguments = ["weights", "import", name, *(["--overwrite"] if overwrite else [])]
        process = CommandProcess(arguments)
        process.finished.connect(self._onImported)
        process.failed.connect(lambda sentence, code: self._onNotImported(name, sentence, code))
        self._import = process
        process.start()
        self.say(_("Checking and copying '{file}' ...").format(file=Path(name).name))
        self.update()

    def _onImported(self, event: dict[str, Any]) -> None:
        self._import = None
        self.say(_("The weights '{name}' are among your own now.").format(name=event.get("name")))
        self.fill(str(event.get("name") or ""))
        self.panel.weights.fill()

    def _onNotImported(self, name: str, sentence: str, code: str) -> None:
        self._import = None
        question = _("There are other weights of that name among your own. Replace them?")
        if code == "weights-exist":
            if slicer.util.confirmYesNoDisplay(question, _("Import weights")):
                with self._told():
                    self.takeIn(name, overwrite=True)
                return
            sentence = _("Nothing was imported; the weights of that name are as they were.")
        self.say(sentence, isWarning=True)
        self.update()

    def _onDelete(self, checked: bool = False) -> None:
        with self._told():
            chosen = self.chosen
            if chosen is None or self._whyNotDelete():
                return
            name = str(chosen.name)
            question = _("Delete the weights '{name}' from this computer? This cannot be undone.")
            if slicer.util.confirmYesNoDisplay(
                PlainText.shown(question.format(name=name)), _("Delete weights")
            ):
                self.checking.stop()  # Windows deletes no open file
                self._remove(chosen)
                self.say(_("The weights '{name}' are deleted.").format(name=name))
                self.fill()
                self.panel.weights.fill()

    @staticmethod
    def _remove(entry: Any) -> None:
        from contrastive_seg.errors import ContrastiveSegError
        from contrastive_seg.weights.removal import remove
        from contrastive_seg.weights.store import StoredWeights

        try:
            remove([StoredWeights(entry.path, entry.card)], WeightsFolders.store())
        except ContrastiveSegError as error:
            raise UserError(error.sentence, error.what_to_do) from error

    def _onOpenFolder(self, checked: bool = False) -> None:
        with self._told():
            folder = WeightsFolders.user()
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    _("The folder '{path}' cannot be made ({reason}).").format(
                        path=folder, reason=error.strerror or error
                    ),
                    _("Choose another folder."),
                ) from error
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def _onChooseFolder(self, checked: bool = False) -> None:
        with self._told():
            folder = self.questions.folder(_("Folder of your own weights"), WeightsFolders.user())
            if folder:
                WeightsFolders.choose(folder)
                self.panel.learning.worker.quit()  # the next one looks in the new folder
                self.say(_("Weights of your own are looked for in '{folder}' now.").format(folder=folder))
                self.fill()
                self.panel.weights.fill()


WARNING = "background: #fdecea; color: #611a15; border-radius: 3px; padding: 4px;"
"""Style of a label that says what went wrong; readable in light and dark themes."""
