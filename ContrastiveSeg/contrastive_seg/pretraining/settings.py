"""Settings of contrastive pretraining: what each method was published with, and what may be changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import NETWORKS

PRESETS: tuple[str, ...] = ("corrected", "as-published", "as-released")
VIEWS: tuple[str, ...] = ("spatial", "simclr", "moco", "intensity", "upright")
GROUP = 4
"""Slices whose views are drawn together; a process's share of a batch is a multiple of it."""


MACL_MULTIPLE = 64
"""Sides of MACL's slices are multiples of it: a branch sees them at a quarter and halves them four times."""
_STRIDES = {"unet": 16, "echo-unet": 16, "deeplabv3": 8}
"""Pixels of the image along a side of one of the last feature map."""


@dataclass(frozen=True)
class PretrainSettings:
    """Everything that decides about the numbers of a pretraining, the data left out.

    Attributes:
        method: One of :data:`METHODS`.
        preset: ``corrected``, ``as-published`` or ``as-released``.
        network: ``unet``, ``echo-unet`` or ``deeplabv3``.
        width: Channels of the U-Net's first level.
        in_channels: Channels of the image.
        batch: Slices a step, over all processes.
        steps: Optimiser steps in all; None to derive them from ``epochs``.
        epochs: Passes over the slices.
        minutes: The clock decides instead: so long, however many steps that are.
        optimizer: ``sgd`` or ``adam``.
        learning_rate: The highest.
        weight_decay: Of all parameters.
        warm_up: Share of the steps with a rising learning rate.
        schedule: ``cosine`` to zero, or ``constant``.
        views: Which list of augmentations.
        temperature: Of the similarities.
        base_temperature: Factor of the loss, see :class:`~contrastive_seg.losses.NTXentLoss`.
        threshold: Positions closer than this are positives.
        momentum: Share of a momentum encoder that is kept a step.
        queue: Keys that MoCo remembers.
        local_weight: Weight of the local loss.
        grid: Regions along each side for the local loss.
        group_channels: Channels that are whitened together, 0 for no decorrelation.
        intensity: Whether MACL's views also differ in intensity.
        seed: Of every random choice.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: CPU threads, None for all cores.
    """

    method: str = "pcl"
    preset: str = "corrected"
    network: str = "unet"
    width: int = 32
    in_channels: int = 1
    batch: int = 32
    steps: int | None = None
    epochs: float = 100.0
    minutes: float | None = None
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    weight_decay: float = 1e-5
    warm_up: float = 0.0
    schedule: str = "cosine"
    views: str = "spatial"
    temperature: float = 0.1
    base_temperature: float | None = None
    threshold: float = 0.1
    momentum: float = 0.999
    queue: int = 4096
    local_weight: float = 0.5
    grid: int = 4
    group_channels: int = 64
    intensity: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        _one_of("method", self.method, METHODS)
        _one_of("preset", self.preset, PRESETS)
        _one_of("network", self.network, NETWORKS)
        _one_of("optimizer", self.optimizer, ("sgd", "adam"))
        _one_of("schedule", self.schedule, ("cosine", "constant"))
        _one_of("views", self.views, VIEWS)
        for one in fields(self):
            value = getattr(self, one.name)
            _check(one.name, value, not isinstance(value, float) or math.isfinite(value), "a finite number")
        _check("seed", self.seed, -(2**63) <= self.seed < 2**63, "a whole number of at most 18 digits")
        for name in ("temperature", "threshold", "learning_rate", "epochs"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above zero")
        for name in ("width", "in_channels", "queue"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check("group_channels", self.group_channels, self.group_channels >= 0, "0 (for none) or more")
        _check("grid", self.grid, self.grid >= 2, "at least 2")
        _check("batch", self.batch, self.batch >= 2, "at least 2: a contrast needs something to differ from")
        _check("momentum", self.momentum, 0 <= self.momentum <= 1, "between 0 and 1")
        if self.steps is not None:
            _check("steps", self.steps, self.steps >= 1, "at least 1")
        if self.minutes is not None:
            _check("minutes", self.minutes, self.minutes > 0, "a number above zero")
        if self.method.startswith("moco") and self.queue % self.batch:
            raise ContrastiveSegError(
                "bad-setting",
                f"The queue of {self.queue} keys cannot be divided by the batch of {self.batch} slices.",
                f"Use --queue {max(1, round(self.queue / self.batch)) * self.batch}, or another --batch.",
            )
        if self.method == "moco-local-decorrelated" and self.views != "intensity":
            raise ContrastiveSegError(
                "bad-setting",
                f"The views '{self.views}' move the anatomy, but this method compares the same places.",
                "Leave --views out, or use --views intensity.",
            )
        if self.method == "macl" and self.network != "unet":
            raise ContrastiveSegError(
                "bad-setting",
                f"MACL pretrains a decoder too and needs the network 'unet', not '{self.network}'.",
                "Leave --network out, or choose another method.",
            )

    def check_positions(self, positions: str, threshold: float | None) -> None:
        """Whether the threshold fits what positions are.

        Args:
            positions: ``relative`` or ``mm``.
            threshold: As the user has chosen it; None where the default is taken.

        Raises:
            ContrastiveSegError: ``bad-setting``.
        """
        _one_of("positions", positions, ("relative", "mm"))
        if positions == "mm" and threshold is None and self.method in ("pcl", "macl"):
            raise ContrastiveSegError(
                "bad-setting",
                f"With positions in millimetres the usual threshold of {self.threshold:g} would be "
                f"{self.threshold:g} mm.",
                "Say from how many millimetres on slices do not belong together, such as --threshold 5.",
            )

    def check_size(self, size: int) -> None:
        """Whether slices of ``size`` by ``size`` pixels are large enough for the method.

        Raises:
            ContrastiveSegError: ``bad-setting``.
        """
        least = _STRIDES[self.network] * self.grid
        if self.method == "macl":
            fine = size > 0 and size % MACL_MULTIPLE == 0
            _check("size", size, fine, f"a multiple of {MACL_MULTIPLE} for the method 'macl'")
        elif self.method == "moco-local-decorrelated":
            _check("size", size, size >= least, f"at least {least} for the regions of '{self.method}'")

    def step_count(self, slices: int) -> int:
        """Optimiser steps for so many slices."""
        if self.steps is not None:
            return self.steps
        return max(1, math.ceil(self.epochs * (slices // self.batch or 1)))


_SGD: dict[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 1e-5,
    "warm_up": 0.0,
    "views": "spatial",
}
# SGD at 0.1 without a warm-up kills up to half of the channels of the U-Net's centre within minutes,
# and views that turn a slice over forbid features that know left from right: Docs/pretraining.md.
_STEADY: dict[str, Any] = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 1e-5,
    "warm_up": 0.05,
    "views": "upright",
}
_ADAM: dict[str, Any] = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 1e-6,
    "warm_up": 10 / 300,
}
_MOCO: dict[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 0.03,
    "weight_decay": 1e-6,
    "temperature": 0.2,
    "views": "moco",
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "simclr": _STEADY,
    "gcl": _STEADY,
    "pcl": _STEADY,
    "byol": {
        **_ADAM,
        "learning_rate": 3e-4,
        "weight_decay": 1.5e-6,
        "momentum": 0.996,
        "views": "upright",
    },
    "moco": {**_MOCO, "group_channels": 0, "local_weight": 0.0},
    "moco-local-decorrelated": {**_MOCO, "views": "intensity"},
    "macl": {**_STEADY, "base_temperature": 0.07},
}
# How long, and in which batches, is that of the papers in both; 100 epochs of 32 slices are MACL's and ours.
_PCL: dict[str, Any] = {**_SGD, "epochs": 300.0}
_LONG: dict[str, Any] = {"epochs": 300.0, "batch": 64}
_PUBLISHED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("simclr", "gcl", "pcl"), _PCL),
    "byol": {**_LONG, "views": "spatial"},
    "moco": {**_LONG, "queue": 65536},
    "moco-local-decorrelated": {**_LONG, "queue": 65536, "group_channels": 2048},
    "macl": _SGD,
}
_RELEASED: dict[str, dict[str, Any]] = {
    **{name: {**_PCL, "base_temperature": 0.07} for name in ("simclr", "gcl", "pcl")},
    "byol": {**_LONG, "batch": 256, "learning_rate": 0.2, "views": "spatial"},
    "moco": {**_PUBLISHED["moco"], "schedule": "constant"},
    "moco-local-decorrelated": {**_PUBLISHED["moco-local-decorrelated"], "schedule": "constant"},
    "macl": {**_SGD, "learning_rate": 0.01, "intensity": True},
}
# What differs on the networks of the echo paper, whose SimCLR is not that of PCL's code.
_ECHO: dict[str, dict[str, Any]] = {
    "simclr": {**_ADAM, "base_temperature": None, "views": "simclr"},
    "byol": {"views": "simclr"},
}

METHODS: tuple[str, ...] = tuple(_DEFAULTS)
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "queue": ("moco", "moco-local-decorrelated"),
    "group_channels": ("moco-local-decorrelated",),
    "threshold": ("pcl", "macl"),
    "positions": ("pcl", "macl"),
    "temperature": tuple(name for name in METHODS if name != "byol"),
}
POSITIONAL: tuple[str, ...] = ("gcl", "pcl", "macl")
"""Methods that need to know from where in a volume a slice comes."""


