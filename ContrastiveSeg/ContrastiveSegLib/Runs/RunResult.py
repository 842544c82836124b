"""What a run has predicted, read so that a thread can do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox
from ContrastiveSegLib.PredictionFiles import PredictionFiles
from ContrastiveSegLib.PredictionLogic import PredictionLogic


@dataclass(frozen=True)
class RunResult:
    """The last mask and its maps; holds no node.

    Attributes:
        labels: The mask.
        maps: uint8 (z, y, x), percent, by ``probability`` and ``uncertainty``.
    """

    labels: LabelBox
    maps: dict[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path, values: list[int]) -> RunResult | None:
        """Reads them; None where there is no mask.

        Args:
            folder: Of the run.
            values: The label values of its structures.

        Raises:
            UserError: One of them cannot be read.
        """
        path = folder / "prediction-0.npy"
        if not path.is_file():
            return None
        maps = {}
        try:
            labels = PredictionFiles.labels(path, values)
            for kind in ("probability", "uncertainty"):
                path = folder / f"{kind}-0.npy"
                if path.is_file():
                    maps[kind] = PredictionFiles.map(path)
        except (OSError, ValueError, EOFError) as error:
            raise PredictionLogic.unreadable(path, error) from error
        return cls(labels, maps)
