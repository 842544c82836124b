"""One list of all weights: where each comes from, which one is used, and which it replaces.

Of weights of one name the newest version is used, wherever it lies; of equal versions the one whose
source comes first (see :mod:`contrastive_seg.weights.sources`). The others stay in the list, with what
replaces them. What can be downloaded is listed, too, but replaces nothing before it is here.

Plain Python, so that the panel can show the list without loading PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.checksums import Checksums
from contrastive_seg.weights.sources import DOWNLOAD, Source
from contrastive_seg.weights.store import Store, StoredWeights, version_order


class Offer(Protocol):
    """Weights that can be downloaded, as a manifest describes them.

    Attributes:
        id: Name by which they are chosen once they are here.
        version: Of them.
        size: Bytes of the file.
        licence: Of the weights.
        sha256: Of the file.
        card: What they are.
    """

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def licence(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def card(self) -> WeightCard: ...


@dataclass(frozen=True)
class Entry:
    """One line of the list.

    Attributes:
        name: Of the weights.
        version: Empty where there is no valid card.
        source: Where they come from.
        path: The safetensors file; None where it is not downloaded yet.
        card: None where it is missing or wrong.
        size: Bytes; None where it is unknown.
        licence: Of the weights.
        sha256: That the file must have.
        checksum: Whether it has: ``checked``, ``not yet checked`` or ``wrong``; empty without a card.
        used: Whether this is what the name means.
        replaced_by: The entry that is used instead.
        problem: Why they cannot be used.
        offer: What can be downloaded.
    """

    name: str
    version: str
    source: Source
    path: Path | None = None
    card: WeightCard | None = None
    size: int | None = None
    licence: str = ""
    sha256: str = ""
    checksum: str = ""
    used: bool = False
    replaced_by: Entry | None = field(default=None, repr=False)
    problem: ContrastiveSegError | None = None
    offer: Offer | None = None

    @property
    def is_here(self) -> bool:
        """Whether the file is on this computer."""
        return self.path is not None

    @property
    def state(self) -> str:
        """One clause: used, or why not."""
        if not self.is_here:
            return "not downloaded yet"
        if self.problem is not None:
            return "cannot be used"
        if self.replaced_by is not None:
            other = self.replaced_by
            if other.version == self.version:
                return f"not used: the same version comes first from {other.source.label}"
            return f"not used: version {other.version} from {other.source.label} is newer"
        return "used"


class Resolver:
    """The list over all sources.

    Args:
        store: The folders on this computer; None for the usual ones.
        offers: What can be downloaded, such as the entries of a catalogue.
    """

    def __init__(self, store: Store | None = None, offers: Sequence[Offer] = ()) -> None:
        self.store = store or Store()
        self.checksums = Checksums(self.store.user)
        self._offers = offers

    def entries(self) -> list[Entry]:
        """All weights, in the order of their sources; what can be downloaded comes last."""
        here = [self._here(found) for found in self.store.list()]
        marked = _marked(here)
        known = {(one.name, one.version) for one in marked}
        offered = [one for one in self._offers if (one.id, one.version) not in known]
        return [*marked, *(_offered(one) for one in offered)]

    def used(self) -> list[Entry]:
        """Those that can be chosen now."""
        return [one for one in self.entries() if one.used]

    def check(self, entries: Iterable[Entry]) -> None:
        """Reads files and compares their SHA256 with the cards; what comes out is remembered."""
        for one in entries:
            if one.path is not None and one.card is not None:
                self.checksums.check(one.path, one.sha256)
        self.checksums.save()

    def _here(self, found: StoredWeights) -> Entry:
        try:
            size = found.path.stat().st_size
        except OSError:
            size = None
        card, source = found.card, self.store.source_of(found.path)
        if card is None:
            return Entry(found.name, "", source, found.path, size=size, problem=found.problem)
        checksum = self.checksums.state(found.path, card.sha256)
        about = (card.licence, card.sha256, checksum)
        return Entry(card.name, card.version, source, found.path, card, size, *about)


def _marked(entries: list[Entry]) -> list[Entry]:
    best: dict[str, Entry] = {}
    for one in entries:
        other = best.get(one.name)
        if one.card is not None and (
            other is None or version_order(one.version) > version_order(other.version)
        ):
            best[one.name] = replace(one, used=True)
    marked = []
    for one in entries:
        chosen = best.get(one.name)
        if one.card is None or chosen is None:
            marked.append(one)
        else:
            marked.append(chosen if chosen.path == one.path else replace(one, replaced_by=chosen))
    return marked


def _offered(offer: Offer) -> Entry:
    about = (offer.card, offer.size, offer.licence, offer.sha256)
    return Entry(offer.id, offer.version, Source(DOWNLOAD), None, *about, offer=offer)
