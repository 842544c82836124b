"""Ingredients of the engine that a benchmark can take away for one measurement.

They are taken away by replacing functions, so that the engine has no switches that nobody needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

EVERYTHING = "everything"
_ENGINE = "contrastive_seg"


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Takes one ingredient away."""
    with contextlib.ExitStack() as stack:
        for target, replacement in INGREDIENTS[name]():
            stack.enter_context(mock.patch(f"{_ENGINE}.{target}", replacement))
        yield


Patches = list[tuple[str, Any]]


def _no_growing() -> Patches:
    return [("priors.region_growing.LARGEST_SHARE", 0.0)]


def _prior_is_no_input() -> Patches:
    from contrastive_seg.finetuning.samples import pack_prior

    def unknown(prior: object, classes: int, size: tuple[int, int]) -> Any:
        return pack_prior(None, classes, size)

    return [
        (f"{one}.pack_prior", unknown)
        for one in ("finetuning.samples", "finetuning.trust", "inference.scores")
    ]


def _prior_has_no_vote() -> Patches:
    from contrastive_seg.priors.vote import prior_scores

    return [
        ("inference.scores.prior_scores", lambda distance: 0.0 * prior_scores(distance)),
        *_network_has_its_whole_say(),
    ]


def _network_has_its_whole_say() -> Patches:
    return [("finetuning.session.class_trust", lambda *given: 1.0)]


def _no_imitated_priors() -> Patches:
    from contrastive_seg.finetuning.samples import TrainingSlice

    def draw(sample: TrainingSlice, rng: np.random.Generator, drop: float) -> object:
        if rng.random() < drop or not sample.left_out:
            return None
        return sample.left_out[int(rng.integers(len(sample.left_out)))]

    return [("finetuning.samples.TrainingSlice.draw_prior", draw)]


def _no_whole_slices() -> Patches:
    return [("finetuning.samples.OUTSIDE_SHARE", 0.0)]


def _no_average() -> Patches:
    from contrastive_seg.finetuning.model import MovingAverage

    update = MovingAverage.update

    def newest(average: MovingAverage, network: object, step: int) -> None:
        average.decay = 0.0
        update(average, network, step)  # type: ignore[arg-type]

    return [("finetuning.model.MovingAverage.update", newest)]


def _no_deformation() -> Patches:
    from contrastive_seg.transforms.augmentation import random_deformation

    def still(count: int, size: tuple[int, int], generator: Any) -> Any:
        grid = random_deformation(count, size, generator)
        rows = (2 * np.arange(size[0]) + 1) / size[0] - 1
        columns = (2 * np.arange(size[1]) + 1) / size[1] - 1
        x, y = np.meshgrid(columns, rows)
        return grid.new_tensor(np.stack([x, y], axis=-1)).expand_as(grid)

    return [("finetuning.trainer.random_deformation", still)]


def _no_convolutions() -> Patches:
    return [("transforms.augmentation.CONVOLVED", 0.0)]


def _pointed() -> Patches:
    import torch

    def evenly(low: torch.Tensor, _high: torch.Tensor, way: float) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(low, way), torch.zeros_like(low)

    return [("priors.propagation.round_profile", evenly)]


def _planes_apart() -> Patches:
    import torch

    def by_number(view: Any, plan: Any) -> Any:
        return torch.full((view.count,), float(plan.count))

    def nothing(view: Any, *_given: object) -> np.ndarray:
        return np.zeros(view.size, np.int16)

    return [
        ("finetuning.case_data._slice_weights", by_number),
        ("finetuning.view.View.known_pixels", nothing),
    ]


INGREDIENTS: dict[str, Callable[[], Patches]] = {
    EVERYTHING: list,
    "no regions grown between the contours": _no_growing,
    "contours that end pointed": _pointed,
    "planes that know only their own slices": _planes_apart,
    "contours no input of the network": _prior_is_no_input,
    "contours no vote beside the network": _prior_has_no_vote,
    "network's say not judged": _network_has_its_whole_say,
    "no imitated contours": _no_imitated_priors,
    "no patches of whole slices": _no_whole_slices,
    "no moving average": _no_average,
    "no deformation": _no_deformation,
    "no random convolutions": _no_convolutions,
}

FOR_OTHERS = ("no random convolutions",)
"""Of what only learning for other patients has."""
