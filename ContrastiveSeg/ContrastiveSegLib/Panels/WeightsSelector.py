"""The list of pretrained weights that a learning can start from."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.WeightsChoice import WeightsChoice


class WeightsSelector:
    """Keeps the list and the parameter ``weights`` the same.

    Args:
        ui: The panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self._box = ui.weightsSelector
        self._parameters: Parameters | None = None
        self._tips: dict[str, str] = {}
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
            self._tips[one.name] = PlainText.shown(one.tip)
        self._box.setCurrentIndex(max(0, self._box.findData(chosen)))
        self._box.blockSignals(blocked)

    def update(self, isBusy: bool, hasLearnt: bool) -> None:
        """Shows whether the choice can be changed.

        Args:
            isBusy: Whether a learning is going on.
            hasLearnt: Whether these nodes have been learnt from already.
        """
        self._box.enabled = not isBusy and not hasLearnt and self._parameters is not None
        chosen = self._parameters.weights if self._parameters is not None else ""
        if hasLearnt or isBusy:
            self._box.toolTip = _(
                "The learning of this segmentation has begun and goes on from what it knows."
            )
        else:
            self._box.toolTip = self._tips.get(chosen, "")
        index = max(0, self._box.findData(chosen))
        if index != self._box.currentIndex:
            self._box.setCurrentIndex(index)

    def _onChosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.weights = str(self._box.itemData(index) or "")
