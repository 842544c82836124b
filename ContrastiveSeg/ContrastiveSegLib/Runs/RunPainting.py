"""What was painted in the last round of a run, read so that a thread can do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic
from ContrastiveSegLib.Runs.RunFinder import latest

_LEAST_BACKGROUND = 0.1  # share of a slice; a slice may be open where other structures may be


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
        complete = [np.ones(n, bool) for n in labels.shape]
        background = [np.zeros(n) for n in labels.shape]
        for z, plane in enumerate(labels):
            said, empty = plane >= 0, plane == 0
            complete[0][z] = said.all()
            complete[1] &= said.all(axis=1)
            complete[2] &= said.all(axis=0)
            background[0][z] = empty.sum()
            background[1] += empty.sum(axis=1)
            background[2] += empty.sum(axis=0)
        sizes = [labels.size / n for n in labels.shape]
        few = [counts < _LEAST_BACKGROUND * size for counts, size in zip(background, sizes, strict=True)]
        return complete, [one & ~said for one, said in zip(few, complete, strict=True)]
