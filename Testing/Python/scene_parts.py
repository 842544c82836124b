"""Nodes for tests, in the real scene."""

from __future__ import annotations

import html
import re
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil


def python_program() -> str:
    """The interpreter for child processes; the application itself is none."""
    import slicer_harness

    return (slicer_harness.in_application() and shutil.which("PythonSlicer")) or sys.executable


def ball(shape: tuple[int, int, int], radius: float = 0.3, rank: float = 2.0) -> np.ndarray:
    """A ball (or, squeezed into the shape, an ellipsoid) in the middle, as 0 and 1."""
    axes = np.meshgrid(*[np.linspace(-0.5, 0.5, n) for n in shape], indexing="ij")
    return (sum(np.abs(a) ** rank for a in axes) < radius**rank).astype(np.int16)


def add_volume(array: np.ndarray, ijk_to_ras: np.ndarray | None = None, name: str = "Volume") -> Any:
    """A volume node; voxels of 1 x 1 x 2 mm unless a matrix is given."""
    import slicer.util
    import vtk

    matrix = np.diag([1.0, 1.0, 2.0, 1.0]) if ijk_to_ras is None else ijk_to_ras
    node = slicer.util.addVolumeFromArray(np.ascontiguousarray(array), name=name)
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(np.asarray(matrix, float).ravel())
    node.SetIJKToRASMatrix(vtk_matrix)
    node.CreateDefaultDisplayNodes()
    return node


def add_segmentation(volume: Any, names: list[str], name: str = "Segmentation") -> Any:
    """A segmentation node with empty segments, on the volume's geometry."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for segment in names:
        node.GetSegmentation().AddEmptySegment(segment, segment)
    return node


def paint(segmentation: Any, segment_id: str, array: np.ndarray, volume: Any) -> None:
    """Sets a segment's voxels, given on the volume's grid."""
    import slicer.util

    slicer.util.updateSegmentBinaryLabelmapFromArray(
        np.ascontiguousarray(array, np.uint8), segmentation, segment_id, volume
    )


def share_one_image(segmentation: Any, labels: np.ndarray, volume: Any) -> None:
    """Makes labels 1, 2, ... on the volume's grid the segments of a node, as when their file is loaded."""
    import slicer

    from ContrastiveSegLib.VolumeGrid import VolumeGrid

    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image = VolumeGrid(volume).orientedImage(labels.astype(np.uint8))
    own = segmentation.GetSegmentation()
    for number in range(own.GetNumberOfSegments()):
        own.GetNthSegment(number).SetLabelValue(number + 1)
        own.GetNthSegment(number).AddRepresentation(kind, image)


def keep_only_surfaces(segmentation: Any) -> None:
    """Makes closed surfaces the source, and all there is, as after loading an RTSTRUCT or STL file."""
    import slicer

    kind = slicer.vtkSegmentationConverter
    segmentation.CreateClosedSurfaceRepresentation()
    own = segmentation.GetSegmentation()
    own.SetSourceRepresentationName(kind.GetSegmentationClosedSurfaceRepresentationName())
    own.RemoveRepresentation(kind.GetSegmentationBinaryLabelmapRepresentationName())


def only_slices(array: np.ndarray, axis: int, indices: list[int]) -> np.ndarray:
    """The array on some slices, 0 elsewhere."""
    kept = np.zeros_like(array)
    for index in indices:
        where = tuple(index if a == axis else slice(None) for a in range(3))
        kept[where] = array[where]
    return kept


def add_transform(matrix: np.ndarray) -> Any:
    """A linear transform node."""
    import slicer
    import vtk

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(np.asarray(matrix, float).ravel())
    node.SetMatrixTransformToParent(vtk_matrix)
    return node


def bent_transform(name: str = "Warp") -> Any:
    """A grid transform that moves everything by 2 mm to the right, by way of displacements."""
    import slicer
    import vtk
    from vtk.util import numpy_support

    grid = vtk.vtkImageData()
    grid.SetDimensions(3, 3, 3)
    grid.SetSpacing(100, 100, 100)
    grid.SetOrigin(-100, -100, -100)
    moves = np.tile([2.0, 0.0, 0.0], (27, 1))
    grid.GetPointData().SetScalars(numpy_support.numpy_to_vtk(moves, deep=True))
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(grid)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    node.SetAndObserveTransformToParent(transform)
    return node


def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    """Lets the application's events run until something has happened; fails when it does not."""
    import slicer

    ending = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ending, f"nothing happened in {seconds} s"
        slicer.app.processEvents()
        time.sleep(0.005)


def tip_of(widget: Any) -> str:
    """A widget's tooltip as it is read; the application keeps it as rich text."""
    return html.unescape(re.sub("<[^>]*>", "", widget.toolTip))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def predict_ball(volume: Any, segmentation: Any) -> None:
    """A prediction of the segment 'Ball' with numbers and a doubtful place, as after a learning."""
    import slicer.util

    from ContrastiveSegLib.LabelledSegment import LabelledSegment
    from ContrastiveSegLib.PredictionLogic import PredictionLogic
    from ContrastiveSegLib.ReviewRecord import ReviewRecord

    shape = slicer.util.arrayFromVolume(volume).shape
    PredictionLogic.update(volume, segmentation, ball(shape), [LabelledSegment(1, "Ball", "Ball")])
    event = {"volume_ml": {"1": 4.0}, "doubtful": [{"index": [20, 15, 2], "value": 1, "ml": 0.4}]}
    ReviewRecord.of(event).store(segmentation)
    PredictionLogic.updateMaps(volume, segmentation, {"uncertainty": np.zeros(shape, np.uint8)})