def settings_for(
    method: str, preset: str = "corrected", network: str = "unet", **chosen: Any
) -> PretrainSettings:
    """The settings of a method in a preset, with what the user has chosen in their place.

    Args:
        method: One of :data:`METHODS`.
        preset: One of :data:`PRESETS`.
        network: One of :data:`NETWORKS`; on the networks of the echo paper SimCLR and BYOL use its
            optimiser and views.
        chosen: Fields of :class:`PretrainSettings`; None is passed over.

    Raises:
        ContrastiveSegError: ``bad-setting``, naming the field.
    """
    _one_of("method", method, METHODS)
    _one_of("preset", preset, PRESETS)
    values: dict[str, Any] = dict(_DEFAULTS[method])
    if preset == "as-released":
        values.update(_RELEASED.get(method, {}))
    elif preset == "as-published":
        values.update(_PUBLISHED.get(method, {}))
    if network != "unet":
        values.update(_ECHO.get(method, {}))
        if method == "simclr" and preset != "corrected":
            values.update(_LONG)
    values.update({name: value for name, value in chosen.items() if value is not None})
    if method.startswith("moco") and chosen.get("queue") is None:
        batch = int(values.get("batch", PretrainSettings.batch))
        values["queue"] = max(1, values.get("queue", PretrainSettings.queue) // batch) * batch
    known = {one.name for one in fields(PretrainSettings)}
    if unknown := sorted(set(values) - known):
        raise TypeError(f"unknown settings: {', '.join(unknown)}")
    return PretrainSettings(method=method, preset=preset, network=network, **values)


def check_use(method: str, network: str, chosen: Mapping[str, Any]) -> None:
    """Whether the method and the network heed what a person has chosen: nothing is passed over in silence.

    Args:
        method: One of :data:`METHODS`.
        network: One of :data:`NETWORKS`.
        chosen: Fields of :class:`PretrainSettings`, and ``positions``; None is passed over.

    Raises:
        ContrastiveSegError: ``bad-setting``.
    """
    lengths = [f"--{name}" for name in ("steps", "epochs", "minutes") if chosen.get(name) is not None]
    if len(lengths) > 1:
        raise ContrastiveSegError(
            "bad-setting", f"{' and '.join(lengths)} exclude each other.", "Leave all but one of them out."
        )
    for name, methods in _ONLY_FOR.items():
        if chosen.get(name) is not None and method not in methods:
            raise ContrastiveSegError(
                "bad-setting",
                f"The method '{method}' has no use for --{name.replace('_', '-')}.",
                f"Leave it out; it is for {', '.join(methods)}.",
            )
    if chosen.get("width") is not None and network != "unet":
        raise ContrastiveSegError(
            "bad-setting", f"The network '{network}' has one width only.", "Leave --width out."
        )


def replace_batch(settings: PretrainSettings, slices: int) -> PretrainSettings:
    """The settings with the largest batch that so few slices allow, in whole groups where possible."""
    batch = max(2, slices // GROUP * GROUP or slices)
    return replace(settings, batch=batch, queue=max(1, settings.queue // batch) * batch)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ContrastiveSegError(
            "bad-setting", f"The {name} is '{value}'.", f"Use one of {', '.join(known)}."
        )


def _check(name: str, value: Any, fine: bool, wanted: str) -> None:
    if not fine:
        raise ContrastiveSegError(
            "bad-setting",
            f"The setting '{name.replace('_', '-')}' is {value}, but must be {wanted}.",
            f"Change --{name.replace('_', '-')}.",
        )
