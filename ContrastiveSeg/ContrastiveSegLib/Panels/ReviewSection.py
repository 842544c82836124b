"""The part of the panel that helps to judge a prediction: volumes, doubtful places, parts to accept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.Panels.Section import Section
from ContrastiveSegLib.Panels.VolumeTable import VolumeTable
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.ReviewRecord import DoubtfulPlace, ReviewRecord
from ContrastiveSegLib.SliceRule import Slice
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.Words import Words

_NEAR = 3
"""Slices; a place so near to one that was annotated since is as good as corrected."""


class ReviewSection(Section):
    """Fills the table, goes from one doubtful place to the next, accepts a structure or a slice."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._parameters: Parameters | None = None
        self._table = VolumeTable(self.ui.volumeTable)
        self._record = ReviewRecord()
        self._at = -1
        self._before: set[Slice] | None = None
        self._waiting: Slice | None = None
        self._wasThere = self._hides = False
        self.ui.doubtfulLabel.visible = False
        self.ui.resultCollapsibleButton.collapsed = True
        for button, function in self._buttons():
            button.connect("clicked(bool)", function)
        self.ui.volumeTable.connect("itemSelectionChanged()", self._onSelected)

    def _buttons(self) -> list[tuple[Any, Any]]:
        ui = self.ui
        return [
            (ui.doubtfulButton, self._onDoubtful),
            (ui.correctButton, self._onCorrect),
            (ui.acceptSegmentButton, self._onAcceptSegment),
            (ui.acceptSliceButton, self._onAcceptSlice),
        ]

    def setParameters(self, parameters: Parameters | None) -> None:
        """Takes the choices of another scene."""
        self._parameters = parameters

    def update(self) -> None:
        """Shows the numbers of the chosen prediction, and says why a button cannot be pressed."""
        volume, segmentation = self.panel.nodes()
        isFor = volume is not None and PredictionLogic.isFor(volume, segmentation)
        if isFor is not self._wasThere:  # in between it is as the user wants it
            self._wasThere = isFor
            self.ui.resultCollapsibleButton.collapsed = not isFor
        record = ReviewRecord.stored(segmentation) if isFor else ReviewRecord()
        if isFor and not PredictionLogic.isOnGrid(volume, segmentation):
            record = replace(record, places=[])
        if record.places != self._record.places:
            self._at, self._before, self._waiting = -1, None, None
            self._say("")
        if self.panel.annotation.summary is not None:
            if self._before is None:
                self._before = set(self._annotated())
            if self._waiting is not None:
                self._taken(self._waiting)
        self._hides = self._hides and self._parameters is not None and not self._parameters.showPrediction
        self._record = record
        self._table.fill(segmentation, record)
        none = "" if isFor else _("There is no prediction yet; press Start.")
        state = self.panel.learning.machine.state
        busy = _("Wait until the learning has finished, or press Stop.") if state.isBusy else ""
        noPlace = (
            _("Every doubtful place is on or beside a slice that you have annotated; press Start.")
            if record.places
            else _("Nothing is in doubt here, or the prediction comes from an earlier release; press Start.")
        )
        self.allow(
            self.ui.doubtfulButton,
            none or busy or ("" if self._left() else noPlace),
            _("Goes to the next place where the prediction is in doubt, the weightiest first."),
        )
        whyNot = self.panel.result.whyNotAccept(self._parameters, state)
        self.allow(
            self.ui.correctButton,
            none or busy or whyNot,
            _(
                "Takes the prediction on the slice shown into your segmentation, so that you change only "
                "what is wrong there; Start then goes on learning."
            ),
        )
        pick = "" if self._table.selected else _("Select a structure in the table first.")
        self.allow(
            self.ui.acceptSegmentButton,
            whyNot or pick,
            _("Copies the structure selected in the table. What you painted on annotated slices stays."),
        )
        self.allow(
            self.ui.acceptSliceButton,
            whyNot,
            _("Copies all structures on the slice that is shown. What you painted on other slices stays."),
        )

    def forgetScene(self) -> None:
        """The numbers belong to nodes that are gone."""
        self._record, self._at, self._before, self._waiting = ReviewRecord(), -1, None, None
        self._say("")

    def close(self) -> None:
        """Lets go of the widgets."""
        for button, function in self._buttons():
            button.disconnect("clicked(bool)", function)
        self.ui.volumeTable.disconnect("itemSelectionChanged()", self._onSelected)

    def _say(self, sentence: str) -> None:
        self.ui.doubtfulLabel.text = sentence
        self.ui.doubtfulLabel.visible = bool(sentence)

    def _left(self) -> list[int]:
        """Numbers of the places on no annotated slice, and not beside one that was annotated since."""
        known = set(self._annotated())
        since = known - (self._before or known)

        def isLeft(place: DoubtfulPlace) -> bool:
            at = place.index[::-1]
            beside = any(abs(at[axis] - index) <= _NEAR for axis, index in since)
            return not beside and not any((axis, at[axis]) in known for axis in range(3))

        return [number for number, one in enumerate(self._record.places) if isLeft(one)]

    def _onSelected(self) -> None:
        self.update()

    def _onDoubtful(self, checked: bool = False) -> None:
        with self.panel.explained():
            left = self._left()
            if not left:
                raise UserError(_("No doubtful place is left."))
            self._at = next((number for number in left if number > self._at), left[0])
            place = self._record.places[self._at]
            if self._hides and self._parameters is not None:
                self._parameters.showPrediction = True
            self._hides = False
            SliceViews.centerOn(self._ras(place))
            self._say(
                _("Doubtful place {number} of {count}: {name}, {ml} ml").format(
                    number=self._at + 1,
                    count=len(self._record.places),
                    name=self._nameOf(place),
                    ml=Words.milliliters(place.ml),
                )
            )

    def _ras(self, place: DoubtfulPlace) -> tuple[float, float, float]:
        volume, _segmentation = self.panel.nodes()
        world = VolumeGrid(volume).ijkToWorld() @ np.array([*place.index, 1.0])
        return float(world[0]), float(world[1]), float(world[2])

    def _nameOf(self, place: DoubtfulPlace) -> str:
        segmentId = self._segmentOf(place)
        if not segmentId:
            return _("outside of all structures")
        predicted = PredictionLogic.predicted(self.panel.nodes()[1]).GetSegmentation()
        return str(predicted.GetSegment(segmentId).GetName())

    def _segmentOf(self, place: DoubtfulPlace) -> str:
        """ID of the segment that is in doubt at a place, empty for none."""
        predicted = PredictionLogic.predicted(self.panel.nodes()[1]).GetSegmentation()
        ids = predicted.GetSegmentIDs()
        return next((one for one in ids if predicted.GetSegment(one).GetLabelValue() == place.value), "")

    def _onCorrect(self, checked: bool = False) -> None:
        with self.panel.explained():
            shown = self._shown()
            section = self.ui.annotationCollapsibleButton
            section.collapsed = False
            self._scrollTo(section)
            if self._isSaid(shown):
                self._goOnPainting(shown)
                self.panel.say(_("You annotated the slice shown; change what is wrong, then press Start."))
            else:
                self.panel.accept(slices=[shown], then=lambda: self._taken(shown))

    def _taken(self, taken: Slice) -> None:
        """The prediction on a slice is in the user's segmentation."""
        assert self._parameters is not None
        self._waiting = taken if self.panel.annotation.isLooking else None
        if self._waiting is not None:  # a large segmentation, of which it is not known yet
            return
        if taken not in self._annotated():
            words = _(
                "Nothing is predicted on the slice shown. Paint what is there, or press 'Shown slice is "
                "empty'; then press Start: the learning goes on from what it knows."
            )
        else:
            # or what is erased would still be seen
            self._parameters.showPrediction, self._hides = False, True
            words = _(
                "What was predicted on this slice is in your segmentation now, and counts as annotated. "
                "Change what is wrong, then press Start: the learning goes on from what it knows. The "
                "prediction is hidden meanwhile."
            )
        self._goOnPainting(taken)
        self.panel.say(words)

    def _goOnPainting(self, shown: Slice) -> None:
        """Gives the user the brush, for the structure in doubt where the slice is that of such a place."""
        place = self._record.places[self._at] if 0 <= self._at < len(self._record.places) else None
        segmentId = ""
        if place is not None and place.index[2 - shown[0]] == shown[1]:
            segmentId = self._segmentOf(place)
        if segmentId not in AnnotationLogic.segmentIds(self.panel.nodes()[1]):
            segmentId = ""
        for section in self.panel.sections:
            section.goOnPainting(segmentId)

    @staticmethod
    def _scrollTo(widget: Any) -> None:
        """Brings a section into view where the panel is longer than the window."""
        parent = widget.parentWidget()
        while parent is not None:
            if parent.inherits("QScrollArea"):
                parent.ensureWidgetVisible(widget, 0, 0)
                return
            parent = parent.parentWidget()

    def _onAcceptSegment(self, checked: bool = False) -> None:
        with self.panel.explained():
            if not self._table.selected:
                raise UserError(_("Select a structure in the table first."))
            self.panel.accept(segmentIds=[self._table.selected])

    def _onAcceptSlice(self, checked: bool = False) -> None:
        with self.panel.explained():
            self.panel.accept(slices=[self._shownSlice()])

    def _shownSlice(self) -> Slice:
        """The slice to accept.

        Raises:
            UserError: None is shown, the view is oblique, or it was annotated by the user.
        """
        shown = self._shown()
        if self._isSaid(shown):
            raise UserError(_("You annotated the slice that is shown; your painting stays."))
        return shown

    def _annotated(self) -> list[Slice]:
        summary = self.panel.annotation.summary
        return [one.slice for one in summary.slices] if summary is not None else []

    def _isSaid(self, shown: Slice) -> bool:
        """Whether the user has annotated a slice, and left no structure open on it that may be predicted."""
        summary = self.panel.annotation.summary
        return summary is not None and any(one.slice == shown and not one.open for one in summary.slices)

    def _shown(self) -> Slice:
        """The slice in the slice view, of the plane the user paints in.

        Raises:
            UserError: None is shown, or the view is oblique.
        """
        volume, _segmentation = self.panel.nodes()
        assert self._parameters is not None
        grid = VolumeGrid(volume)
        summary = self.panel.annotation.summary
        axis = self._parameters.planes.axis(grid.across())
        if axis is None:
            axes = [one.slice[0] for one in (summary.painted if summary is not None else [])]
            axis = max(set(axes), key=axes.count) if axes else grid.acquisitionAxis()
        return SliceViews.neededSlice(grid, axis)
