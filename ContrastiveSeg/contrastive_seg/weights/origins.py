"""How the original repositories name their tensors, and what those are called here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

Tensors = dict[str, torch.Tensor]
Translation = Callable[[Tensors], Tensors]

_UNIT_VARIANCE = 1.0 - 1e-5
"""With batch norm's epsilon, the variance that leaves values as they are."""


@dataclass(frozen=True)
class Origin:
    """An original repository.

    Attributes:
        name: As the command line calls it.
        title: For sentences.
        method: Of the card.
        clip_percentiles: Of the volumes' intensities there.
        networks: Networks of ours that its checkpoints may be for, each with its translation.
    """

    name: str
    title: str
    method: str
    clip_percentiles: tuple[float, float] | None
    networks: Sequence[tuple[str, Translation]]


def _renamed(state: Tensors, rules: Sequence[tuple[str, Callable[[re.Match[str]], str]]]) -> Tensors:
    """Tensors whose whole name a rule matches, under the name it makes."""
    result: Tensors = {}
    for key, value in state.items():
        for pattern, rename in rules:
            if match := re.fullmatch(pattern, key):
                result[rename(match)] = value
                break
    return result


def _unet(encoder: str, decoder: str) -> Translation:
    """The U-Net of PCL and MACL: one module for each convolution with its norm."""

    def level(match: re.Match[str], place: str) -> str:
        return f"{place}.{int(match[1]) - 1}.{3 * (int(match[2]) - 1) + int(match[3])}.{match[4]}"

    rules = [
        (rf"{encoder}\.contr_(\d)_([12])\.([01])\.(\w+)", lambda m: level(m, "encoder.levels")),
        (rf"{encoder}\.center\.(\d)\.(\w+)", lambda m: f"encoder.levels.4.{m[1]}.{m[2]}"),
        (rf"{decoder}\.upscale(\d)\.(\w+)", lambda m: f"decoder.up.{int(m[1]) - 2}.{m[2]}"),
        (rf"{decoder}\.expand_(\d)_([12])\.([01])\.(\w+)", lambda m: level(m, "decoder.blocks")),
    ]
    return lambda state: _renamed(state, rules)


_ECHO_PREFIX = r"(?:encoder\.|online_network\.encoder\.|(?:model|net|unet)\.)?"


def _echo_unet(state: Tensors) -> Tensors:
    inner = r"double_conv\.(\d)\.(\w+)"
    rules: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"{_ECHO_PREFIX}inc\.{inner}", lambda m: f"encoder.levels.0.{m[1]}.{m[2]}"),
        (
            rf"{_ECHO_PREFIX}down(\d)\.maxpool_conv\.1\.{inner}",
            lambda m: f"encoder.levels.{m[1]}.{m[2]}.{m[3]}",
        ),
        (rf"{_ECHO_PREFIX}up(\d)\.conv\.{inner}", lambda m: f"decoder.blocks.{4 - int(m[1])}.{m[2]}.{m[3]}"),
    ]
    return _renamed(state, rules)


def _resnet(prefix: str) -> Translation:
    """A ResNet-50 with the usual names; its classifier stays behind."""
    rules: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"{prefix}((?:conv1|bn1|layer\d\.\d+\.(?:conv\d|bn\d|downsample\.\d))\.\w+)", _in_body)
    ]

    def translate(state: Tensors) -> Tensors:
        return _without_whitening(_renamed(state, rules))

    return translate


def _in_body(match: re.Match[str]) -> str:
    return f"encoder.body.{match[1]}"


def _without_whitening(tensors: Tensors) -> Tensors:
    """Iterative normalisation in place of a batch norm, as a convolution and a batch norm.

    With the running statistics it is linear: its matrix goes into the convolution before it.
    """
    result = dict(tensors)
    for key in [key for key in tensors if key.endswith(".running_wm")]:
        place = key.removesuffix(".running_wm")
        convolution = re.sub(r"bn(\d)$", r"conv\1", place) + ".weight"
        whitening = result.pop(key).double()
        weight = result[convolution].double()
        channels = weight.shape[0]
        size = whitening.shape[-1]
        grouped = weight.reshape(channels // size, size, -1)
        mean = result[f"{place}.running_mean"].double().reshape(channels // size, size, 1)
        kind = result[convolution].dtype
        result[convolution] = (whitening @ grouped).reshape(weight.shape).to(kind)
        result[f"{place}.running_mean"] = (whitening @ mean).reshape(channels).to(kind)
        result[f"{place}.running_var"] = torch.full((channels,), _UNIT_VARIANCE, dtype=kind)
        result[f"{place}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
        for name in ("weight", "bias"):
            result[f"{place}.{name}"] = result[f"{place}.{name}"].reshape(channels)
    return result


ORIGINS: dict[str, Origin] = {
    origin.name: origin
    for origin in (
        Origin("pcl", "PCL (positional_cl)", "pcl", (1.0, 99.0), [("unet", _unet("encoder", "decoder"))]),
        Origin(
            "macl",
            "MACL",
            "macl",
            None,
            [
                ("unet", _unet("share_encoder", "online_decoder")),
                ("unet", _unet("encoder", "decoder")),
            ],
        ),
        Origin(
            "echo",
            "contrastive-echo",
            "simclr",
            None,
            [
                ("echo-unet", _echo_unet),
                ("deeplabv3", _resnet(r"(?:(?:online_network\.)?encoder|model\.backbone)\.")),
            ],
        ),
        Origin(
            "med-moco",
            "med-moco (med_selfsup)",
            "moco-local-decorrelated",
            None,
            [("deeplabv3", _resnet(r"(?:backbone\.)?"))],
        ),
    )
}
