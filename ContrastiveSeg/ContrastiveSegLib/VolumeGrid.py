"""Where the voxels of a volume node are."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util import numpy_support

from ContrastiveSegLib.UserError import UserError

_SAME_SPACING = 0.01


class VolumeGrid:
    """The voxel grid of a volume node.

    Arrays are (z, y, x), i.e. in the order k, j, i of the node's index axes. "Local" is the node's
    own space, before its parent transforms; "world" is after them.

    Args:
        volumeNode: A scalar or vector volume node.

    Raises:
        UserError: The node holds no voxels.
    """

    def __init__(self, volumeNode: Any) -> None:
        image = volumeNode.GetImageData() if volumeNode else None
        size = image.GetDimensions() if image else (0, 0, 0)
        # tensors (DTI) are no numbers that anything here could look at
        if min(size) < 1 or image.GetPointData().GetScalars() is None:
            name = volumeNode.GetName() if volumeNode else ""
            raise UserError(
                _("The volume '{name}' holds no voxels.").format(name=name),
                _("Load an image into it or choose another volume."),
            )
        self.node = volumeNode
        self.shape = (size[2], size[1], size[0])
        matrix = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(matrix)
        self.ijkToLocal: np.ndarray = self.toArray(matrix)

    @staticmethod
    def toArray(matrix: Any) -> np.ndarray:
        """A vtkMatrix4x4 as array."""
        return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])

    @staticmethod
    def toMatrix(array: np.ndarray) -> Any:
        """An array as vtkMatrix4x4."""
        matrix = vtk.vtkMatrix4x4()
        for row in range(4):
            for column in range(4):
                matrix.SetElement(row, column, float(array[row, column]))
        return matrix

    def ijkToWorld(self) -> np.ndarray:
        """IJK-to-RAS (4x4, mm) with the parent transforms hardened.

        Raises:
            UserError: A parent transform is not linear.
        """
        return self.localToWorld(self.node) @ self.ijkToLocal

    @classmethod
    def localToWorld(cls, node: Any) -> np.ndarray:
        """A node's parent transforms (4x4).

        Raises:
            UserError: One of them is not linear.
        """
        whyNot = cls.whyNotLinear(node)
        if whyNot:
            raise UserError(whyNot)
        matrix = vtk.vtkMatrix4x4()
        parent = node.GetParentTransformNode()
        if parent is not None:
            parent.GetMatrixTransformToWorld(matrix)
        return cls.toArray(matrix)

    @staticmethod
    def whyNotLinear(node: Any) -> str:
        """Why a node cannot be worked on under its parent transforms; empty where it can.

        Under a non-linear transform a slice view cuts through many slices of the volume, and what is
        painted there is no slice of it.
        """
        parent = node.GetParentTransformNode()
        if parent is None or parent.IsTransformToWorldLinear():
            return ""
        return _(
            "'{name}' is under the non-linear transform '{transform}', so that the slice views do not show "
            "its slices. Harden the transform or take it away, in the module Transforms."
        ).format(name=node.GetName(), transform=parent.GetName())

    def sliceNormals(self) -> np.ndarray:
        """Unit vectors in world space, one a row, across the slices that array axes 0, 1, 2 count.

        They are not the axes themselves where a transform shears.
        """
        rows = np.linalg.inv(self.ijkToWorld())[2::-1, :3]
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def center(self) -> tuple[float, float, float]:
        """The middle of the volume, RAS mm."""
        index = [(count - 1) / 2 for count in self.shape[::-1]]
        ras = self.ijkToWorld() @ np.array([*index, 1.0])
        return float(ras[0]), float(ras[1]), float(ras[2])

    def planeNames(self) -> tuple[str, str, str]:
        """What to call the slices that array axes 0, 1, 2 count: the anatomical plane nearest to each.

        The engine's names follow the grid; a sagittally acquired volume has "axial" slices along its
        third index there, but the person looks at sagittal ones. Only to be shown: what is compared is
        :meth:`across`, as names may be translated in one file and not yet in another.
        """
        names = (_("sagittal"), _("coronal"), _("axial"))  # across right, anterior, superior
        first, second, third = self.across()
        return names[first], names[second], names[third]

    def across(self) -> tuple[int, int, int]:
        """Which coordinate array axes 0, 1, 2 count slices along: 0, 1, 2 for right, anterior, superior.

        That is 0 for sagittal, 1 for coronal and 2 for axial slices.
        """
        return self._across(self.ijkToWorld())

    def kind(self) -> str:
        """What the grid is like wherever it lies: sizes and spacing along i, j, k, planes of k, j, i."""
        spacing = np.linalg.norm(self.ijkToLocal[:3, :3], axis=0)
        planes = "".join("SCA"[one] for one in self._across(self.ijkToLocal))
        sizes = "x".join(str(n) for n in self.shape[::-1])
        return f"{sizes}/{'x'.join(f'{one:.4g}' for one in spacing)}/{planes}"

    def isOfKind(self, kind: str) -> bool:
        """Whether a grid whose :meth:`kind` was noted is like this one; files round its spacing."""
        try:
            (sizes, spacing, planes), own = kind.split("/"), self.kind().split("/")
            pairs = zip(map(float, spacing.split("x")), map(float, own[1].split("x")), strict=True)
            return [sizes, planes] == own[::2] and all(abs(a - b) <= _SAME_SPACING * b for a, b in pairs)
        except ValueError:
            return False

    @staticmethod
    def _across(toSpace: np.ndarray) -> tuple[int, int, int]:
        """As :meth:`across`, for a matrix from IJK to some space."""
        directions = np.abs(toSpace[:3, :3])
        directions = directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-12)
        best = max(
            ((p, sum(directions[p[i], i] for i in range(3))) for p in _orders()), key=lambda pair: pair[1]
        )[0]
        return best[2], best[1], best[0]

    def acquisitionAxis(self) -> int:
        """The array axis across which the slices are thickest; 0 where all are about alike.

        Of a flat image it is the axis across its one slice, whatever its pixels are like.
        """
        if min(self.shape) == 1:
            return self.shape.index(1)
        spacing = np.linalg.norm(self.ijkToLocal[:3, :3], axis=0)[::-1]
        axis = int(np.argmax(spacing))
        return axis if spacing[axis] > 1.2 * spacing[0] else 0

    def orientedImage(
        self, array: np.ndarray, start: tuple[int, int, int] = (0, 0, 0), copy: bool = True
    ) -> Any:
        """A vtkOrientedImageData of part of this grid, in local space.

        Args:
            array: (z, y, x) values.
            start: Index (z, y, x) of the array's first voxel in the grid.
            copy: Whether the array may change later; otherwise the image shares its memory.
        """
        image = slicer.vtkOrientedImageData()
        z, y, x = array.shape
        image.SetExtent(start[2], start[2] + x - 1, start[1], start[1] + y - 1, start[0], start[0] + z - 1)
        scalars = numpy_support.numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=copy)
        scalars.SetName("ImageScalars")
        image.GetPointData().SetScalars(scalars)
        image.SetGeometryFromImageToWorldMatrix(self.toMatrix(self.ijkToLocal))
        return image

    def moveInto(self, image: Any, node: Any) -> None:
        """Brings an image from this volume's local space into that of another node."""
        source, target = self.node.GetParentTransformNode(), node.GetParentTransformNode()
        if source is not target:
            transform = vtk.vtkGeneralTransform()
            slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
            slicer.vtkOrientedImageDataResample.TransformOrientedImage(image, transform)


def _orders() -> tuple[tuple[int, int, int], ...]:
    return ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
