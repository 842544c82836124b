"""Closed surfaces of a label map, made beside the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk

from ContrastiveSegLib.Background import Background

QUICK_VOXELS = 100_000
"""A label map up to this size has its surfaces made at once, in less than the blink of an eye."""

_SMOOTHING = 0.5  # Slicer's own default


class SurfaceMaker:
    """Makes the surfaces of a prediction's segments in a thread, and then gives them to the segments.

    The thread has copies and filters of its own; VTK lets the application go on while a filter runs.
    Slicer itself makes surfaces within the event loop, where a liver in a CT takes more than a second.

    Args:
        background: Where the filters run.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._wanted: dict[str, tuple[Any, ...]] = {}

    def make(self, node: Any, done: Callable[[], None] = lambda: None, copies: Any = None) -> None:
        """Makes them; a later call for the same node replaces an earlier one.

        Args:
            node: The segmentation.
            done: Called when the surfaces are there.
            copies: A segmentation with copies of the same segments, where voxels of the node itself may
                be painted meanwhile; None where each later mask is another image, as in a prediction.
        """
        source = self._source(copies or node)
        if not source:
            return
        nodeId, time = node.GetID(), self._time(node)
        if self._wanted.get(nodeId) == time:
            return  # under way
        self._wanted[nodeId] = time
        smoothing = self._smoothing(node)
        there = set(node.GetSegmentation().GetSegmentIDs())
        wanted = []
        for segmentId, (image, value) in source.items():
            if segmentId in there:
                copy, matrix = vtk.vtkImageData(), vtk.vtkMatrix4x4()
                copy.ShallowCopy(image)  # the voxels are shared
                image.GetImageToWorldMatrix(matrix)
                wanted.append((segmentId, copy, value, matrix))

        def work() -> dict[str, Any]:
            return {one: self.surface(copy, value, matrix, smoothing) for one, copy, value, matrix in wanted}

        def finished(surfaces: dict[str, Any]) -> None:
            if self._wanted.get(nodeId) == time:
                del self._wanted[nodeId]
                if slicer.mrmlScene.GetNodeByID(nodeId) is not node:
                    return
                if self._time(node) == time:
                    self.give(node, surfaces)
                    done()
                elif copies is not None:  # painted meanwhile: as after any stroke with 3D switched on
                    node.CreateClosedSurfaceRepresentation()

        self._background.run(work, finished, lambda error: self._wanted.pop(nodeId, None))

    def isUnderWay(self, node: Any) -> bool:
        """Whether surfaces of a node are being made."""
        return node.GetID() in self._wanted

    def wait(self) -> None:
        """Blocks until all are there."""
        self._background.wait()

    def forget(self, node: Any) -> None:
        """Surfaces under way are no longer wanted."""
        self._wanted.pop(node.GetID(), None)

    @staticmethod
    def _source(node: Any) -> dict[str, tuple[Any, int]]:
        """The image of each segment, and its value there; segments may share an image."""
        segmentation = node.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segments = {one: segmentation.GetSegment(one) for one in segmentation.GetSegmentIDs()}
        found = {key: (one.GetRepresentation(name), one.GetLabelValue()) for key, one in segments.items()}
        return {key: one for key, one in found.items() if one[0] is not None and one[0].GetNumberOfPoints()}

    @classmethod
    def _time(cls, node: Any) -> tuple[Any, ...]:
        """Another value when the voxels may be others."""
        return tuple((key, image.GetMTime(), value) for key, (image, value) in cls._source(node).items())

    @staticmethod
    def _smoothing(node: Any) -> float:
        try:
            return float(node.GetSegmentation().GetConversionParameter("Smoothing factor"))
        except ValueError:
            return _SMOOTHING

    @classmethod
    def isUsual(cls, node: Any) -> bool:
        """Whether nothing but the smoothing was chosen for the surfaces, so that they can be made here."""
        get = node.GetSegmentation().GetConversionParameter
        others = ("Decimation factor", "Joint smoothing", "Conversion method")
        return cls._smoothing(node) > 0 and all(get(one) in ("", "0", "0.0") for one in others)

    @classmethod
    def isQuick(cls, node: Any) -> bool:
        """Whether Slicer's own way does not make anybody wait."""
        return sum(image.GetNumberOfPoints() for image, _value in cls._source(node).values()) <= QUICK_VOXELS

    @staticmethod
    def give(node: Any, surfaces: dict[str, Any]) -> None:
        """Adds surfaces to the segments, as a conversion by Slicer would."""
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        segmentation = node.GetSegmentation()
        modifying = node.StartModify()
        try:
            # the first segment last: the 3D view looks at it alone, and would make what the others lack
            for segmentId, surface in reversed(surfaces.items()):
                segment = segmentation.GetSegment(segmentId)
                if segment is not None:
                    segment.AddRepresentation(name, surface)
        finally:
            node.EndModify(modifying)
        segmentation.InvokeEvent(slicer.vtkSegmentation.ContainedRepresentationNamesModified)
        if node.GetDisplayNode() is not None:
            node.GetDisplayNode().Modified()  # 3D views are drawn anew

    @staticmethod
    def surface(image: Any, value: int, matrix: Any, smoothing: float = _SMOOTHING) -> Any:
        """The closed, smoothed surface of one label value; touches neither Qt nor the scene.

        Args:
            image: vtkImageData with integers; its origin and spacing are not looked at.
            value: Of the label.
            matrix: vtkMatrix4x4 from voxel index to space, mm.
            smoothing: 0 to 1, as in Slicer.
        """
        plain = vtk.vtkImageData()
        plain.ShallowCopy(image)
        plain.SetOrigin(0.0, 0.0, 0.0)
        plain.SetSpacing(1.0, 1.0, 1.0)
        plain.SetDirectionMatrix(1, 0, 0, 0, 1, 0, 0, 0, 1)
        e = plain.GetExtent()
        pad = vtk.vtkImageConstantPad()  # what touches the border stays closed
        pad.SetInputData(plain)
        pad.SetOutputWholeExtent(e[0] - 1, e[1] + 1, e[2] - 1, e[3] + 1, e[4] - 1, e[5] + 1)
        edges = vtk.vtkDiscreteFlyingEdges3D()
        edges.SetInputConnection(pad.GetOutputPort())
        edges.ComputeGradientsOff()
        edges.ComputeNormalsOff()
        edges.ComputeScalarsOff()
        edges.SetValue(0, value)
        smooth = vtk.vtkWindowedSincPolyDataFilter()
        smooth.SetInputConnection(edges.GetOutputPort())
        smooth.SetNumberOfIterations(int(20 + 40 * smoothing))
        smooth.SetPassBand(10.0 ** (-4.0 * smoothing))
        smooth.BoundarySmoothingOff()
        smooth.FeatureEdgeSmoothingOff()
        smooth.NonManifoldSmoothingOn()
        smooth.NormalizeCoordinatesOn()
        transform = vtk.vtkTransform()
        transform.SetMatrix(matrix)
        move = vtk.vtkTransformPolyDataFilter()
        move.SetTransform(transform)
        move.SetInputConnection(smooth.GetOutputPort())
        last = move
        if matrix.Determinant() < 0:  # a mirrored grid turns the surface inside out
            last = vtk.vtkReverseSense()
            last.SetInputConnection(move.GetOutputPort())
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputConnection(last.GetOutputPort())
        normals.ConsistencyOn()
        normals.SplittingOff()
        for step in (pad, edges, smooth, normals):  # one by one: each lets the application go on
            step.Update()
        found = vtk.vtkPolyData()
        found.ShallowCopy(normals.GetOutput())
        return found
