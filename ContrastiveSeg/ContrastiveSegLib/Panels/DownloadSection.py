"""The part of the section Models that downloads weights of the catalogue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ContrastiveSegLib.CatalogueOffer import CatalogueOffer
from ContrastiveSegLib.Panels.ModelsSection import WARNING, ModelsSection
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsDownload import SETTING, WeightsDownload
from ContrastiveSegLib.Words import Words

if TYPE_CHECKING:
    from ContrastiveSegLib.Panels.Panel import Panel

_STEPS = 1000


class DownloadSection(Section):
    """Puts what the catalogue offers into the list of weights, and downloads the chosen one.

    A catalogue on this computer is read when the section Models is unfolded; for one that needs a
    network, the button has to be pressed.

    Args:
        panel: Whose part it is.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.download = WeightsDownload()
        self._models: ModelsSection | None = None
        self._asked: str | None = None
        """The catalogue that was asked for; None before."""
        self._isRead = False
        self.ui.modelDownloadProgressBar.setRange(0, _STEPS)
        for widget, signal, function in self._connections():
            widget.connect(signal, function)
        for told, receiver in self._signals():
            told.connect(receiver)
        self.say("")

    def _connections(self) -> list[tuple[Any, str, Any]]:
        ui = self.ui
        return [
            (ui.modelsCollapsibleButton, "contentsCollapsed(bool)", self._onCollapsed),
            (ui.downloadModelButton, "clicked(bool)", self._onDownload),
            (ui.deleteDownloadedButton, "clicked(bool)", self._onDelete),
        ]

    def _signals(self) -> list[tuple[Any, Any]]:
        return [
            (self.download.listed, self._onListed),
            (self.download.progressed, self._onProgress),
            (self.download.finished, self._onFinished),
            (self.download.failed, self._onFailed),
            (self.download.changed, self._onChanged),
        ]

    def enter(self) -> None:
        """Reads the catalogue where that has not been done; not while nobody sees the list."""
        if not self.ui.modelsCollapsibleButton.collapsed:
            self._lookOnce()
        self.update()

    def close(self) -> None:
        """Lets go of the widgets and ends a download; what was received is kept."""
        for told, receiver in self._signals():
            told.disconnect(receiver)
        for widget, signal, function in self._connections():
            widget.disconnect(signal, function)
        if self._models is not None:
            self._models.changed.disconnect(self.update)
        self.download.close()

    def say(self, sentence: str, isWarning: bool = False) -> None:
        """Puts a sentence under the buttons."""
        label = self.ui.modelDownloadLabel
        label.text, label.visible = sentence, bool(sentence)
        label.styleSheet = WARNING if isWarning else ""

    @property
    def models(self) -> ModelsSection:
        """The section with the list."""
        if self._models is None:
            self._models = next(one for one in self.panel.sections if isinstance(one, ModelsSection))
            self._models.changed.connect(self.update)
        return self._models

    def update(self) -> None:
        """Shows what can be done, and why the rest cannot."""
        ui, button, isLoading = self.ui, self.ui.downloadModelButton, bool(self.download.name)
        if isLoading:
            reason, text = "", _("Cancel")
            tip = _("Ends the download. What was received is kept for the next time.")
        elif self._isRead or self.download.isBusy:
            reason, text = self._whyNot(), _("Download...")
            tip = _("Downloads the chosen weights, after asking.")
        else:
            reason, text = "", _("Read catalogue")
            tip = _("Looks which weights can be downloaded.")
        button.text = text
        self.allow(button, reason, tip)
        ui.modelDownloadProgressBar.visible = isLoading
        reason = self._whyNotDelete()
        ui.deleteDownloadedButton.enabled = not reason
        ui.deleteDownloadedButton.toolTip = reason or _(
            "Deletes all weights that were downloaded, after asking; your other ones stay."
        )

    def _whyNot(self) -> str:
        if self.download.isBusy:
            return _("The catalogue is being read.")
        if not self.models.offers:
            return _(
                "There are no weights in the catalogue. The application setting '{setting}' chooses another "
                "catalogue: a file, a folder or an https address."
            ).format(setting=SETTING)
        if all(one.is_here for one in self.models.entries):
            return _("All weights of the catalogue are on this computer.")
        chosen = self.models.chosen
        if chosen is None or chosen.offer is None:
            return _("Choose weights in the list that are not downloaded yet.")
        return ""

    def _whyNotDelete(self) -> str:
        if self.download.isBusy:
            return self.download.whyNot or _("The catalogue is being read.")
        return "" if self.models.hasDownloaded else _("There are no downloaded weights.")

    def _lookOnce(self) -> None:
        place = self.download.manifest()
        if self._asked == place or self.download.isBusy:
            return
        self._forget()
        if not self.download.needsNetwork():
            with self._told():
                self._look()

    def _look(self) -> None:
        self._asked = self.download.manifest()
        self.say("")
        self.download.look()

    def _forget(self) -> None:
        """Another catalogue was chosen: what the former one offers cannot be had any more."""
        self._isRead = False
        if self.models.offers:
            self.models.offers = []
            self.models.fill()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """For what buttons do: what users can put right stands under the buttons."""
        with self.panel.explained():
            try:
                yield
            except UserError as error:
                self.say(str(error), isWarning=True)
        self.update()

    def _onCollapsed(self, isCollapsed: bool) -> None:
        if not isCollapsed:
            self.enter()

    def _onDownload(self, checked: bool = False) -> None:
        if self.download.name:
            self.download.cancel()
            return
        with self._told():
            if not self._isRead:
                self._look()
                return
            chosen = self.models.chosen
            if chosen is None or chosen.offer is None:
                return
            self.ui.modelDownloadProgressBar.setValue(0)
            if self.download.start(chosen.offer.told):
                self.say(_("Downloading '{name}' ...").format(name=chosen.name))

    def _onDelete(self, checked: bool = False) -> None:
        with self._told():
            self.models.checking.stop()  # Windows deletes no open file
            try:
                sentence = self.download.deleteDownloaded()
            finally:
                self.models.fill()
                self.panel.weights.fill()
            if sentence:
                self.say(sentence)

    def _onListed(self, told: list[dict[str, Any]]) -> None:
        self._isRead = True
        self.models.offers = [CatalogueOffer.of(one) for one in told]

    def _onProgress(self, fraction: float, secondsLeft: float | None) -> None:
        bar, left = self.ui.modelDownloadProgressBar, Words.timeLeft(secondsLeft)
        bar.setValue(round(_STEPS * min(max(fraction, 0.0), 1.0)))
        bar.setFormat(f"{left}  (%p%)" if left else "%p%")

    def _onFinished(self, name: str) -> None:
        self.say(_("'{name}' is downloaded, and can be chosen now.").format(name=name))
        self.models.fill(name)
        self.panel.weights.fill()

    def _onFailed(self, sentence: str) -> None:
        self.say(sentence, isWarning=not self.download.isCancelled)

    def _onChanged(self, isBusy: bool) -> None:
        if not isBusy:
            self.models.fill()
        self.update()
