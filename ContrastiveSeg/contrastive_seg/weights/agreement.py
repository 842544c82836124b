"""Whether a weight card and the tensors beside it say the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import FIRST
from contrastive_seg.weights.card import WeightCard

Shapes = Mapping[str, tuple[int, ...]]

FIRST_WIDTH = {"echo-unet": 64, "deeplabv3": 64}
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def count_parameters(shapes: Shapes) -> int:
    """Trainable values: all but the statistics of batch norm."""
    return sum(math.prod(s) for name, s in shapes.items() if name.rpartition(".")[2] not in _STATISTICS)


def check_agreement(card: WeightCard, shapes: Shapes, source: str) -> None:
    """Compares what the card says with the tensors.

    Args:
        card: With ``parameters`` filled in.
        shapes: Of the tensors, by name.
        source: Begins the sentence that says what is wrong.

    Raises:
        ContrastiveSegError: ``bad-card``, naming every field that disagrees.
    """
    found = []
    for part, prefix in card.parts.items():
        if not any(name.startswith(prefix) for name in shapes):
            found.append(f"'parts.{part}' is '{prefix}', but no tensor's name begins so")
    foreign = [name for name in shapes if not name.startswith(tuple(card.parts.values()))]
    if foreign:
        found.append(f"'parts' says nothing of {_some(foreign)}")
    found += _first_convolution(card, shapes)
    counted = count_parameters(shapes)
    if card.parameters != counted:
        found.append(f"'parameters' is {card.parameters}, but the tensors hold {counted}")
    if found:
        raise ContrastiveSegError(
            "bad-card",
            f"{source} and its weights disagree: {'; '.join(found)}.",
            "Get weights and card again from one source.",
        )


def _first_convolution(card: WeightCard, shapes: Shapes) -> list[str]:
    prefix = card.parts["encoder"]
    name = prefix + FIRST[card.network]
    if name not in shapes:
        if not any(one.startswith(prefix) for one in shapes):
            return []
        return [f"'network' is {card.network}, but there is no tensor '{name}'"]
    shape = shapes[name]
    if len(shape) != 4:
        return [f"'{name}' has the shape {shape}, which is no convolution's"]
    found = []
    width = FIRST_WIDTH.get(card.network, card.width)
    if shape[0] != width:
        field = "width" if card.network == "unet" else "network"
        said = card.width if card.network == "unet" else card.network
        found.append(f"'{field}' is {said}, but '{name}' has {shape[0]} output channels")
    if shape[1] != card.in_channels:
        found.append(f"'in_channels' is {card.in_channels}, but '{name}' takes {shape[1]}")
    return found


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(f"'{name}'" for name in listed[:5]) + more
