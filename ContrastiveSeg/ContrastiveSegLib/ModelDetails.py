"""What a weight card says, in plain words."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.PretrainingMethod import PretrainingMethod
from ContrastiveSegLib.SourceWords import SourceWords


class ModelDetails:
    """Texts about one entry of the list of weights.

    Args:
        entry: Of the engine's resolver.
        entries: The whole list.
    """

    def __init__(self, entry: Any, entries: list[Any]) -> None:
        self._entry, self._card = entry, entry.card
        self._replaced = [
            one for one in entries if one.replaced_by is not None and one.replaced_by.path == entry.path
        ]

    def text(self, isChecking: bool) -> str:
        """All that is said about them.

        Args:
            isChecking: Whether files are being checked at the moment.
        """
        entry, card = self._entry, self._card
        if card is None:
            return SourceWords.state(entry)
        parts = " and ".join(card.parts)
        network = card.network if card.width is None else f"{card.network} {card.width}"
        lines = [
            _("{name}, version {version}, from: {source}").format(
                name=entry.name, version=entry.version, source=self._source()
            ),
            self._use(),
            _("Images: {modality}, {anatomy}").format(modality=card.modality, anatomy=card.anatomy),
            _("Trained on: {sources}").format(sources=self._sources()),
            _("Method: {method}; network {network} ({parts})").format(
                method=PretrainingMethod.nameOf(card.method), network=network, parts=parts
            ),
            _("Licence: {licence}").format(licence=entry.licence),
            self._file(isChecking),
        ]
        return "\n".join(lines)

    def _source(self) -> str:
        return _("the catalogue") if not self._entry.is_here else SourceWords.of(self._entry.source)

    def _use(self) -> str:
        words = SourceWords.state(self._entry)
        for one in self._replaced if self._entry.checksum != "wrong" else []:
            words += " " + _("Replaces version {version} from {source}.").format(
                version=one.version, source=SourceWords.of(one.source)
            )
        return words

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

    def _file(self, isChecking: bool) -> str:
        entry = self._entry
        return _("File: {size}; {state}").format(
            size=SourceWords.size(entry.size), state=self._state(isChecking)
        )

    def _state(self, isChecking: bool) -> str:
        entry = self._entry
        if not entry.is_here:
            return _("it is checked before it is used (SHA256 {start}...)").format(start=entry.sha256[:12])
        if not entry.sha256:
            return _("the card does not name its SHA256, so it cannot be checked.")
        if entry.checksum == "checked":
            return _("unchanged, as its card says (SHA256 {start}...)").format(start=entry.sha256[:12])
        if entry.checksum == "wrong":
            return _("not the one that the card belongs to (wrong SHA256).")
        return _("being checked ...") if isChecking else _("not checked yet; it may not be readable.")
