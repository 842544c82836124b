"""The part of the panel that lists the annotated slices."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ContrastiveSegLib.AcceptedLabels import AcceptedLabels
from ContrastiveSegLib.AnnotationLogic import AnnotationLogic
from ContrastiveSegLib.AnnotationSummary import AnnotatedSlice, AnnotationSummary
from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.Parameters import Parameters
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.Readiness import Readiness
from ContrastiveSegLib.RunFolder import RunFolder
from ContrastiveSegLib.SegmentResampler import SegmentResampler
from ContrastiveSegLib.SequenceFrame import SequenceFrame
from ContrastiveSegLib.Signal import Signal
from ContrastiveSegLib.SliceViews import SliceViews
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.VolumeGrid import VolumeGrid
from ContrastiveSegLib.Words import Words

_COMPLETE = 3
_FEW_VOXELS = 12_000_000


class AnnotationSection:
    """Lists the annotated slices and says where there are too few.

    Large segmentations, such as those with all organs of a CT, are looked through between the
    application's events; ``found`` tells that this is done.

    Args:
        ui: The panel's widgets by name.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._items: list[Any] = []
        self.summary: AnnotationSummary | None = None
        self._stamp: tuple[Any, ...] = ()
        self.problem = ""
        self._parameters: Parameters | None = None
        self._looking = Chunks()
        self.found = Signal("found")
        self._again = qt.QTimer()
        self._again.setSingleShot(True)
        self._again.setInterval(0)
        self._again.connect("timeout()", lambda: self.update(self._parameters))
        ui.sliceTable.setColumnCount(4)
        ui.sliceTable.setHorizontalHeaderLabels([_("Plane"), _("Position"), _("Structures"), _("Complete")])
        ui.sliceTable.horizontalHeader().setSectionResizeMode(2, qt.QHeaderView.Stretch)
        ui.sliceTable.verticalHeader().setVisible(False)
        ui.sliceTable.verticalHeader().setDefaultSectionSize(22)
        ui.sliceTable.setWordWrap(False)  # one line a slice; the tooltip has all of it
        ui.sliceTable.connect("cellClicked(int,int)", self._onClicked)
        ui.sliceTable.connect("cellChanged(int,int)", self._onChecked)

    def close(self) -> None:
        """The module ends or is loaded again: nothing is to be shown any more."""
        self._again.stop()
        self._forget()

    def update(self, parameters: Parameters | None) -> None:
        """Looks for annotated slices in the chosen nodes and shows them."""
        former, self.summary = self.summary, None
        self._parameters = parameters
        volume = parameters.volume if parameters else None
        segmentation = parameters.segmentation if parameters else None
        words = Readiness.whyNotPaint(volume, segmentation)
        if not words:
            try:
                stamp = AnnotationSummary.stamp(volume, segmentation, parameters.planes)
                if stamp == self._stamp and (former is not None or self.problem):
                    self.summary = former
                else:
                    self._look(volume, segmentation, parameters, stamp)
            except UserError as error:
                self._forget()
                self.problem = str(error)
            words = self.problem
        else:
            self._forget()
        self._show(words)

    @property
    def isLooking(self) -> bool:
        """Whether a large segmentation is being looked through."""
        return self._looking.isBusy

    def _forget(self) -> None:
        """What was found, and what is being looked for, belongs to other nodes or voxels."""
        self._looking.forget()
        self.summary, self.problem, self._stamp = None, "", ()

    def _look(self, volume: Any, segmentation: Any, parameters: Parameters, stamp: tuple[Any, ...]) -> None:
        if stamp[:2] != self._stamp[:2]:  # other nodes
            self._fill([])
        self._forget()
        self._stamp = stamp
        if SegmentResampler.voxels(segmentation) < _FEW_VOXELS:
            self.summary = AnnotationSummary.of(volume, segmentation, parameters.planes)
            return
        self.problem = _("Looking for the slices that you have annotated.")
        found: list[AnnotationSummary] = []

        def steps() -> Iterator[None]:
            found.append((yield from AnnotationSummary.steps(volume, segmentation, parameters.planes)))

        def done() -> None:
            self.summary, self.problem = found[0], ""
            self._show("")
            self.found.emit()

        def failed(error: Exception) -> None:
            self.problem = str(error)
            if not isinstance(error, UserError):  # such as after a change of the nodes
                logging.warning("ContrastiveSeg: annotated slices were looked for in vain", exc_info=error)
                self.problem = _("The annotated slices cannot be found ({reason}).").format(reason=error)
            self._show(self.problem)
            self.found.emit()

        self._looking.run(steps(), done, failed)

    def _show(self, words: str) -> None:
        """Shows what was found, or says why nothing was."""
        if self.summary is not None:
            self._keepFrame(self.summary)
            summary = self.summary
            said = (summary.sentence(), summary.warning(), summary.leftOpen(), summary.leftOut())
            words = " ".join(one for one in said if one)
        self._ui.annotationLabel.text = words
        self._ui.sliceTable.enabled = not self.isLooking
        if not self.isLooking:  # the rows stay as they are until others are found
            self._fill(self.summary.slices if self.summary else [])
        self._ui.emptyButton.enabled = self.summary is not None
        self._ui.emptyButton.toolTip = (
            _(
                "Says that nothing of the structures is on the slice shown in the slice view; press again "
                "to take it back. One such slice beyond each end of a structure helps the learning."
            )
            if self.summary is not None
            else PlainText.shown(words)
        )

    def _keepFrame(self, summary: AnnotationSummary) -> None:
        """Of a sequence: what was painted on one frame is not to be learnt with the image of another."""
        if self._parameters is None:
            return
        volume, segmentation = self._parameters.volume, self._parameters.segmentation
        if summary.slices:
            SequenceFrame.remember(volume, segmentation)
        elif RunFolder.existing(volume, segmentation) is None:
            SequenceFrame.forget(segmentation)

    def settle(self, parameters: Parameters) -> None:
        """Asks which slices count where it is no longer known what was accepted."""
        volume, node = parameters.volume, parameters.segmentation
        if node is None or not AnnotationLogic.isUnknown(node):
            return
        manual = len(AnnotationLogic.manualSlices(node, VolumeGrid(volume)))
        text = _(
            "A prediction was accepted into '{name}', but what it was is not in this scene. So it cannot be "
            "told what you have painted since then.\n\nYes: every painted slice counts as annotated by you. "
            "Right only if nothing is left of what was accepted, or if you have checked all of it.\n\nNo: "
            "only the {count} slices that were annotated before Accept count, and what you paint from now on."
        ).format(name=node.GetName(), count=manual)
        if slicer.util.confirmYesNoDisplay(PlainText.shown(text), _("Which slices count?")):
            AnnotationLogic.recordManual(node, [])
        else:
            AcceptedLabels(node).takeAtOnce(VolumeGrid(volume))
        self.update(parameters)

    def toggleEmpty(self, parameters: Parameters) -> str:
        """Marks the slice shown as complete without any structure, or takes the mark away.

        Returns:
            What was done, as a sentence.

        Raises:
            UserError: No slice of the volume is shown, or the view is oblique.
        """
        grid = VolumeGrid(parameters.volume)
        axis = self._axis(grid, parameters)
        shown = SliceViews.neededSlice(grid, axis)
        name = grid.planeNames()[axis]
        if self.summary is not None and shown in [one.slice for one in self.summary.painted]:
            raise UserError(_("Something is painted on the slice that is shown."))
        marked = shown in AnnotationLogic.emptySlices(parameters.segmentation, grid)
        AnnotationLogic.setEmpty(parameters.segmentation, shown, not marked, grid)
        if marked:
            return _("The {plane} slice shown counts no longer as empty.").format(plane=name)
        return _("The {plane} slice shown is marked as empty.").format(plane=name)

    def _axis(self, grid: VolumeGrid, parameters: Parameters) -> int:
        """The plane that is meant: the one chosen, the one painted in, or that of the scanner."""
        chosen = parameters.planes.axis(grid.across())
        if chosen is not None:
            return int(chosen)
        axes = [one.slice[0] for one in (self.summary.painted if self.summary else [])]
        return max(set(axes), key=axes.count) if axes else grid.acquisitionAxis()

    def _fill(self, slices: list[AnnotatedSlice]) -> None:
        table = self._ui.sliceTable
        table.visible = bool(slices)
        blocked = table.blockSignals(True)
        table.setRowCount(len(slices))
        self._items = []  # PythonQt of some releases leaves the items to us
        names = self.summary.names if self.summary else {}
        for row, one in enumerate(slices):
            structures = ", ".join(names[segmentId] for segmentId in one.segmentIds)
            position = Words.position(one.center, one.across)
            texts = [one.plane, position, structures or _("none (marked empty)")]
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                tip = _("Click to go there. Voxel index {index}.").format(index=one.slice[1])
                item.setToolTip(PlainText.shown(f"{tip} {structures}"))
                self._items.append(item)
                table.setItem(row, column, item)
            self._items.append(self._check(one, names))
            table.setItem(row, _COMPLETE, self._items[-1])
        for column in (0, 1, _COMPLETE):
            table.resizeColumnToContents(column)
        table.blockSignals(blocked)

    @staticmethod
    def _check(one: AnnotatedSlice, names: dict[str, str]) -> Any:
        item = qt.QTableWidgetItem()
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        whole = qt.Qt.PartiallyChecked if one.open else qt.Qt.Checked
        item.setCheckState(whole if one.complete else qt.Qt.Unchecked)
        tip = _(
            "Checked: everything on this slice is painted, and the rest is background. Not checked: only "
            "what is painted counts, as when you have not finished the slice."
        )
        if one.open:
            tip = _(
                "{names}: painted on other slices, not on this one. So nothing is said about it here, and "
                "all else is complete. Paint it, or click to say that it is not there."
            ).format(names=Words.listed([names[key] for key in one.open]))
        elif not one.segmentIds:
            tip = _("Marked as empty; uncheck it to take the mark away.")
        item.setToolTip(PlainText.shown(tip))
        return item

    def _onChecked(self, row: int, column: int) -> None:
        """The check mark of a slice was changed."""
        node = self._parameters.segmentation if self._parameters is not None else None
        if self.summary is None or node is None or column != _COMPLETE or row >= len(self.summary.slices):
            return
        one, grid = self.summary.slices[row], VolumeGrid(self._parameters.volume)
        complete = self._ui.sliceTable.item(row, column).checkState() == qt.Qt.Checked
        if one.segmentIds:
            AnnotationLogic.setPartial(node, one.slice, not complete, grid)
            # a mark that is put where something was open says that it is not there
            if one.open or not complete:
                AnnotationLogic.setWhole(node, one.slice, complete, grid)
        elif not complete:
            AnnotationLogic.setEmpty(node, one.slice, False, grid)
        self._again.start()  # not now: the cell that has changed would be replaced under its own hands

    def _onClicked(self, row: int, column: int) -> None:
        if self.summary is not None and row < len(self.summary.slices):
            with slicer.util.tryWithErrorDisplay(_("The slice cannot be shown.")):
                SliceViews.jumpTo(self.summary.slices[row].center)
