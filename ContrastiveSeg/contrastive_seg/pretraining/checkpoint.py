"""Checkpoints of a pretraining: all tensors and the step in one safetensors file, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from contrastive_seg import strict_json
from contrastive_seg.atomic import write_bytes
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.methods.base import Method

NAME = "pretraining.safetensors"
_FORMAT = "1"
_FREE = {"device", "threads", "steps", "epochs", "minutes"}


def save_checkpoint(
    folder: Path,
    method: Method,
    optimizer: torch.optim.Optimizer,
    step: int,
    about: dict[str, Any],
    data: dict[str, Any],
) -> None:
    """Writes the checkpoint, complete or not at all.

    Args:
        folder: Where to.
        method: With its modules and buffers.
        optimizer: With its state.
        step: Steps done.
        about: What else to keep (JSON).
        data: What is learnt from, as :attr:`SliceData.identity` says it.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
    """
    tensors = {f"method/{name}": value.detach().cpu() for name, value in method.state_dict().items()}
    names = [name for name, parameter in method.named_parameters() if parameter.requires_grad]
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimizer/{names[index]}/{key}"] = torch.as_tensor(value).detach().cpu()
    metadata = {
        "format": _FORMAT,
        "step": str(step),
        "settings": json.dumps(asdict(method.settings)),
        "about": json.dumps(about),
        "data": json.dumps(data),
    }
    contiguous = {name: value.contiguous().clone() for name, value in tensors.items()}
    write_bytes(folder / NAME, save(contiguous, metadata))


def refuse_unfinished(folder: Path) -> None:
    """Keeps a new pretraining from writing over the checkpoint of another one.

    Raises:
        ContrastiveSegError: ``unfinished-pretraining`` where the folder holds a checkpoint.
    """
    if (folder / NAME).exists():
        raise ContrastiveSegError(
            "unfinished-pretraining",
            f"'{folder}' holds a pretraining that is not finished.",
            f"Go on with --resume, choose another folder for --output, or delete '{NAME}' there.",
        )


def refuse_nothing_unfinished(folder: Path) -> None:
    """Says that there is nothing to go on with, before any volume is read.

    Raises:
        ContrastiveSegError: ``no-checkpoint`` where the folder holds no checkpoint.
    """
    if not (folder / NAME).is_file():
        raise ContrastiveSegError(
            "no-checkpoint",
            f"'{folder}' holds no interrupted pretraining.",
            "Leave --resume out to begin one.",
        )


def load_checkpoint(
    folder: Path,
    method: Method,
    optimizer: torch.optim.Optimizer,
    data: dict[str, Any],
    on_note: Callable[[str], None],
) -> tuple[int, dict[str, Any]]:
    """Puts everything back where it was.

    Args:
        folder: Of the checkpoint.
        method: Gets its modules and buffers.
        optimizer: Gets its state.
        data: What is learnt from now, as :attr:`SliceData.identity` says it.
        on_note: Told where an earlier version has not kept what was learnt from.

    Returns:
        Steps done, and what else was kept.

    Raises:
        ContrastiveSegError: ``no-checkpoint``, ``bad-checkpoint``, or ``other-settings`` or ``other-data``
            where the checkpoint belongs to a pretraining with other settings or of other volumes.
    """
    refuse_nothing_unfinished(folder)
    path = folder / NAME
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
        step, about = int(metadata["step"]), strict_json.parse(metadata["about"])
        stored = strict_json.parse(metadata["settings"])
        learnt_from = strict_json.parse(metadata.get("data", "{}"))
        if not all(isinstance(one, dict) for one in (stored, about, learnt_from)) or step < 0:
            raise ValueError("what it says of the pretraining is damaged")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise _bad(path, error) from error
    if learnt_from:
        _check_data(learnt_from, data, path)
    else:
        on_note(
            "The checkpoint is of an earlier version, which did not note what it was learnt from: make sure "
            "that --data and the options for the slices are those of then."
        )
    _check_settings(stored, asdict(method.settings), path)
    try:
        method.load_state_dict(
            {name.removeprefix("method/"): v for name, v in tensors.items() if name.startswith("method/")}
        )
    except RuntimeError as error:
        raise _bad(path, "its tensors do not fit") from error
    parameters = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for index, (name, parameter) in enumerate(parameters):
        prefix = f"optimizer/{name}/"
        found = {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}
        if found:
            # In the parameter's own memory layout: a fused optimiser goes through both side by side.
            state[index] = {
                key: torch.empty_like(parameter, dtype=value.dtype).copy_(value)
                if value.shape == parameter.shape
                else value
                for key, value in found.items()
            }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return step, about


def _bad(path: Path, error: object) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-checkpoint",
        f"'{path}' cannot be read ({error}).",
        "Begin the pretraining anew, without --resume.",
    )


def _check_data(stored: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    same = {"slices", "volumes"}
    _check_settings(stored, {name: value for name, value in now.items() if name not in same}, path)
    if any(stored.get(name) != now[name] for name in same):
        raise ContrastiveSegError(
            "other-data",
            f"The pretraining in '{path.parent}' was begun with other volumes "
            f"({stored.get('slices')} slices, now {now['slices']}).",
            "Resume with the same --data, or begin anew in another folder.",
        )


def _check_settings(stored: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    for name, value in now.items():
        if name not in _FREE and name in stored and stored[name] != value:
            raise ContrastiveSegError(
                "other-settings",
                f"The pretraining in '{path.parent}' was begun with --{name.replace('_', '-')} "
                f"{stored[name]}, not {value}.",
                "Resume with the same settings, or begin anew in another folder.",
            )
