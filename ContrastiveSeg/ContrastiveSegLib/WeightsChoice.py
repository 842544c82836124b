"""What a learning can start from, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ContrastiveSegLib.SourceWords import SourceWords
from ContrastiveSegLib.WeightsFolders import WeightsFolders
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
        modality: Of the images that they were made from; empty where it is not known.
    """

    name: str
    label: str
    tip: str
    modality: str = ""

    @classmethod
    def all(cls) -> list[WeightsChoice]:
        """All weights on this computer whose cards can be read, of each name the newest."""
        from contrastive_seg.weights.resolver import Resolver

        return [cls.of(one.card, cls.told(one)) for one in Resolver(WeightsFolders.store()).used()]

    @staticmethod
    def told(entry: Any) -> str:
        """A sentence about the version, where it comes from, and whether the file was checked."""
        return _("Version {version}, {source}, {size}; SHA256 {checksum}.").format(
            version=entry.version,
            source=SourceWords.of(entry.source),
            size=SourceWords.size(entry.size),
            checksum=SourceWords.checksum(entry.checksum),
        )

    @classmethod
    def of(cls, card: Any, further: str = "") -> WeightsChoice:
        """The choice that a weight card describes.

        Args:
            card: The weight card.
            further: A sentence more for the tip.
        """
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
            *([further] if further else []),
        ]
        return cls(card.name, label, " ".join(lines), str(card.modality))

    def fit(self, modality: str) -> str:
        """Whether they were made for images like the volume.

        Args:
            modality: Of the volume, see :class:`Modality`; empty where it is not known.
        """
        if not self.modality:
            return ""
        if not modality:
            return _("They are meant for {modality} images.").format(modality=self.modality)
        if modality == self.modality.upper():
            return _("They fit this volume ({modality}).").format(modality=modality)
        return _("They do not fit: they were made from {theirs} images, this volume is {ours}.").format(
            theirs=self.modality, ours=modality
        )
