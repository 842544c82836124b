"""The curves of a pretraining as plots of the application."""

from __future__ import annotations

import math
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

_LOSS_COLOR, _RANK_COLOR = (0.5, 0.5, 0.5), (0.13, 0.45, 0.75)


class PretrainingPlot:
    """Two charts, loss and effective rank, each with a table that grows in place.

    The nodes are not saved with the scene and do not stand in the lists of other modules. Where the
    scene is closed meanwhile they are made again, with all points.
    """

    def __init__(self) -> None:
        self._points: dict[str, list[tuple[float, float]]] = {"loss": [], "rank": []}
        self._nodes: dict[str, tuple[Any, Any, Any]] = {}

    def begin(self) -> None:
        """Empties both curves."""
        for points in self._points.values():
            points.clear()
        for table, _series, _chart in self._nodes.values():
            table.GetTable().SetNumberOfRows(0)
            table.Modified()

    def add(self, event: dict[str, Any]) -> None:
        """Adds what an event has: ``step`` with ``loss``, and now and then ``effective_rank``."""
        for curve, key in (("loss", "loss"), ("rank", "effective_rank")):
            value = event.get(key)
            if not isinstance(value, int | float) or not math.isfinite(value):
                continue
            self._points[curve].append((float(event.get("step") or 0), float(value)))
            if self._isThere(curve):
                table = self._nodes[curve][0]
                self._append(table, self._points[curve][-1])
                table.Modified()
                self._setRange(curve, self._nodes[curve][2])

    def count(self, curve: str) -> int:
        """Points of ``loss`` or ``rank``."""
        return len(self._points[curve])

    def nodes(self, curve: str) -> tuple[Any, Any, Any]:
        """Table, series and chart of ``loss`` or ``rank``; made where they are missing."""
        if not self._isThere(curve):
            self._nodes[curve] = self._make(curve)
        return self._nodes[curve]

    def show(self, curve: str) -> None:
        """Puts a chart beside the slices."""
        slicer.modules.plots.logic().ShowChartInLayout(self.nodes(curve)[2])

    def forget(self) -> None:
        """Lets go of the nodes; the points are kept, as a pretraining does not end with the scene."""
        for nodes in self._nodes.values():
            for node in nodes:
                if slicer.mrmlScene.IsNodePresent(node):
                    slicer.mrmlScene.RemoveNode(node)
        self._nodes.clear()

    def _isThere(self, curve: str) -> bool:
        nodes = self._nodes.get(curve)
        return nodes is not None and all(slicer.mrmlScene.IsNodePresent(one) for one in nodes)

    def _make(self, curve: str) -> tuple[Any, Any, Any]:
        title = _("Pretraining: loss") if curve == "loss" else _("Pretraining: effective rank")
        table = self._node("vtkMRMLTableNode", title)
        for name in ("step", curve):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            table.AddColumn(column)
        for point in self._points[curve]:
            self._append(table, point)
        series = self._node("vtkMRMLPlotSeriesNode", title)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("step")
        series.SetYColumnName(curve)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetLineStyle(series.LineStyleSolid)
        series.SetMarkerStyle(series.MarkerStyleNone if curve == "loss" else series.MarkerStyleCircle)
        series.SetColor(*(_LOSS_COLOR if curve == "loss" else _RANK_COLOR))
        chart = self._node("vtkMRMLPlotChartNode", title)
        chart.SetTitle(title)
        chart.SetXAxisTitle(_("Step"))
        chart.SetYAxisTitle(_("Loss") if curve == "loss" else _("Effective rank of the features"))
        chart.SetLegendVisibility(False)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        self._setRange(curve, chart)
        return table, series, chart

    def _setRange(self, curve: str, chart: Any) -> None:
        """Keeps all points in view: the application's plot does not follow points that are added.

        The rank is shown from 0, as small changes of it mean nothing and should not look dramatic.
        """
        points = self._points[curve]
        if not points:
            return
        values = [value for _step, value in points]
        lowest, highest = min(values), max(values)
        margin = 0.05 * max(highest - lowest, 1e-3 * max(1.0, abs(highest)))
        chart.XAxisRangeAutoOff()
        chart.SetXAxisRange(0.0, max(1.0, points[-1][0]))
        chart.YAxisRangeAutoOff()
        chart.SetYAxisRange(0.0 if curve == "rank" else lowest - margin, highest + margin)

    @staticmethod
    def _append(table: Any, point: tuple[float, float]) -> None:
        content = table.GetTable()
        row = content.InsertNextBlankRow()
        for index, value in enumerate(point):
            content.GetColumn(index).SetValue(row, value)
            content.GetColumn(index).Modified()
        content.Modified()

    @staticmethod
    def _node(kind: str, name: str) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(slicer.mrmlScene.GetUniqueNameByString(name))
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        node.SetUndoEnabled(False)
        return slicer.mrmlScene.AddNode(node)
