"""Whether an exported network gives what the original gives, on real slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from contrastive_seg.data.orientation import Orientation
from contrastive_seg.data.read import read_volume
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export.source import Source
from contrastive_seg.finetuning.samples import pack_prior
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.inference.scores import Stopped, network_scores
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.worker.arrays import open_volume

TOLERANCE = 1e-3
"""Largest difference of scores, which go from -6 to 6; rounding makes about 1e-5."""

_SLICES = 3
_CUT = (5, 9)
"""Pixels left out at the end of one more slice: sides that are multiples of nothing."""

Runner = Callable[[torch.Tensor], np.ndarray]
"""Scores (B, C, H, W) of slices (B, 3, H, W)."""


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        max_difference: Largest absolute difference of a score.
        same_labels: Share of pixels that get the same label, 0 to 1.
        slices: So many were compared.
    """

    max_difference: float
    same_labels: float
    slices: int


@dataclass(frozen=True)
class Sample:
    """Real slices and what the engine says of them.

    Attributes:
        slices: As the exported network takes them, (1, 3, h, w).
        scores: What the engine's own network gives, (1, C, h, w).
    """

    slices: torch.Tensor
    scores: np.ndarray


def samples(source: Source, image: Path | None, should_stop: Callable[[], bool]) -> list[Sample]:
    """Slices spread over the run's first image (or another one), along the plane painted most.

    Args:
        source: Whose network is compared.
        image: Another image file; None for the run's own.
        should_stop: True raises :class:`~contrastive_seg.inference.scores.Stopped`.

    Raises:
        ContrastiveSegError: ``no-image`` where the run's own image is no longer there.
    """
    architecture = source.state.architecture
    given = _image(source, image)
    volume = Orientation.of(given).turn(given)
    axis = architecture.axes[0]
    normalisation = Normalisation.of(volume.array)
    view = View(volume, normalisation, axis, whole_plane(volume, axis), architecture.pixel)
    places = np.linspace(0, view.count - 1, _SLICES + 2).round().astype(int)[1:-1]
    found = []
    for index in sorted({int(place) for place in places}):
        if should_stop():
            raise Stopped
        found.append(_sample(source, view.context([index]), view.inner))
    height, width = view.inner
    if height > 2 * _CUT[0] + 16 and width > 2 * _CUT[1] + 16:
        found.append(_sample(source, None, (height - _CUT[0], width - _CUT[1]), found[0].slices))
    return found


def _sample(
    source: Source,
    padded: torch.Tensor | None,
    inner: tuple[int, int],
    slices: torch.Tensor | None = None,
) -> Sample:
    """What the engine says of a slice, the way it always does it: with the prior packed outside."""
    if padded is None:
        assert slices is not None
        cut = slices[..., : inner[0], : inner[1]]
        below, right = (-inner[0] % 16, -inner[1] % 16)
        padded = torch.nn.functional.pad(cut, (0, right, 0, below), mode="replicate")
    classes = len(source.state.architecture.values)
    prior = pack_prior(None, classes, (padded.shape[-2], padded.shape[-1]))[None]
    with torch.inference_mode():
        found = network_scores(source.network(torch.cat([padded, prior], dim=1)))
    scores = torch.cat([torch.zeros_like(found[:, :1]), found], dim=1)
    part = (..., slice(0, inner[0]), slice(0, inner[1]))
    return Sample(padded[part].clone(), scores[part].numpy())


def _image(source: Source, image: Path | None) -> Volume:
    if image is not None:
        return read_volume(image)
    try:
        job = source.folder.read_job()
        return open_volume(source.folder, job.cases[0], 0)
    except (ContrastiveSegError, IndexError) as error:
        reason = error.sentence if isinstance(error, ContrastiveSegError) else "the run names no image"
        raise ContrastiveSegError(
            "no-image",
            f"What is exported is compared with the original on the run's own image, which cannot be read: "
            f"{reason}",
            "Put the image back, or name another one of the same kind (on the command line: --image FILE).",
        ) from error


def compare(runner: Runner, real: list[Sample], should_stop: Callable[[], bool]) -> Comparison:
    """Compares an exported network with the engine's.

    Args:
        runner: Calls what was loaded again from its file.
        real: Of :func:`samples`.
        should_stop: True raises :class:`~contrastive_seg.inference.scores.Stopped`.

    Raises:
        ContrastiveSegError: ``export-differs``.
    """
    largest, same, pixels = 0.0, 0, 0
    for one in real:
        if should_stop():
            raise Stopped
        scores = runner(one.slices)
        if scores.shape != one.scores.shape:
            raise _differs(f"it gives an array of {scores.shape} instead of {one.scores.shape}")
        difference = float(np.abs(scores - one.scores).max())
        largest = max(largest, difference if np.isfinite(difference) else np.inf)
        labels = scores.argmax(axis=1)
        same += int((labels == one.scores.argmax(axis=1)).sum())
        pixels += labels.size
    if not largest <= TOLERANCE:
        raise _differs(f"scores differ by up to {largest:.3g}, and no more than {TOLERANCE:g} is tolerated")
    return Comparison(largest, same / pixels, len(real))


def _differs(how: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "export-differs",
        f"The exported model does not give what the original gives: {how}. It was not kept.",
        "Use another format, or other versions of PyTorch and of the format's packages.",
    )
