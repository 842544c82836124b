"""What a weight card says, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.PretrainingMethod import PretrainingMethod


class ModelDetails:
    """Texts about weights that were found.

    Args:
        found: Of the engine's store.
        userFolder: Where the user's own weights lie.
    """

    def __init__(self, found: Any, userFolder: Path) -> None:
        self._found, self._card = found, found.card
        self.isOwn = userFolder in found.path.parents
        self._comesWith = any(folder in found.path.parents for folder in self._ownFolders())

    @staticmethod
    def _ownFolders() -> list[Path]:
        from contrastive_seg.weights.store import own_folders

        return own_folders()

    @property
    def name(self) -> str:
        return str(self._found.name)

    @property
    def shows(self) -> str:
        """Modality and anatomy."""
        if self._card is None:
            return _("no valid card")
        return f"{self._card.modality}, {self._card.anatomy}"

    @property
    def source(self) -> str:
        """Where they come from."""
        if self.isOwn:
            return _("your own")
        return _("ContrastiveSeg") if self._comesWith else _("another folder")

    @property
    def shortSource(self) -> str:
        """The same for a narrow column."""
        if self.isOwn:
            return _("your own")
        return _("built-in") if self._comesWith else _("other")

    def text(self, sha256: str | None) -> str:
        """All that is said about them.

        Args:
            sha256: Of the file; None while it is not known yet, empty where it cannot be read.
        """
        card = self._card
        if card is None:
            return str(self._found.problem)
        parts = " and ".join(card.parts)
        network = card.network if card.width is None else f"{card.network} {card.width}"
        lines = [
            _("{name}, version {version}, from: {source}").format(
                name=card.name, version=card.version, source=self.source
            ),
            _("Images: {shows}").format(shows=self.shows),
            _("Trained on: {sources}").format(sources=self._sources()),
            _("Method: {method}; network {network} ({parts})").format(
                method=PretrainingMethod.nameOf(card.method), network=network, parts=parts
            ),
            _("Licence: {licence}").format(licence=card.licence),
            self._state(sha256),
        ]
        return "\n".join(lines)

    def _sources(self) -> str:
        if not self._card.training_data:
            return _("not said")
        return "; ".join(self._sourceWords(one) for one in self._card.training_data)

    @staticmethod
    def _sourceWords(one: Any) -> str:
        counts = []
        if one.volumes is not None:
            counts.append(_("{count} volumes").format(count=one.volumes))
        if one.slices is not None:
            counts.append(_("{count} slices").format(count=one.slices))
        return ", ".join([one.name, *counts, one.licence])

    def _state(self, sha256: str | None) -> str:
        wanted = self._card.sha256
        if sha256 is None:
            return _("File: being checked ...")
        if not sha256:
            return _("File: it cannot be read.")
        if not wanted:
            return _("File: the card does not name its SHA256, so it cannot be checked.")
        if sha256 == wanted:
            return _("File: unchanged, as its card says (SHA256 {start}...)").format(start=wanted[:12])
        return _("File: changed or damaged, it is not the one of the card. It will not be used.")
