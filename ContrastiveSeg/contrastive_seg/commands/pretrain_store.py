"""Pretrained weights into the folder of the user's own weights."""

from __future__ import annotations

from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.store import CARD_SUFFIX, TENSORS_SUFFIX, Store


class PretrainStore:
    """Puts weights among the user's own; those of an earlier stop of the same pretraining are replaced.

    Args:
        folder: Of the pretraining; what it has written there is known by its SHA256.
        name: Of the weights.

    Raises:
        ContrastiveSegError: ``weights-exist`` where other weights have this name: better now than
            after hours of training.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._target = Store().user
        self._place = self._target / f"{name}{TENSORS_SUFFIX}"
        own, there = (_sha256(place / f"{name}{CARD_SUFFIX}") for place in (folder, self._target))
        if self._place.exists() and (there is None or there != own):
            raise ContrastiveSegError(
                "weights-exist",
                f"There are other weights called '{name}' in '{self._target}' already.",
                "Choose another name.",
            )

    def put(self, weights: Path) -> Path:
        """Copies a file of weights with its card; returns the copy's path."""
        from contrastive_seg.weights.archive import import_weights

        return import_weights(weights, self._target, overwrite=True).path


def _sha256(card: Path) -> str | None:
    try:
        return WeightCard.read(card).sha256 or None
    except ContrastiveSegError:
        return None
