"""Settings of one fine-tuning run."""

from __future__ import annotations

from dataclasses import dataclass

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import NETWORKS

SEMI_SUPERVISED: tuple[str, ...] = ("", "mcsc")
WITH_MAPS: tuple[str, ...] = ("unet",)
"""Networks that can be the first one of multi-scale cross contrast."""

BUDGETS = {"quick": 60.0, "balanced": 180.0, "best": 600.0}
"""Seconds from Start to the finished mask for each named budget."""


_PARTNER_COST = 5
"""How much longer a step takes with a second network, about (measured on a CPU)."""


@dataclass(frozen=True)
class FinetuneSettings:
    """What a user may choose; everything else follows from the data and the budget.

    Attributes:
        budget: Wall-clock seconds from the call of ``train`` to the finished prediction.
        seed: Seed of every random choice, 0 or more.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        weights: Name or path of pretrained weights, None for random initialisation. Network and width
            are theirs then.
        network: Without pretrained weights: ``unet``, ``echo-unet`` or ``deeplabv3``.
        freeze: Share of the training, from its beginning, in which a pretrained encoder stays as it is.
        semi_supervised: ``mcsc`` to learn from slices without truth too, or empty.
        threads: CPU threads, None for all cores.
        steps: Exactly so many optimiser steps a round instead of what the budget allows, for a
            result that does not depend on the speed of the machine.
    """

    budget: float = BUDGETS["quick"]
    seed: int = 0
    device: str = "auto"
    weights: str | None = None
    threads: int | None = None
    steps: int | None = None
    network: str = "unet"
    freeze: float = 0.0
    semi_supervised: str = ""

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise ContrastiveSegError(
                "bad-budget",
                f"The time budget is {self.budget} seconds, but must be more than zero.",
                "Choose quick, balanced, best, or a number of seconds such as 60.",
            )
        check_seed(self.seed)
        if self.network not in NETWORKS:
            raise ContrastiveSegError(
                "bad-setting",
                f"There is no network called '{self.network}'.",
                f"Use one of {', '.join(NETWORKS)}.",
            )
        if self.semi_supervised not in SEMI_SUPERVISED:
            raise ContrastiveSegError(
                "bad-setting",
                f"There is no semi-supervised method called '{self.semi_supervised}'.",
                "Use mcsc, or none.",
            )
        self.check_network(self.network)
        if not 0 <= self.freeze <= 1:
            raise ContrastiveSegError(
                "bad-setting",
                f"The share of the training with a frozen encoder is {self.freeze}, but must be 0 to 1.",
                "Use 0 to train the encoder from the beginning, 1 to leave it as it is.",
            )

    @property
    def seconds_for_one(self) -> float:
        """The budget that a network learning alone would need for as many steps.

        What can be trained in a time depends on what a step costs: with a partner that learns too, and twice
        the patches, about five times as much. A network that is too large for that makes so few steps that
        its masks are worse than the contours that it is told.
        """
        return self.budget / (_PARTNER_COST if self.semi_supervised else 1)

    def check_network(self, network: str) -> None:
        """Whether a network, such as that of pretrained weights, can do what is wanted.

        Raises:
            ContrastiveSegError: ``bad-setting``.
        """
        if self.semi_supervised and network not in WITH_MAPS:
            raise ContrastiveSegError(
                "bad-setting",
                f"Semi-supervised learning needs the network {' or '.join(WITH_MAPS)}, not '{network}'.",
                "Choose other weights or another network, or learn from painted slices only.",
            )


def check_seed(seed: int) -> None:
    """Whether a seed is one for all that draw random numbers.

    Raises:
        ContrastiveSegError: ``bad-setting``.
    """
    if not 0 <= seed < 2**63:
        raise ContrastiveSegError(
            "bad-setting", f"The seed is {seed}.", "Use a whole number from 0 on, with at most 18 digits."
        )


def network_width(budget: float) -> int:
    """Channels of the first level of the U-Net that a budget can train."""
    return 16 if budget < 150 else 24 if budget < 400 else 32


def region_pixels(budget: float) -> int:
    """Pixels of the region of interest that a budget can look at, a slice."""
    return 96**2 if budget < 150 else 144**2 if budget < 400 else 192**2


def parse_budget(text: str) -> float:
    """Seconds of a budget given as ``quick``, ``balanced``, ``best`` or a number of seconds.

    Raises:
        ContrastiveSegError: ``bad-budget`` when it is none of these.
    """
    if text.strip().lower() in BUDGETS:
        return BUDGETS[text.strip().lower()]
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ContrastiveSegError(
            "bad-budget",
            f"'{text}' is not a time budget.",
            "Use quick, balanced, best, or a number of seconds above zero such as 60.",
        )
    return seconds
