"""The data sets that pretraining is judged on: who is tested, who is labelled, who only lends images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarklib.placement import IGNORE, annotated_slices, dice_per_class, sparse_labels

if TYPE_CHECKING:
    from contrastive_seg.data.volume import Volume
    from contrastive_seg.finetuning.session import Case, FinetuningSession

SPLIT_SEED = 2026
"""Of the order of the patients; the same for every method and number of labels."""


@dataclass(frozen=True)
class Study:
    """How a data set is used.

    Attributes:
        name: Its folder.
        values: Label values that are scored.
        classes: What they are, for the table.
        tested: Patients for testing; 0 where each volume is learnt from a few slices of itself.
        numbers: Of labelled patients or images to learn from; of annotated slices where ``tested`` is 0.
        unit: What is counted.
        size: Pixels along each side of what is pretrained on.
        pixel: Millimetres, or None to see the whole slice.
        networks: That are compared, each with its own start from random weights.
        methods: Of pretraining that fit the data.
    """

    name: str
    values: tuple[int, ...]
    classes: str
    tested: int
    numbers: tuple[int, ...]
    unit: str
    size: int
    pixel: float | None
    networks: tuple[str, ...] = ("unet",)
    methods: tuple[str, ...] = field(
        default=("pcl", "gcl", "simclr", "byol", "moco", "moco-local-decorrelated", "macl")
    )


STUDIES = {
    one.name: one
    for one in (
        Study(
            "hippocampus", (1, 2), "anterior and posterior hippocampus, T1 MRI", 60, (1, 5, 21), "patients",
            64, 1.0,
        ),
        Study(
            "cardiac_cine", (1, 2, 3), "right ventricle, myocardium, left ventricle, cine MRI", 10, (1, 2, 6),
            "patients", 128, 1.5,
        ),
        Study(
            "fetal_head_ultrasound", (1,), "fetal head, ultrasound", 40, (5, 20), "images", 64, None,
            ("unet", "echo-unet", "deeplabv3"), ("simclr", "byol"),
        ),
        Study("left_atrium", (1,), "left atrium, late gadolinium MRI", 0, (3, 5), "slices", 96, 1.25),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Files of a study.

    Attributes:
        tested: Images that nothing else sees.
        patients: Images of each other patient, in a fixed random order.
        unlabelled: Images that are only pretrained on.
    """

    tested: list[Path]
    patients: list[list[Path]]
    unlabelled: list[Path]

    @property
    def pretrained_on(self) -> list[Path]:
        """Everything but what is tested; labels are not looked at."""
        return [path for files in self.patients for path in files] + self.unlabelled

    def labelled(self, number: int, seed: int) -> list[Path]:
        """Images of so many patients, drawn by the seed."""
        chosen = np.random.default_rng((seed, number)).permutation(len(self.patients))[:number]
        return [path for index in sorted(chosen) for path in self.patients[index]]


def patient_of(path: Path) -> str:
    """The patient that a file belongs to: frames of one heart and images of one fetus stay together."""
    stem = path.name.removesuffix(".nii.gz").removesuffix(".png")
    return stem.partition("_")[0] if stem.endswith("HC") else stem.partition("_frame")[0]


def labels_of(image: Path) -> Path:
    """The label map of an image."""
    return image.parents[1] / "labels" / image.name


def truth_of(image: Path, volume: Volume) -> np.ndarray:
    """The label map of an image that was read, int16 (z, y, x)."""
    from contrastive_seg.data.read import read_label_map

    return np.asarray(read_label_map(labels_of(image), like=volume).array, np.int16)


UNSAID = 4
"""Value of a voxel in a map of scribbles about which nothing was said."""


def scribbles_of(image: Path, volume: Volume) -> np.ndarray:
    """The scribbles of an image that was read, int16 (z, y, x), IGNORE where there is none."""
    from contrastive_seg.data.read import read_label_map

    path = image.parents[1] / "scribbles" / image.name
    found = np.asarray(read_label_map(path, like=volume).array, np.int16)
    return np.where(found == UNSAID, np.int16(IGNORE), found)


def cases_of(images: Sequence[Path], slices: int = 0, scribbles: bool = False) -> list[Case]:
    """Labelled volumes to learn from.

    Args:
        images: Image files.
        slices: So many annotated slices of each and an empty one beyond each end; 0 for all.
        scribbles: Only the scribbles of each, which say something about a hundredth of its voxels.
    """
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case

    cases = []
    for path in images:
        volume = read_volume(path)
        labels = scribbles_of(path, volume) if scribbles else truth_of(path, volume)
        if slices:
            labels = sparse_labels(labels, 0, annotated_slices(labels, 0, slices))
        cases.append(Case(volume, SparseLabels(labels)))
    return cases


def mean_dice(session: FinetuningSession, images: Sequence[Path], study: Study) -> dict[int, float]:
    """Mean Dice by label value of volumes that a session segments without any label.

    Args:
        session: That has learnt.
        images: Image files whose label maps are there.
        study: Says which values are scored.
    """
    from contrastive_seg.data.read import read_volume

    scores = []
    for path in images:
        volume = read_volume(path)
        found = session.predict(volume).labels
        scores.append(dice_per_class(found, truth_of(path, volume), list(study.values)))
    return {value: float(np.mean([one[value] for one in scores])) for value in study.values}


def split(study: Study, data: Path) -> Split:
    """Divides a data set by patient.

    Raises:
        FileNotFoundError: The folder has no labelled image.
    """
    folder = data / study.name
    patients: dict[str, list[Path]] = {}
    for path in sorted((folder / "images").glob("*")):
        if labels_of(path).exists():
            patients.setdefault(patient_of(path), []).append(path)
    if not patients:
        raise FileNotFoundError(f"No labelled image in '{folder}'. Name the data folder with --data.")
    names = sorted(patients)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(names))
    shuffled = [patients[names[i]] for i in order]
    unlabelled = sorted((folder / "unlabelled").glob("*")) if (folder / "unlabelled").is_dir() else []
    tested = [path for files in shuffled[: study.tested] for path in files]
    return Split(tested, shuffled[study.tested :], unlabelled)
