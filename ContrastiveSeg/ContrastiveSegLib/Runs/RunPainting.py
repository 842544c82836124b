"""What was painted in the last round of a run, read so that a thread can do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Runs.RunFinder import latest
from ContrastiveSegLib.VolumeExport import IGNORE, OPEN


@dataclass(frozen=True)
class RunPainting:
    """The labels that the worker was given; holds no node.

    Attributes:
        labels: What was painted.
        complete: Of which slices everything was said, along each array axis.
        unfinished: Of which only what was painted was said.
    """

    labels: LabelBox
    complete: list[np.ndarray]
    unfinished: list[np.ndarray]

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
            return cls(PredictionFiles.labels(path, values), *cls._said(path))
        except (OSError, ValueError, EOFError) as error:
            raise PredictionLogic.unreadable(path, error) from error

    @staticmethod
    def _said(path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
        labels = np.load(path, mmap_mode="r", allow_pickle=False)
        found = []
        for least in (0, OPEN):
            said = [np.ones(n, bool) for n in labels.shape]
            for z, plane in enumerate(labels):
                # -1 says nothing, whatever else may be left open
                here = (plane >= least) & (plane != IGNORE)
                said[0][z] = here.all()
                said[1] &= here.all(axis=1)
                said[2] &= here.all(axis=0)
            found.append(said)
        return found[0], [~one for one in found[1]]
