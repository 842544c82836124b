"""3D Slicer's own tools for completing a segmentation, through the package slicer-core.

    python Benchmarks/slicer_baselines.py fill IMAGE LABELS OUTPUT --axis 0
    python Benchmarks/slicer_baselines.py grow IMAGE LABELS OUTPUT

LABELS holds 255 (or what ``--ignore`` says) where nothing is said. slicer-core may crash when the
interpreter exits: run this as a child process, which writes its result first and then ends at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

IGNORE = -1
METHODS = ("fill", "grow")
IGNORE_IN_FILE = 255
GROW_MARGIN = 0.20
"""Slicer grows the extent of all seeds by this part of its length, and at least 3 voxels."""
LEAST_MARGIN = 3


class SlicerMissingError(ImportError):
    """slicer-core is not installed."""


def fill_between_slices(sparse: np.ndarray, axis: int) -> np.ndarray:
    """Segment Editor's "Fill between slices": morphological interpolation of each label's contours.

    Args:
        sparse: int16, (z, y, x); -1 where nothing is said, which the tool cannot tell from background.
        axis: Array axis that counts the annotated slices.

    Returns:
        int16 labels of the same shape, 0 background.

    Raises:
        SlicerMissingError: slicer-core is not installed.
        ValueError: ``axis`` is not 0, 1 or 2.
    """
    if axis not in (0, 1, 2):
        raise ValueError(f"The axis is {axis}, but must be 0, 1 or 2.")
    slicer = _slicer()
    painted = np.where(sparse > 0, sparse, 0).astype(np.int16)
    box = _box(painted > 0, (1, 1, 1))
    if box is None:
        return painted
    interpolator = slicer.vtkITKMorphologicalContourInterpolator()
    interpolator.SetInputData(_to_vtk(painted[box]))
    interpolator.SetAxis(2 - axis)  # VTK counts x, y, z
    interpolator.Update()
    filled = np.zeros_like(painted)
    filled[box] = _to_numpy(interpolator.GetOutput(), painted[box].shape)
    return filled


def grow_from_seeds(
    image: np.ndarray, sparse: np.ndarray, spacing_zyx: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Segment Editor's "Grow from seeds": fast GrowCut, with its default seed locality of 0.

    Background of annotated slices is a segment of its own, as the tool's instructions ask for.

    Args:
        image: Intensities, (z, y, x).
        sparse: int16 of the same shape; -1 where nothing is said.
        spacing_zyx: Voxel size in mm; it matters to GrowCut only with a seed locality above 0.

    Returns:
        int16 labels of the same shape, 0 background and wherever Slicer's crop does not reach.

    Raises:
        SlicerMissingError: slicer-core is not installed.
        RuntimeError: The tool refused its input.
    """
    slicer = _slicer()
    background = int(sparse.max(initial=0)) + 1
    seeds = np.where(sparse > 0, sparse, np.where(sparse == 0, background, 0)).astype(np.int16)
    grown = np.zeros(sparse.shape, np.int16)
    known = seeds > 0
    box = _box(known, _margins(known))
    if box is None:
        return grown
    intensities = image[box]
    if intensities.dtype.kind not in "iu" and intensities.dtype != np.float64:
        intensities = intensities.astype(np.float32)
    # GrowCut never spreads from the outermost voxels: one more on each side keeps the image's own.
    intensities = np.pad(intensities, 1, mode="edge")
    cropped = np.pad(seeds[box], 1)
    growcut = slicer.vtkImageGrowCutSegment()
    growcut.SetIntensityVolume(_to_vtk(intensities, spacing_zyx))
    growcut.SetSeedLabelVolume(_to_vtk(cropped, spacing_zyx))
    growcut.Update()
    result = _to_numpy(growcut.GetOutput(), cropped.shape)[1:-1, 1:-1, 1:-1]
    grown[box] = np.where(result == background, 0, result)
    return grown


def _slicer() -> Any:
    try:
        import slicer
    except ImportError as error:
        raise SlicerMissingError(
            'slicer-core is not installed or cannot be loaded. Install it with: pip install "slicer-core"'
        ) from error
    return slicer


def _box(mask: np.ndarray, margins: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Extent of a mask with margins, inside the array."""
    box = []
    for axis, margin in enumerate(margins):
        where = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if not len(where):
            return None
        box.append(slice(max(0, int(where[0]) - margin), min(mask.shape[axis], int(where[-1]) + margin + 1)))
    return tuple(box)


def _margins(mask: np.ndarray) -> tuple[int, ...]:
    tight = _box(mask, (0,) * mask.ndim) or ()
    return (
        tuple(int(max(LEAST_MARGIN, GROW_MARGIN * (part.stop - part.start - 1))) for part in tight)
        or (0,) * mask.ndim
    )


def _to_vtk(array: np.ndarray, spacing_zyx: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Any:
    import vtk
    from vtk.util import numpy_support

    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.SetSpacing(*spacing_zyx[::-1])
    image.GetPointData().SetScalars(
        numpy_support.numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True)
    )
    return image


def _to_numpy(image: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A copy that outlives the filter."""
    from vtk.util import numpy_support

    scalars = image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfTuples() != np.prod(shape):
        raise RuntimeError("Slicer's tool gave no result; its message above says why.")
    return numpy_support.vtk_to_numpy(scalars).reshape(shape).copy()


def main(arguments: list[str] | None = None) -> None:
    """Reads the files, runs one tool, writes the result."""
    import SimpleITK as sitk

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("image", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--axis", type=int, default=0, choices=(0, 1, 2), help="of z, y, x; for fill")
    parser.add_argument("--ignore", type=int, default=IGNORE_IN_FILE, help="value where nothing is said")
    options = parser.parse_args(arguments)
    stored = sitk.ReadImage(str(options.labels))
    labels = sitk.GetArrayFromImage(stored).astype(np.int32)
    sparse = np.where(labels == options.ignore, IGNORE, labels).astype(np.int16)
    if options.method == "fill":
        result = fill_between_slices(sparse, options.axis)
    else:
        image = sitk.GetArrayFromImage(sitk.ReadImage(str(options.image)))
        x, y, z = stored.GetSpacing()
        result = grow_from_seeds(image, sparse, (z, y, x))
    output = sitk.GetImageFromArray(result)
    output.CopyInformation(stored)
    sitk.WriteImage(output, str(options.output), useCompression=True)


def _run() -> int:
    """The true exit status, whatever happens at the interpreter's end."""
    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except SlicerMissingError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    status = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
