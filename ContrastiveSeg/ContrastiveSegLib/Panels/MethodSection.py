"""The part of the panel that chooses how and where a learning runs, and begins it anew."""

from __future__ import annotations

from typing import Any

import slicer.util
from slicer.i18n import tr as _

from ContrastiveSegLib.DeviceChoice import DeviceChoice
from ContrastiveSegLib.FurtherVolumes import FurtherVolumes
from ContrastiveSegLib.LearningMethod import LearningMethod
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.Words import Words


class MethodSection(Section):
    """Method, device, and *Learn anew*."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._parameters: Parameters | None = None
        self._ids: list[str] = []
        self._anew = False
        self.ui.advancedCollapsibleButton.collapsed = True  # few need them
        self.ui.deviceSelector.connect("currentIndexChanged(int)", self._onDevice)
        self.ui.anewButton.connect("clicked(bool)", self._onAnew)
        panel.learning.greeted.connect(self._onGreeted)
        self._fill()

    def setParameters(self, parameters: Parameters | None) -> None:
        """Takes the choice of another scene."""
        self._parameters = parameters
        self._fill()

    def update(self) -> None:
        """Shows what can be changed now."""
        isBusy = self.panel.learning.machine.state.isBusy
        whyBusy = _("Wait until the learning has finished, or press Stop.") if isBusy else ""
        for box, tip in (
            (self.ui.methodSelector, self._methodTip()),
            (self.ui.deviceSelector, _("What the learning runs on; a GPU learns more in the same time.")),
        ):
            box.enabled = not isBusy and self._parameters is not None
            box.toolTip = whyBusy or tip
        chosen = self._parameters.device if self._parameters is not None else "auto"
        if chosen in self._ids and self._ids.index(chosen) != self.ui.deviceSelector.currentIndex:
            self.ui.deviceSelector.setCurrentIndex(self._ids.index(chosen))
        elif chosen not in self._ids:
            self._fill()
        folder = self._learnt()
        self.ui.anewButton.enabled = folder is not None and not isBusy and self.ui.startButton.enabled
        forgets = _("Forgets what was learnt from this segmentation and begins again. Your painting stays.")
        if folder is None:
            tip = _("Nothing has been learnt from this segmentation yet; press Start.")
        else:  # where Start cannot be pressed it says why
            tip = forgets if self.ui.startButton.enabled else self.ui.startButton.toolTip
        self.ui.anewButton.toolTip = whyBusy or tip  # Start has made it plain already
        self.ui.changedLabel.visible = folder is not None and not isBusy and self._isChanged(folder)

    def learningSettings(self) -> dict[str, Any]:
        """What Start passes on to the learning; asks where what was learnt cannot be gone on from.

        Raises:
            UserError: The user did not want to begin anew.
        """
        parameters, folder = self._parameters, self._learnt()
        assert parameters is not None
        anew, self._anew = self._anew, False
        if folder is not None and not anew and self._isChanged(folder):
            anew = slicer.util.confirmOkCancelDisplay(
                _(
                    "The weights or the method were changed, and what was learnt before does not fit them. "
                    "Begin anew? Your painting stays; the prediction is made again."
                ),
                _("Learn anew"),
            )
            if not anew:
                raise UserError(_("Nothing was started, and what was learnt is kept."))
        settings: dict[str, Any] = {"anew": True} if anew else {}
        if parameters.device != "auto":
            settings["device"] = parameters.device
        if parameters.method.setting():
            settings["semi_supervised"] = parameters.method.setting()
        if parameters.method is LearningMethod.SemiSupervisedScene:
            settings["further"] = FurtherVolumes.of(parameters.volume)
        return settings

    def _methodTip(self) -> str:
        tip = _("Learning from unpainted slices too takes several times longer.")
        parameters = self._parameters
        if parameters is None or parameters.method is not LearningMethod.SemiSupervisedScene:
            return tip
        further = FurtherVolumes.of(parameters.volume) if parameters.volume is not None else []
        if not further:
            return tip + " " + _("No other volume in this scene is of the same kind.")
        words = _("Other volumes that it learns from: {names}.")
        return PlainText.shown(
            tip + " " + words.format(names=Words.listed([one.GetName() for one in further]))
        )

    def close(self) -> None:
        """Lets go of the widgets and of the learning."""
        self.ui.deviceSelector.disconnect("currentIndexChanged(int)", self._onDevice)
        self.ui.anewButton.disconnect("clicked(bool)", self._onAnew)
        self.panel.learning.greeted.disconnect(self._onGreeted)

    def _learnt(self) -> RunFolder | None:
        """The run of the chosen nodes where it has learnt something."""
        nodes = self.panel.nodes()
        folder = None if Readiness.whyNotPaint(*nodes) else RunFolder.existing(*nodes)
        return folder if folder is not None and folder.hasLearnt else None

    def _isChanged(self, folder: RunFolder) -> bool:
        """Whether weights or method are others than those that the learning began with."""
        if self._parameters is None:
            return False
        return folder.begunWith != (self._parameters.weights, self._parameters.method.setting())

    def _fill(self) -> None:
        chosen = self._parameters.device if self._parameters is not None else "auto"
        choices = DeviceChoice.all(self.panel.learning.devices, chosen)
        box = self.ui.deviceSelector
        blocked = box.blockSignals(True)
        box.clear()
        self._ids = [one.id for one in choices]
        for one in choices:
            box.addItem(one.label)
        box.setCurrentIndex(self._ids.index(chosen))
        box.blockSignals(blocked)

    def _onGreeted(self, devices: list[dict[str, Any]]) -> None:
        self._fill()

    def _onDevice(self, index: int) -> None:
        if self._parameters is not None and 0 <= index < len(self._ids):
            self._parameters.device = self._ids[index]

    def _onAnew(self, checked: bool = False) -> None:
        with self.panel.explained():
            if not slicer.util.confirmOkCancelDisplay(
                _(
                    "What was learnt from this segmentation is forgotten, and the learning begins again with "
                    "the weights and the method chosen here. Your painting stays; the prediction is made "
                    "again. Begin anew?"
                ),
                _("Learn anew"),
            ):
                return
            self._anew = True
            try:
                self.panel.start()
            finally:
                self._anew = False
