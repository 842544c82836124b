"""A fine-tuning session: the network and the volumes, kept warm between rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.events import EventSink
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.prediction import Prediction


@dataclass(frozen=True)
class Case:
    """A volume with its sparse labels (same array shape)."""

    volume: Volume
    labels: SparseLabels


class FinetuningSession:
    """Trains on sparse labels and predicts; a later ``train`` continues from the last state.

    Args:
        folder: Run folder; checkpoints are written there (``checkpoint.safetensors`` and
            ``checkpoint.json``, each beside and renamed). Created when missing.
        settings: What the user chose.
    """

    def __init__(self, folder: Path, settings: FinetuneSettings) -> None:
        raise NotImplementedError

    @classmethod
    def resume(cls, folder: Path, settings: FinetuneSettings | None = None) -> FinetuningSession:
        """A session with the network, optimiser state, history and held-out split of ``folder``.

        ``settings`` replaces the stored ones (budget, device), the stored label values stay.

        Raises:
            ContrastiveSegError: ``no-checkpoint`` or ``bad-checkpoint``.
        """
        raise NotImplementedError

    def set_cases(self, cases: Sequence[Case]) -> None:
        """Replaces the cases (a new round: more labels on the same volumes, or further volumes)."""
        raise NotImplementedError

    def train(
        self,
        on_event: EventSink = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
        budget: float | None = None,
    ) -> list[Prediction]:
        """Trains within the budget and predicts every case; stopped early it keeps the best state.

        Returns:
            One prediction per case.
        """
        raise NotImplementedError

    def predict(
        self,
        volume: Volume,
        labels: SparseLabels | None = None,
        on_event: EventSink = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Segments a volume, with the help of its own sparse labels where it has some."""
        raise NotImplementedError
