"""Puts pretrained tensors into a network, or says exactly which do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import FIRST
from contrastive_seg.weights.card import WeightCard

CONTEXT = 3
"""Image channels of a network with more inputs than that: a slice and its two neighbours."""

_NAMED = 60
_CLASSES = {"UNet": "unet", "EchoUNet": "echo-unet", "DeepLabV3": "deeplabv3"}


@dataclass(frozen=True)
class Misfit:
    """A tensor that does not fit.

    Attributes:
        key: Its name in the network, or in the weights where the network has none.
        given: Its shape in the weights; None where they lack it.
        wanted: Its shape in the network; None where that lacks it.
    """

    key: str
    given: tuple[int, ...] | None
    wanted: tuple[int, ...] | None

    def __str__(self) -> str:
        if self.given is None:
            return f"{self.key}: missing in the weights, {self.wanted} in the network"
        if self.wanted is None:
            return f"{self.key}: {self.given} in the weights, unknown to the network"
        return f"{self.key}: {self.given} in the weights, {self.wanted} in the network"


class WeightsDoNotFitError(ContrastiveSegError):
    """``weights-do-not-fit``, with all tensors that do not.

    Args:
        sentence: What is wrong.
        what_to_do: How to get out of it.
        misfits: All of them.
    """

    def __init__(self, sentence: str, what_to_do: str, misfits: list[Misfit]) -> None:
        super().__init__("weights-do-not-fit", sentence, what_to_do)
        self.misfits = misfits


@dataclass(frozen=True)
class LoadReport:
    """What was put into a network.

    Attributes:
        loaded: Names in the network, by part.
        left_out: Parts that were asked for, but that the weights do not have.
        adapted: Sentences about what was changed to fit.
    """

    loaded: dict[str, list[str]]
    left_out: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)


def load_into(
    network: nn.Module,
    card: WeightCard,
    tensors: Mapping[str, torch.Tensor],
    *,
    parts: Sequence[str] = ("encoder", "decoder"),
    image_channels: int | None = None,
    context: Literal["central", "mean"] = "central",
) -> LoadReport:
    """Copies encoder (and decoder) into a network, all of them or nothing.

    The first convolution is adapted to another number of input channels: weights for one channel
    see the central one of the network's image channels, or the mean of them; weights for several
    that do not match are added up first, as for an image repeated in each. Input channels beyond
    the image (priors) begin at zero.

    Args:
        network: With the children ``encoder`` and maybe ``decoder``.
        card: Of the weights.
        tensors: As :func:`~contrastive_seg.weights.files.load_weights` gives them.
        parts: To copy, where the weights have them; at least one must be there.
        image_channels: The network's first input channels that are images, such as neighbouring
            slices; None for all of them, 3 where it has more.
        context: What weights for one channel see of several.

    Raises:
        WeightsDoNotFitError: ``weights-do-not-fit``; the network is as before then.
    """
    state = network.state_dict()
    present = [part for part in parts if part in card.parts]
    if not present:
        raise WeightsDoNotFitError(
            f"The weights '{card.name}' hold {' and '.join(card.parts)}, not {' and '.join(parts)}.",
            "Choose weights with that part, such as those of MACL for a decoder.",
            [],
        )
    copied: dict[str, torch.Tensor] = {}
    misfits: list[Misfit] = []
    adapted: list[str] = []
    loaded: dict[str, list[str]] = {}
    for part in present:
        prefix = card.parts[part]
        given = {f"{part}.{k.removeprefix(prefix)}": v for k, v in tensors.items() if k.startswith(prefix)}
        wanted = {key: value for key, value in state.items() if key.startswith(f"{part}.")}
        first = f"encoder.{FIRST[card.network]}"
        if first in given and first in wanted:
            fitted = _first_convolution(given[first], wanted[first], image_channels, context)
            if fitted is not None and fitted is not given[first]:
                adapted.append(_how(given[first], wanted[first], context))
                given[first] = fitted
        found = _misfits(given, wanted)
        misfits += found
        copied |= given
        loaded[part] = sorted(given)
    if misfits:
        raise _do_not_fit(card, network, misfits)
    with torch.no_grad():
        for key, value in copied.items():
            state[key].copy_(value)
    return LoadReport(loaded, [part for part in parts if part not in card.parts], adapted)


def _first_convolution(
    given: torch.Tensor, wanted: torch.Tensor, image_channels: int | None, context: str
) -> torch.Tensor | None:
    """The first convolution for other inputs; None where it differs in more than its inputs."""
    if given.ndim != 4 or wanted.ndim != 4:
        return None
    if given.shape[0] != wanted.shape[0] or given.shape[2:] != wanted.shape[2:]:
        return None
    channels, inputs = given.shape[1], wanted.shape[1]
    images = min(inputs, image_channels or CONTEXT)
    if channels == inputs and image_channels in (None, inputs):
        return given
    result = torch.zeros(wanted.shape, dtype=given.dtype)
    if channels == images:
        result[:, :images] = given
        return result
    single = given.sum(dim=1, keepdim=True)
    if context == "mean":
        result[:, :images] = single / images
    else:
        result[:, images // 2 : images // 2 + 1] = single
    return result


def _how(given: torch.Tensor, wanted: torch.Tensor, context: str) -> str:
    channels, inputs = given.shape[1], wanted.shape[1]
    many = f"{channels} image channel{'s' if channels > 1 else ''}"
    return f"The first convolution was adapted from {many} to {inputs} input channels ({context})."


def _misfits(given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> list[Misfit]:
    found = []
    for key in [*wanted, *(key for key in given if key not in wanted)]:
        theirs = tuple(given[key].shape) if key in given else None
        ours = tuple(wanted[key].shape) if key in wanted else None
        if theirs != ours:
            found.append(Misfit(key, theirs, ours))
    return found


def _do_not_fit(card: WeightCard, network: nn.Module, misfits: list[Misfit]) -> WeightsDoNotFitError:
    width = f", width {card.width}" if card.width is not None else ""
    begin = (
        f"The weights '{card.name}' ({card.network}{width}) do not fit the network {type(network).__name__}; "
        f"{len(misfits)} of its tensors differ:"
    )
    lines = [f"\n  {one}" for one in misfits[:_NAMED]]
    more = f"\n  and {len(misfits) - _NAMED} more" if len(misfits) > _NAMED else ""
    first = misfits[0]
    other_network = _CLASSES.get(type(network).__name__, card.network) != card.network
    if card.network == "unet" and not other_network and first.given and first.wanted:
        what = (
            f"Build the network with the width {card.width}, or choose weights of the width "
            f"{first.wanted[0]}."
        )
    else:
        what = f"Choose the network '{card.network}', or weights that were pretrained for this one."
    return WeightsDoNotFitError(begin + "".join(lines) + more + "\n", what, misfits)
