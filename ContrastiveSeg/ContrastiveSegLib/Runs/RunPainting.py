"""What was painted in the last round of a run, read so that a thread can do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Runs.RunFinder import latest


@dataclass(frozen=True)
class RunPainting:
    """The labels that the worker was given; holds no node.

    Attributes:
        labels: What was painted.
        complete: Of which slices everything was said, along each array axis.
    """

    labels: LabelBox
    complete: list[np.ndarray]

    @classmethod
    def read(cls, folder: Path, values: list[int]) -> RunPainting | None:
        """Reads them slice by slice; None where there are none.

        Args:
            folder: Of the run.
            values: The label values of its structures.

        Raises:
            UserError: They cannot be read.
        """
        path = latest(folder, "labels")
        if path is None:
            return None
        try:
            return cls(PredictionFiles.labels(path, values), cls._complete(path))
        except (OSError, ValueError, EOFError) as error:
            raise PredictionLogic.unreadable(path, error) from error

    @staticmethod
    def _complete(path: Path) -> list[np.ndarray]:
        labels = np.load(path, mmap_mode="r", allow_pickle=False)
        found = [np.ones(n, bool) for n in labels.shape]
        for z, plane in enumerate(labels):
            said = plane >= 0
            found[0][z] = said.all()
            found[1] &= said.all(axis=1)
            found[2] &= said.all(axis=0)
        return found
