"""More weights from the extension server of 3D Slicer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.SourceWords import SourceWords
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsExtensions import OfferedExtension, WeightsExtensions

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel


class MoreWeightsSection(Section):
    """Asks which extensions hold weights, and has the chosen one installed.

    It needs four widgets, wherever they stand in the panel: ``moreWeightsButton``,
    ``moreWeightsSelector``, ``installWeightsButton`` and ``moreWeightsLabel``.

    Args:
        panel: Whose part it is.
        extensions: Where weights come from; None for the application's Extensions Manager.
    """

    def __init__(self, panel: Panel, extensions: WeightsExtensions | None = None) -> None:
        super().__init__(panel)
        self.offers: list[OfferedExtension] = []
        self._isSeen = False
        self.extensions = extensions or WeightsExtensions()
        self.extensions.found.connect(self._onFound)
        self.extensions.installed.connect(self._onInstalled)
        self.extensions.progressed.connect(self._onProgressed)
        self.extensions.failed.connect(self._say)
        self.ui.moreWeightsButton.connect("clicked(bool)", self._onMore)
        self.ui.installWeightsButton.connect("clicked(bool)", self._onInstall)
        self.ui.moreWeightsSelector.connect("currentIndexChanged(int)", self._onChosen)
        self._say("")

    def enter(self) -> None:
        """The panel is shown."""
        self._isSeen = True

    def exit(self) -> None:
        """Extensions may be installed from elsewhere, too."""
        self._isSeen = False

    def close(self) -> None:
        """Lets go of the widgets and of the Extensions Manager."""
        self.ui.moreWeightsButton.disconnect("clicked(bool)", self._onMore)
        self.ui.installWeightsButton.disconnect("clicked(bool)", self._onInstall)
        self.ui.moreWeightsSelector.disconnect("currentIndexChanged(int)", self._onChosen)
        self.extensions.close()

    def update(self) -> None:
        """Shows what can be done now, and why the rest cannot."""
        reason = self.extensions.whyNot()
        more, selector, install = (
            self.ui.moreWeightsButton,
            self.ui.moreWeightsSelector,
            self.ui.installWeightsButton,
        )
        self.allow(more, reason, _("Asks the extension server of 3D Slicer which weights it has."))
        selector.visible = install.visible = bool(self.offers)
        selector.enabled = install.enabled = bool(self.offers) and not reason
        install.toolTip = reason or _("Asks before anything is downloaded.")
        chosen = self._chosen()
        selector.toolTip = PlainText.shown(reason or (chosen.name if chosen is not None else ""))

    def _chosen(self) -> OfferedExtension | None:
        index = self.ui.moreWeightsSelector.currentIndex
        return self.offers[index] if 0 <= index < len(self.offers) else None

    def _show(self, offers: list[OfferedExtension]) -> None:
        self.offers = list(offers)
        selector = self.ui.moreWeightsSelector
        blocked = selector.blockSignals(True)
        selector.clear()
        for one in self.offers:
            selector.addItem(SourceWords.shortName(one.name))
        selector.blockSignals(blocked)
        self.update()

    def _say(self, sentence: str) -> None:
        self.ui.moreWeightsLabel.text = sentence
        self.ui.moreWeightsLabel.visible = bool(sentence)
        self.update()

    def _onChosen(self, index: int) -> None:
        chosen = self._chosen()
        if chosen is not None:
            about = chosen.description or _("Its makers give no description.")
            self._say(_("{name}: {about}").format(name=chosen.name, about=about))

    def _onMore(self, checked: bool = False) -> None:
        self._say(_("Asking the extension server..."))  # a failure may be told within the call
        try:
            self.extensions.lookUp()
        except UserError as error:
            self._say(str(error))
        self.update()

    def _onFound(self, offers: list[OfferedExtension]) -> None:
        self._show(offers)
        if len(offers) == 1:
            self._onChosen(0)
        elif offers:
            count = len(offers)
            self._say(_("{count} extensions with weights can be installed.").format(count=count))
        else:
            self._say(_("The extension server has no weights for this 3D Slicer that are not installed."))

    def _onInstall(self, checked: bool = False) -> None:
        offer = self._chosen()
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
        self._show([one for one in self.offers if one.name != name])
        if self._isSeen:  # else the panel's keys and its editor would be at work in another module
            self.panel.enter()  # all lists of weights are read again
        self._say(_("{name} is installed. Its weights can be chosen now.").format(name=name))
