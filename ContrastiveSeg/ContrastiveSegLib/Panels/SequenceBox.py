"""The choice of a sequence whose frames are segmented."""

from __future__ import annotations

from typing import Any

from ContrastiveSegLib.SequenceLogic import ImageSequence, SequenceLogic


class SequenceBox:
    """A combo box with the sequences of images in the scene.

    Args:
        box: The QComboBox.
    """

    def __init__(self, box: Any) -> None:
        self._box = box
        self._sequences: list[ImageSequence] = []

    def fill(self) -> None:
        """Looks which there are; the one that is chosen stays so."""
        sequences = SequenceLogic.all()
        if sequences == self._sequences:
            return
        self._sequences = sequences
        box = self._box
        blocked = box.blockSignals(True)
        chosen = box.currentIndex
        box.clear()
        for one in sequences:
            box.addItem(one.label())
        box.setCurrentIndex(min(max(chosen, 0), len(sequences) - 1))
        box.blockSignals(blocked)

    @property
    def chosen(self) -> ImageSequence | None:
        """The sequence that is chosen; None where there is none."""
        index = self._box.currentIndex
        return self._sequences[index] if 0 <= index < len(self._sequences) else None

    def proxies(self) -> set[str]:
        """IDs of the volumes that only show a frame of a sequence."""
        found = (SequenceLogic(one).proxy for one in self._sequences)
        return {one.GetID() for one in found if one is not None}
