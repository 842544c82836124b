"""Weights of the catalogue, as the list of all weights takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CatalogueOffer:
    """An ``Offer`` of ``contrastive_seg.weights.resolver``.

    Attributes:
        told: What the child process told, see ``contrastive_seg.weights.child.described``.
        card: What the weights are.
    """

    told: dict[str, Any]
    card: Any

    @classmethod
    def of(cls, told: dict[str, Any]) -> CatalogueOffer:
        """From what was told.

        Raises:
            ContrastiveSegError: The card is not right.
        """
        from contrastive_seg.weights.card import WeightCard

        return cls(told, WeightCard.from_dict(told["card"]))

    @property
    def id(self) -> str:
        return str(self.told["id"])

    @property
    def version(self) -> str:
        return str(self.told["version"])

    @property
    def size(self) -> int:
        return int(self.told["size"])

    @property
    def licence(self) -> str:
        return str(self.told["licence"])

    @property
    def sha256(self) -> str:
        return str(self.told["sha256"])
