"""The labelled volumes that the benchmarks run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from benchmarklib.placement import annotated_slices, sparse_labels

IGNORE_IN_FILE = 255
"""Value for "nobody said anything" in label files (unsigned types have no -1)."""
DATASETS = ("left_atrium", "ct_examples", "demo")


@dataclass(frozen=True)
class BenchmarkCase:
    """A volume with its full label map.

    Attributes:
        dataset: One of :data:`DATASETS`.
        name: File name without suffixes.
        image: Image file.
        labels: File with the full label map on the image's grid.
        plane: ``axial`` or ``coronal``: the slices that are annotated.
    """

    dataset: str
    name: str
    image: Path
    labels: Path
    plane: str = "axial"

    def truth(self) -> tuple[np.ndarray, int]:
        """The full label map (z, y, x) and the array axis that counts the annotated slices."""
        image = sitk.ReadImage(str(self.labels))
        return sitk.GetArrayFromImage(image).astype(np.int16), slice_axis(image, self.plane)


def slice_axis(image: sitk.Image, plane: str) -> int:
    """Array axis (of z, y, x) whose direction is most perpendicular to the anatomical plane."""
    world = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
    direction = np.abs(np.array(image.GetDirection()).reshape(3, 3))
    return 2 - int(np.argmax(direction[world]))


def find_cases(dataset: str, data: Path, work: Path) -> list[BenchmarkCase]:
    """The labelled cases of a data set, sorted by name.

    Args:
        dataset: One of :data:`DATASETS`.
        data: Folder that holds ``left_atrium`` and ``ct_examples`` (each with images and labels).
        work: Where the demo's sample is written as files.

    Raises:
        FileNotFoundError: The folder has no labelled volume.
    """
    if dataset == "demo":
        return [_demo_case(work)]
    folder = data / dataset
    cases = []
    for labels in sorted((folder / "labels").glob("*.nii.gz")):
        image = folder / "images" / labels.name
        if image.exists():
            cases.append(BenchmarkCase(dataset, labels.name.removesuffix(".nii.gz"), image, labels))
    if not cases:
        raise FileNotFoundError(f"No labelled volume in '{folder}'. Name the data folder with --data.")
    return cases


def _demo_case(work: Path) -> BenchmarkCase:
    """The embedded sample of ``contrastive-seg demo``, as two files."""
    from contrastive_seg.demo_data import write_sample

    folder = work / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    image, labels = write_sample(folder)
    return BenchmarkCase("demo", "mni152", image, labels, "coronal")


def write_sparse_labels(case: BenchmarkCase, count: int, placement: str, path: Path) -> list[int]:
    """Writes what a user would have painted: truth on a few slices, 255 elsewhere.

    Returns:
        The label values that occur on annotated slices, background left out: what can be learnt.

    Raises:
        ValueError: The label map is empty or uses the value 255 itself.
    """
    truth, axis = case.truth()
    if (truth >= IGNORE_IN_FILE).any():
        raise ValueError(f"'{case.labels.name}' has a label above {IGNORE_IN_FILE - 1}.")
    sparse = sparse_labels(truth, axis, annotated_slices(truth, axis, count, placement))
    painted = [int(v) for v in np.unique(sparse) if v > 0]
    image = sitk.GetImageFromArray(np.where(sparse < 0, IGNORE_IN_FILE, sparse).astype(np.uint8))
    image.CopyInformation(sitk.ReadImage(str(case.labels)))
    sitk.WriteImage(image, str(path), useCompression=True)
    return painted
