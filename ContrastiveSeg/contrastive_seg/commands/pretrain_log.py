"""What a pretraining did, for people to look at: TensorBoard's log, and one picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive_seg.atomic import replacing
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.collapse import Spectrum, least_rank

if TYPE_CHECKING:
    from contrastive_seg.pretraining.loop import PretrainProgress

PICTURE = "pretraining.png"


class TensorBoardLog:
    """Writes losses, learning rate, speed and the spectrum of the features as TensorBoard reads them.

    Args:
        folder: Where the log goes; a resumed pretraining adds to it.

    Raises:
        ContrastiveSegError: ``missing-package`` where TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ContrastiveSegError(
                "missing-package",
                "The log for TensorBoard cannot be written: the package 'tensorboard' is not installed.",
                "Install it (pip install tensorboard), or leave --tensorboard out.",
            )
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def add(self, progress: PretrainProgress) -> None:
        """Adds a point of every curve."""
        values = {f"loss/{name}": value for name, value in progress.losses.items()}
        values["learning_rate"] = progress.learning_rate
        values["images_per_second"] = progress.images_per_second
        if progress.spectrum is not None:
            values["features/effective_rank"] = progress.spectrum.effective_rank
            values["features/deviation"] = progress.spectrum.deviation
        for name, value in values.items():
            self._writer.add_scalar(name, value, progress.step)

    def close(self) -> None:
        """Brings everything to the disk."""
        self._writer.close()


def draw_history(
    path: Path, losses: Sequence[tuple[int, float]], spectra: Sequence[tuple[int, Spectrum]], method: str
) -> bool:
    """Draws loss, effective rank and singular values of the features into a PNG.

    Returns:
        Whether it was drawn: not where matplotlib is missing or there is nothing to draw.
    """
    if importlib.util.find_spec("matplotlib") is None or not losses or not spectra:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, rank, values = figure.subplots(1, 3)
    loss.plot(*zip(*losses, strict=True), linewidth=1)
    loss.set(title="Loss", xlabel="step")
    rank.plot([step for step, _ in spectra], [one.effective_rank for _, one in spectra], marker="o")
    rank.axhline(least_rank(method), color="tab:red", linestyle="--", label="collapse below")
    rank.set(title="Effective rank of the features", xlabel="step", ylim=(0, None))
    rank.legend(loc="lower right")
    for step, one in (spectra[0], spectra[-1]):
        values.semilogy([max(value, 1e-12) for value in one.singular_values], label=f"step {step}")
    values.set(title="Singular values of the features' covariance", xlabel="number")
    values.legend()
    with replacing(path) as part:
        figure.savefig(part, dpi=110, format="png")
    return True
