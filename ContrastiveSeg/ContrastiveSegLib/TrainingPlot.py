"""The learning curve as a plot of the application."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

_LOSS_COLOR = (0.5, 0.5, 0.5)
_TAG = "ContrastiveSegCurve"


class TrainingPlot:
    """A table, a series for each curve and a chart, updated in place.

    The nodes are not saved with the scene, as the run folder keeps the curve, and do not stand in the
    lists of other modules.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._former: int | None = None
        self._structures: dict[int, tuple[str, tuple[float, float, float]]] = {}
        self._series: dict[int, Any] = {}
        self.table: Any = None
        self.chart: Any = None

    def begin(self, structures: dict[int, tuple[str, tuple[float, float, float]]]) -> None:
        """Empties the plot for a new curve.

        Args:
            structures: Name and colour of each structure, by label value.
        """
        if self.table is None or not slicer.mrmlScene.IsNodePresent(self.table):
            self.forget()
            self.table = self._node("vtkMRMLTableNode", _("Learning curve (table)"))
            self.chart = self._node("vtkMRMLPlotChartNode", _("Learning curve"))
            self.chart.SetTitle(_("Learning curve"))
            self.chart.SetXAxisTitle(_("Step"))
            self.chart.SetYAxisTitle(_("Loss, estimated Dice"))
        for series in self._nodes[2:]:
            slicer.mrmlScene.RemoveNode(series)
        del self._nodes[2:]
        self.chart.RemoveAllPlotSeriesNodeIDs()
        self.table.RemoveAllColumns()
        self._column("step")
        self._draw(self._newSeries("loss", _("Loss"), _LOSS_COLOR))
        self._structures, self._series = dict(structures), {}

    def add(self, step: int, loss: float | None, dice: dict[int, float]) -> None:
        """Adds a point; a value that is not known leaves a gap in its curve.

        A structure has a curve from its first Dice on: with few slices there is none.
        """
        if self.table is None or not slicer.mrmlScene.IsNodePresent(self.table):
            return
        for value in dice:
            if value in self._structures and value not in self._series:
                name, color = self._structures[value]
                self._series[value] = self._newSeries(
                    f"dice {value}", _("Dice of {name}").format(name=name), color
                )
                self._draw(self._series[value])
        numbers = [float(step), loss, *(dice.get(value) for value in self._series)]
        table = self.table.GetTable()
        row = table.InsertNextBlankRow()
        for column, number in enumerate(numbers):
            table.GetColumn(column).SetValue(row, math.nan if number is None else number)
            table.GetColumn(column).Modified()
        self.table.Modified()

    @property
    def isShown(self) -> bool:
        """Whether the plot has been put into the layout and is there still."""
        layout, plots = self._layout(), getattr(slicer.modules, "plots", None)
        if self._former is None or layout is None or plots is None:  # Slicer ends, and that module went first
            return False
        return bool(layout.GetViewArrangement() == plots.logic().GetLayoutWithPlot(self._former))

    def toggle(self) -> None:
        """Shows the plot beside the slices, or goes back to the layout before."""
        layout = self._layout()
        if self.isShown:
            layout.SetViewArrangement(self._former)
            self._former = None
            return
        if layout is not None:
            self._former = layout.GetViewArrangement()
        slicer.modules.plots.logic().ShowChartInLayout(self.chart)

    def forget(self) -> None:
        """Removes the nodes; for the closing of a scene and the end of the panel."""
        for node in self._nodes:
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self._nodes, self.table, self.chart, self._former = [], None, None, None

    @staticmethod
    def _layout() -> Any:
        return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    def _node(self, kind: str, name: str) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(slicer.mrmlScene.GetUniqueNameByString(name))
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        node.SetAttribute(_TAG, "1")
        node.SetUndoEnabled(False)
        self._nodes.append(slicer.mrmlScene.AddNode(node))
        return self._nodes[-1]

    def _column(self, name: str) -> None:
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        column.SetNumberOfTuples(self.table.GetTable().GetNumberOfRows())
        column.Fill(math.nan)  # what was before it is not known
        self.table.AddColumn(column)

    def _draw(self, series: Any) -> None:
        self.chart.AddAndObservePlotSeriesNodeID(series.GetID())

    def _newSeries(self, column: str, name: str, color: tuple[float, float, float]) -> Any:
        self._column(column)
        series = self._node("vtkMRMLPlotSeriesNode", name)
        series.SetName(name)  # as it stands in the legend
        series.SetAndObserveTableNodeID(self.table.GetID())
        series.SetXColumnName("step")
        series.SetYColumnName(column)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone if column == "loss" else series.MarkerStyleCircle)
        series.SetLineStyle(series.LineStyleSolid)
        series.SetColor(*color)
        return series
