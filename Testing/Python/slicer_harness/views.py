"""Offscreen slice and 3D views of the real scene, drawn through EGL by the real displayable managers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class SliceView:
    """A slice view of a volume with the segmentations over it.

    Args:
        name: ``Red``, ``Yellow`` or ``Green``.
        orientation: ``Axial``, ``Sagittal`` or ``Coronal``.
        size: Width and height in pixels.
    """

    def __init__(
        self, name: str = "Red", orientation: str = "Axial", size: tuple[int, int] = (400, 400)
    ) -> None:
        import slicer
        import vtk

        scene = slicer.mrmlScene
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLScene(scene)
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self.node = scene.GetNodeByID(f"vtkMRMLSliceNode{name}") or self._logic.AddSliceNode(name)
        self._logic.SetSliceNode(self.node)
        self.composite = self._logic.GetSliceCompositeNode()
        self.node.SetOrientation(orientation)
        self._size = size
        self.node.SetDimensions(size[0], size[1], 1)
        self.node.SetMappedInLayout(1)

        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(*size)
        self._window.SetNumberOfLayers(2)
        self._background, self._overlay = vtk.vtkRenderer(), vtk.vtkRenderer()
        self._overlay.SetLayer(1)
        for renderer in (self._background, self._overlay):
            renderer.GetActiveCamera().ParallelProjectionOn()
            self._window.AddRenderer(renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._mapper, self._actor = vtk.vtkImageMapper(), vtk.vtkActor2D()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor.SetMapper(self._mapper)
        self._background.AddViewProp(self._actor)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        manager = slicer.vtkMRMLSegmentationsDisplayableManager2D()
        manager.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._manager = manager
        self._managers.SetRenderer(self._overlay)
        self._managers.AddDisplayableManager(manager)
        self._managers.SetMRMLDisplayableNode(self.node)

    def show(self, volume: Any, offset: float | None = None) -> None:
        """Shows a volume, at a position along the view's normal where one is given."""
        self.composite.SetBackgroundVolumeID(volume.GetID())
        self.node.SetDimensions(*self._size, 1)  # the application gives all slice nodes its own views' size
        self._logic.FitSliceToAll()
        if offset is not None:
            self._logic.SetSliceOffset(offset)

    def aim(self, center: Any, factor: float = 1.0) -> None:
        """Shows the slice through a point (RAS mm), with the point in the middle and enlarged."""
        self._logic.FitSliceToAll()
        x, y, z = self.node.GetFieldOfView()
        self.node.SetFieldOfView(x / factor, y / factor, z)
        self.node.JumpSliceByCentering(*[float(one) for one in center])
        self.node.UpdateMatrices()

    def pixels(self) -> np.ndarray:
        """The picture as uint8 (rows from the top, columns, red-green-blue)."""
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        self._logic.UpdatePipeline()
        connection = self._logic.GetImageDataConnection()
        if connection is not None:
            self._mapper.SetInputConnection(connection)
            self._actor.SetVisibility(True)
        else:
            self._actor.SetVisibility(False)
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()

    def save(self, path: Path) -> None:
        """Writes the picture as PNG."""
        write_png(self.pixels(), path)


def write_png(pixels: np.ndarray, path: Path) -> None:
    """Writes uint8 pixels (rows, columns, red-green-blue) as PNG."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    height, width, _ = pixels.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    rows = np.ascontiguousarray(pixels[::-1]).reshape(-1, 3)  # VTK counts rows from below
    image.GetPointData().SetScalars(numpy_to_vtk(rows, deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
    if writer.GetErrorCode():
        raise OSError(f"the picture '{path}' cannot be written")


class ThreeDView:
    """A 3D view of the surfaces of all segmentations, seen from the front.

    Args:
        size: Width and height in pixels.
    """

    def __init__(self, size: tuple[int, int] = (400, 400)) -> None:
        import slicer
        import vtk

        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLViewNode", "View1")
        self.node.SetMappedInLayout(1)
        self.node.SetBoxVisible(False)
        self.node.SetAxisLabelsVisible(False)
        self._window, self._renderer = vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(4)
        self._window.SetSize(*size)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._manager = slicer.vtkMRMLSegmentationsDisplayableManager3D()
        self._manager.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._managers.SetRenderer(self._renderer)
        self._managers.AddDisplayableManager(self._manager)
        self._managers.SetMRMLDisplayableNode(self.node)

    def pixels(self, azimuth: float = 0.0, elevation: float = 0.0) -> np.ndarray:
        """The picture as uint8 (rows from the top, columns, red-green-blue).

        Args:
            azimuth: Degrees to go around the patient from the front.
            elevation: Degrees to go up.
        """
        import vtk
        from vtk.util.numpy_support import vtk_to_numpy

        camera = self._renderer.GetActiveCamera()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(0, 1, 0)
        camera.SetViewUp(0, 0, 1)
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        self._renderer.ResetCamera()
        camera.Zoom(1.2)
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        scalars = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return scalars.reshape(height, width, 3)[::-1].copy()
