"""Checkpoints of a run: safetensors for the tensors, JSON for the rest; never a pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from contrastive_seg import strict_json
from contrastive_seg.atomic import write_bytes, write_json
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.schedule import Schedule
from contrastive_seg.finetuning.trainer import Trainer
from contrastive_seg.networks.build import NETWORKS

VERSION = 1
_MOST_CLASSES = 1024
_WIDEST = 512
TENSORS = "checkpoint.safetensors"


@dataclass
class RunState:
    """Everything of a session that is not a tensor.

    Attributes:
        architecture: Of the network.
        step: Optimiser steps so far.
        round: Rounds begun so far.
        elapsed: Seconds of training in the round under way; 0 once it has ended.
        held_out: Slices kept for the estimate, as [case, axis, index]; fixed for the run's life.
        trained: Slices trained on, likewise; such a slice is never held out later.
        dice: Latest estimate by label value.
        weights: What the card said of the pretrained weights the run began with; empty without any.
        schedules: The steps of each round; fewer than rounds where an older version began the run.
        one_piece: Whether whole volumes were labelled, in each of which all structures hang together.
    """

    architecture: Architecture
    step: int = 0
    round: int = 0
    elapsed: float = 0.0
    held_out: list[list[int]] = field(default_factory=list)
    trained: list[list[int]] = field(default_factory=list)
    dice: dict[int, float] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    schedules: list[Schedule] = field(default_factory=list)
    one_piece: bool = False


def _optimizer_tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    tensors = {}
    names = [name for name, _ in trainer.network.named_parameters()]
    for index, state in trainer.optimizer.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"optimizer/{names[index]}/{key}"] = torch.as_tensor(value)
    return tensors


def save_checkpoint(folder: Path, trainer: Trainer, state: RunState) -> None:
    """Writes ``checkpoint.safetensors`` (everything) and ``checkpoint.json`` (the state, to read).

    Each is written beside and renamed; because the state also lies in the tensors' metadata, a
    crash between the two renames loses nothing.
    """
    state.step = trainer.step_count
    tensors = {f"network/{k}": v for k, v in trainer.network.state_dict().items()}
    tensors |= {f"average/{k}": v for k, v in trainer.average.network.state_dict().items()}
    tensors |= _optimizer_tensors(trainer)
    contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    content = {
        "version": VERSION,
        "architecture": state.architecture.to_dict(),
        "step": state.step,
        "round": state.round,
        "elapsed": round(state.elapsed, 3),
        "held_out": state.held_out,
        "trained": state.trained,
        "dice": {str(k): v for k, v in state.dice.items()},
        "weights": state.weights,
        "schedules": [one.to_dict() for one in state.schedules],
        "one_piece": state.one_piece,
    }
    metadata = {"state": json.dumps(content)}
    write_bytes(folder / TENSORS, save(contiguous, metadata), durable=False)
    write_json(folder / "checkpoint.json", content, durable=False)


def load_state(folder: Path) -> RunState:
    """The non-tensor part of a checkpoint.

    Raises:
        ContrastiveSegError: ``no-checkpoint`` or ``bad-checkpoint``.
    """
    path = folder / TENSORS
    if not path.is_file():
        raise ContrastiveSegError(
            "no-checkpoint",
            f"Nothing has been learnt in the folder '{folder}' (it holds no checkpoint).",
            "Name the folder of a run that has learnt something, or learn from the beginning.",
        )
    try:
        with safe_open(path, framework="pt") as file:
            content = strict_json.parse((file.metadata() or {})["state"])
        if content["version"] != VERSION:
            raise ValueError(f"its version is {content['version']}, this engine reads {VERSION}")
        architecture = _architecture(content["architecture"])
        return RunState(
            architecture,
            int(content["step"]),
            int(content["round"]),
            float(content["elapsed"]),
            [[int(v) for v in row] for row in content["held_out"]],
            [[int(v) for v in row] for row in content["trained"]],
            {int(k): float(v) for k, v in content["dice"].items()},
            dict(content.get("weights", {})),
            [Schedule.from_dict(one) for one in content.get("schedules", [])],
            bool(content.get("one_piece", False)),
        )
    except (
        SafetensorError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        OverflowError,
    ) as error:
        raise _bad(path, error) from error


def _architecture(stored: Any) -> Architecture:
    """The architecture of JSON values, within limits: a network is built before it is filled.

    Raises:
        ValueError: It is none, or could not be trained on any computer.
    """
    values, axes = [int(v) for v in stored["values"]], [int(v) for v in stored["axes"]]
    width, pixel, network = int(stored["width"]), float(stored["pixel"]), str(stored["network"])
    if not 2 <= len(values) <= _MOST_CLASSES or values[0] != 0 or len(set(values)) != len(values):
        raise ValueError("its label values cannot be")
    if not all(0 <= value <= 32767 for value in values) or not axes or not set(axes) <= {0, 1, 2}:
        raise ValueError("its label values or planes cannot be")
    if network not in NETWORKS or not 1 <= width <= _WIDEST or not 0 < pixel < 1e4:
        raise ValueError("its network cannot be")
    return Architecture(tuple(values), width, pixel, tuple(axes), network)


def load_network(folder: Path) -> tuple[RunState, nn.Module]:
    """The network that predicts, on the CPU and in evaluation mode, without anything for training.

    Raises:
        ContrastiveSegError: ``no-checkpoint`` or ``bad-checkpoint``.
    """
    state = load_state(folder)
    path = folder / TENSORS
    network = state.architecture.build()
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith("average/")]  # noqa: SIM118
            network.load_state_dict({name.removeprefix("average/"): file.get_tensor(name) for name in names})
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise _bad(path, error) from error
    return state, network.eval().requires_grad_(False)


def load_tensors(folder: Path, trainer: Trainer) -> None:
    """Fills network, average and optimiser.

    Raises:
        ContrastiveSegError: ``bad-checkpoint``.
    """
    path = folder / TENSORS
    try:
        tensors = load_file(path)
        groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
        for key, value in tensors.items():
            group, _, name = key.partition("/")
            groups[group][name] = value
        trainer.network.load_state_dict(groups["network"])
        trainer.average.network.load_state_dict(groups["average"])
        names = [name for name, _ in trainer.network.named_parameters()]
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in groups["optimizer"].items():
            name, _, part = key.rpartition("/")
            states.setdefault(names.index(name), {})[part] = value
        whole = trainer.optimizer.state_dict()
        trainer.optimizer.load_state_dict({"state": states, "param_groups": whole["param_groups"]})
    except (
        SafetensorError,
        OSError,
        LookupError,
        ValueError,
        RuntimeError,
        TypeError,
        AttributeError,
    ) as error:
        raise _bad(path, error) from error


def _bad(path: Path, error: Exception) -> ContrastiveSegError:
    first_line = (str(error).splitlines() or [""])[0]
    return ContrastiveSegError(
        "bad-checkpoint",
        f"The checkpoint {path} cannot be used: {first_line}.",
        "Start the run from the beginning; its annotations are not lost.",
    )
