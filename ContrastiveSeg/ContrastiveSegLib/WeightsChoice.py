"""What a learning can start from, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.ModelsFolder import ModelsFolder
from ContrastiveSegLib.Words import Words

_METHODS = {
    "pcl": "PCL",
    "gcl": "GCL",
    "macl": "MACL",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "moco": "MoCo v2",
    "moco-local-decorrelated": "MoCo v2, local features and decorrelation",
}


@dataclass(frozen=True)
class WeightsChoice:
    """Pretrained weights as the panel offers them.

    Attributes:
        name: By which the worker finds them.
        label: What stands in the list.
        tip: What they were made from, and whether they may be used.
    """

    name: str
    label: str
    tip: str

    @classmethod
    def all(cls) -> list[WeightsChoice]:
        """All weights on this computer whose cards can be read."""
        return [cls.of(one.card) for one in ModelsFolder.store().list() if one.card is not None]

    @classmethod
    def of(cls, card: Any) -> WeightsChoice:
        """The choice that a weight card describes."""
        label = _("{name} ({modality}, {anatomy})").format(
            name=card.name, modality=card.modality, anatomy=card.anatomy
        )
        sources = [
            one.name
            if one.volumes is None
            else _("{name}, {count} volumes").format(name=one.name, count=one.volumes)
            for one in card.training_data
        ]
        lines = [
            _("Pretrained with {method} on: {sources}.").format(
                method=_METHODS.get(card.method, card.method),
                sources=Words.listed(sources) if sources else _("not said"),
            ),
            _("Licence: {licence}.").format(licence=card.licence),
        ]
        return cls(card.name, label, " ".join(lines))
