"""The trainer that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from contrastive_seg.compute import Compute, finish_loading
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.prepared_case import PreparedCase
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.trainer import Trainer


def make_trainer(
    settings: FinetuneSettings, architecture: Architecture, compute: Compute, network: nn.Module | None = None
) -> Trainer:
    """A new trainer, semi-supervised or not.

    Args:
        settings: What the user chose.
        architecture: Of the network.
        compute: Where to run.
        network: Start from this one instead of random weights.
    """
    finish_loading()
    if settings.semi_supervised:
        # MONAI's attention blocks take seconds to import.
        from contrastive_seg.semisupervised.trainer import CrossTrainer

        return CrossTrainer(architecture, compute, settings.seed, network)
    return Trainer(architecture, compute, settings.seed, network)


def offer_unlabelled(
    settings: FinetuneSettings, trainer: Trainer, cases: Sequence[PreparedCase], volumes: Sequence[Volume]
) -> None:
    """Gives the trainer all slices that nobody has painted, where it wants them.

    Args:
        settings: What the user chose.
        trainer: Of :func:`make_trainer`.
        cases: Of which some slices are painted.
        volumes: Of which nothing is.
    """
    if settings.semi_supervised:
        from contrastive_seg.semisupervised.unlabelled import sampler_of

        trainer.unlabelled = sampler_of(cases, volumes, trainer.architecture)
