"""The list of all weights, where each comes from, and more of them from the extension server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.ChecksumTimer import ChecksumTimer
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.SourceWords import SourceWords
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsChoice import WeightsChoice
from ContrastiveSegLib.WeightsExtensions import OfferedExtension, WeightsExtensions
from ContrastiveSegLib.WeightsFolders import WeightsFolders
from ContrastiveSegLib.Words import Words

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_ROW = 24
"""Height of a row in pixels."""


class WeightsLibrarySection(Section):
    """Shows every source's weights in one list, and installs extensions that hold further ones.

    Args:
        panel: Whose part it is.
        extensions: Where further weights come from; None for the application's Extensions Manager.
    """

    def __init__(self, panel: Panel, extensions: WeightsExtensions | None = None) -> None:
        super().__init__(panel)
        self.entries: list[Any] = []
        self.offers: list[OfferedExtension] = []
        self._resolver: Any = None
        self.checking = ChecksumTimer(self._showRows)
        self.extensions = extensions or WeightsExtensions()
        self.extensions.found.connect(self._onFound)
        self.extensions.installed.connect(self._onInstalled)
        self.extensions.progressed.connect(self._onProgressed)
        self.extensions.failed.connect(self._say)
        table = self.ui.weightsTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Weights"), _("Version"), _("From")])
        header = table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(2, qt.QHeaderView.Stretch)
        table.verticalHeader().setDefaultSectionSize(_ROW)
        for widget, signal, function in self._widgets():
            widget.connect(signal, function)
        self._say("")

    def _widgets(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.weightsLibraryCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.weightsTable, "itemSelectionChanged()", self._showDetails),
            (ui.moreWeightsButton, "clicked(bool)", self._onMore),
            (ui.installWeightsButton, "clicked(bool)", self._onInstall),
        ]

    def enter(self) -> None:
        """Looks which weights there are."""
        if not self.ui.weightsLibraryCollapsibleButton.collapsed:
            self.fill()

    def exit(self) -> None:
        """Nothing is read for a panel that nobody sees."""
        self.checking.stop()

    def close(self) -> None:
        """Lets go of the widgets and of the Extensions Manager."""
        self.checking.stop()
        for widget, signal, function in self._widgets():
            widget.disconnect(signal, function)
        self.extensions.close()

    def update(self) -> None:
        """Shows what can be done now."""
        reason = self.extensions.whyNot()
        more, install = self.ui.moreWeightsButton, self.ui.installWeightsButton
        more.enabled = not reason
        more.toolTip = reason or _("Asks the extension server of 3D Slicer which weights it has.")
        offer = self._chosenOffer()
        install.visible = bool(self.offers)
        install.enabled = offer is not None and not reason
        if offer is None:
            reason = reason or _("Choose weights in the list that are not installed yet.")
        install.toolTip = reason or _("Asks before anything is downloaded.")

    def fill(self) -> None:
        """Reads all cards again, and begins to check the files."""
        from contrastive_seg.weights.resolver import Resolver

        self._resolver = Resolver(WeightsFolders.store())
        self._showRows()
        self.checking.start(self._resolver.checksums, self.entries)

    def _showRows(self) -> None:
        if self._resolver is None:
            return
        self.entries = self._resolver.entries()
        table = self.ui.weightsTable
        chosen = table.currentRow()
        blocked = table.blockSignals(True)
        table.setRowCount(len(self.entries) + len(self.offers))
        for row, entry in enumerate(self.entries):
            unused = entry.is_here and not entry.used
            name = _("{name} (not used)").format(name=entry.name) if unused else entry.name
            texts = [name, entry.version, SourceWords.short(entry.source)]
            self._put(row, texts, SourceWords.state(entry), entry.used)
        for row, offer in enumerate(self.offers, len(self.entries)):
            name = _("extension {name}").format(name=SourceWords.shortName(offer.name))
            self._put(row, [name, "", _("not installed")], offer.name, False)
        table.blockSignals(blocked)
        table.updateGeometry()  # it is as high as its rows
        if not 0 <= chosen < table.rowCount:
            table.clearSelection()
        self._showDetails()

    def _put(self, row: int, texts: list[str], tip: str, isUsed: bool) -> None:
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(tip)
            item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
            font = item.font()
            font.setItalic(not isUsed)
            item.setFont(font)
            self.ui.weightsTable.setItem(row, column, item)

    @staticmethod
    def _told(entry: Any) -> str:
        if entry.card is None:
            return SourceWords.state(entry)
        return " ".join(
            [
                SourceWords.state(entry),
                _("{modality}, {anatomy}.").format(modality=entry.card.modality, anatomy=entry.card.anatomy),
                WeightsChoice.of(entry.card, WeightsChoice.told(entry)).tip,
            ]
        )

    def _showDetails(self) -> None:
        row = self.ui.weightsTable.currentRow()
        text = ""
        if 0 <= row < len(self.entries):
            text = self._told(self.entries[row])
        elif self._chosenOffer() is not None:
            offer = self._chosenOffer()
            text = f"{offer.name}: {offer.description}" if offer.description else offer.name
        self.ui.weightsDetailsLabel.text = text
        self.ui.weightsDetailsLabel.visible = bool(text)
        self.update()

    def _chosenOffer(self) -> OfferedExtension | None:
        number = self.ui.weightsTable.currentRow() - len(self.entries)
        return self.offers[number] if 0 <= number < len(self.offers) else None

    def _say(self, sentence: str) -> None:
        self.ui.weightsLibraryLabel.text = sentence
        self.ui.weightsLibraryLabel.visible = bool(sentence)
        self.update()

    def _onCollapsed(self, isCollapsed: bool) -> None:
        if isCollapsed:
            self.checking.stop()
        else:
            self.fill()

    def _onMore(self, checked: bool = False) -> None:
        self._say(_("Asking the extension server..."))  # a failure may be told within the call
        try:
            self.extensions.lookUp()
        except UserError as error:
            self._say(str(error))
        self.update()

    def _onFound(self, offers: list[OfferedExtension]) -> None:
        self.offers = offers
        if offers:
            names = Words.listed([one.name for one in offers])
            self._say(_("Not installed yet: {names}. Choose one in the list.").format(names=names))
        else:
            self._say(_("The extension server has no weights for this 3D Slicer that are not installed."))
        self._showRows()
        if offers:
            self.ui.weightsTable.setCurrentCell(len(self.entries), 0)

    def _onInstall(self, checked: bool = False) -> None:
        offer = self._chosenOffer()
        if offer is None:
            return
        try:
            if self.extensions.install(offer) and self.extensions.isBusy:
                self._say(_("Installing {name}...").format(name=offer.name))
        except UserError as error:
            self._say(str(error))

    def _onProgressed(self, name: str, fraction: float) -> None:
        self._say(_("Installing {name}: {percent} %").format(name=name, percent=round(100 * fraction)))

    def _onInstalled(self, name: str) -> None:
        self.offers = [one for one in self.offers if one.name != name]
        self.fill()
        self.panel.weights.fill()
        self._say(_("{name} is installed. Its weights can be chosen now.").format(name=name))
