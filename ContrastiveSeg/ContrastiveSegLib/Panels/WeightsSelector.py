"""The list of pretrained weights that a learning can start from."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.Modality import Modality
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.WeightsChoice import WeightsChoice


class WeightsSelector:
    """Keeps the list and the parameter ``weights`` the same.

    Args:
        ui: The panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self._box, self._card = ui.weightsSelector, ui.weightsCardLabel
        self._parameters: Parameters | None = None
        self._choices: dict[str, WeightsChoice] = {}
        self._box.connect("currentIndexChanged(int)", self._onChosen)

    def setParameters(self, parameters: Parameters | None) -> None:
        """Takes the choice of another scene; None while a scene is closed."""
        self._parameters = parameters
        self.fill()

    def close(self) -> None:
        """Lets go of the widget."""
        self._box.disconnect("currentIndexChanged(int)", self._onChosen)

    def fill(self) -> None:
        """Looks which weights there are; a chosen one that is missing stays in the list, and says so."""
        chosen = self._parameters.weights if self._parameters is not None else ""
        choices = WeightsChoice.all()
        if chosen and chosen not in {one.name for one in choices}:
            label = _("{name} (not on this computer)").format(name=chosen)
            tip = _("Import these weights, or choose others.")
            choices.append(WeightsChoice(chosen, label, tip))
        nothing = WeightsChoice(
            "", _("Nothing"), _("The network knows nothing yet and learns from your slices.")
        )
        blocked = self._box.blockSignals(True)
        self._box.clear()
        for index, one in enumerate([nothing, *choices]):
            self._box.addItem(one.label, one.name)
            self._box.setItemData(index, PlainText.shown(one.tip), qt.Qt.ToolTipRole)
            self._choices[one.name] = one
        self._box.setCurrentIndex(max(0, self._box.findData(chosen)))
        self._box.blockSignals(blocked)

    def update(self, isBusy: bool) -> None:
        """Shows the chosen weights' card, and whether the choice can be changed.

        Args:
            isBusy: Whether a learning is going on.
        """
        self._box.enabled = not isBusy and self._parameters is not None
        name = self._parameters.weights if self._parameters is not None else ""
        chosen = self._choices.get(name)
        tip = chosen.tip if chosen is not None else ""
        self._box.toolTip = (
            _("Wait until the learning has finished, or press Stop.") if isBusy else PlainText.shown(tip)
        )
        volume = self._parameters.volume if self._parameters is not None else None
        words = ""
        if chosen is not None and chosen.name:
            words = f"{tip} {chosen.fit(Modality.of(volume)) if volume is not None else ''}".strip()
        self._card.text = words
        self._card.visible = bool(words)
        index = max(0, self._box.findData(name))
        if index != self._box.currentIndex:
            self._box.setCurrentIndex(index)

    def _onChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.weights = str(self._box.itemData(index) or "")
