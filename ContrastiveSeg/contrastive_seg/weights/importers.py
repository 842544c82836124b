"""Converts checkpoints of the original repositories, once and only when asked to.

The only place where a pickle is opened, and with ``weights_only=True``: PyTorch then builds tensors
and plain containers and refuses everything else. Names are translated; projection heads, momentum
copies and optimisers are left behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from contrastive_seg import __version__
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.build import FIRST
from contrastive_seg.weights.card import Preprocessing, WeightCard
from contrastive_seg.weights.expected import check_complete
from contrastive_seg.weights.origins import ORIGINS, Origin, Tensors

_CONTAINERS = ("net", "state_dict", "model_state_dict", "model")
_NOT_STATED = "not stated by its authors"
_LONGEST = 60
"""Characters of a file's name that go into the name of its weights."""


def import_checkpoint(
    origin_name: str,
    path: Path,
    *,
    name: str | None = None,
    method: str | None = None,
    modality: str = "unknown",
    anatomy: str = "unknown",
    licence: str = _NOT_STATED,
) -> tuple[WeightCard, dict[str, torch.Tensor]]:
    """Reads and translates a checkpoint of an original repository.

    Args:
        origin_name: One of :data:`~contrastive_seg.weights.origins.ORIGINS`.
        path: The .pth, .pt or .ckpt file. It should come from a source that one trusts.
        name: Of the new weights; None for the origin's and the file's.
        method: Of pretraining; None for what the origin is known for.
        modality: For the card.
        anatomy: For the card.
        licence: For the card.

    Returns:
        Card (still without SHA256) and tensors, for
        :func:`~contrastive_seg.weights.files.save_weights`.

    Raises:
        ContrastiveSegError: ``unknown-origin``, ``unreadable-file``, ``unsafe-checkpoint`` where it
            holds more than tensors, or ``foreign-checkpoint`` where it is not of that repository.
    """
    origin = _origin(origin_name)
    state = _state_of(_open(path), path)
    network, tensors = _translated(origin, state, path)
    first = tensors[f"encoder.{FIRST[network]}"]
    width = int(first.shape[0]) if network == "unet" else None
    check_complete(network, width, tensors, f"'{path}' is no complete checkpoint of {origin.title}")
    parts = {part: f"{part}." for part in ("encoder", "decoder") if any(k.startswith(part) for k in tensors)}
    card = WeightCard(
        name=name or f"{origin.name}-{_plain_name(path)}",
        method=method or ("byol" if any(k.startswith("online_network.") for k in state) else origin.method),
        network=network,
        width=width,
        in_channels=int(first.shape[1]),
        modality=modality,
        anatomy=anatomy,
        licence=licence,
        engine_version=__version__,
        preprocessing=Preprocessing(clip_percentiles=origin.clip_percentiles),
        parts=parts,
        command=f"contrastive-seg weights import --from {origin.name} {path.name}",
    )
    return card, tensors


def _origin(name: str) -> Origin:
    if name in ORIGINS:
        return ORIGINS[name]
    if name == "mcsc":
        raise ContrastiveSegError(
            "unknown-origin",
            "Checkpoints of MCSC hold a small U-Net and a Swin-UNet, which are none of the networks that "
            "pretrained weights are for.",
            f"Weights can be imported from {', '.join(ORIGINS)}.",
        )
    raise ContrastiveSegError(
        "unknown-origin",
        f"'{name}' is none of the repositories whose checkpoints can be converted.",
        f"Choose one of {', '.join(ORIGINS)}.",
    )


def _open(path: Path) -> Any:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ContrastiveSegError(
            "unreadable-file",
            f"The checkpoint '{path}' cannot be read ({error.strerror or type(error).__name__}).",
            "See that the file is there and that you may read it.",
        ) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # Whatever is wrong with the file, its reader tells by exceptions of many kinds.
    except Exception as error:
        blocked = re.search(r"(?:GLOBAL|class|function)[:\s]+'?([\w.]+)'?", str(error))
        if "weights_only" in str(error).lower() or "Unsupported" in str(error):
            what = f", such as {blocked[1]}" if blocked else ""
            raise ContrastiveSegError(
                "unsafe-checkpoint",
                f"The checkpoint '{path}' is no file of tensors alone, so it is not opened: it holds other "
                f"objects{what}, or it is damaged.",
                "Where the checkpoint was made, save its tensors alone: "
                "torch.save({'state_dict': checkpoint['state_dict']}, 'tensors.pth'), and import that.",
            ) from error
        first_line = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise ContrastiveSegError(
            "unreadable-file",
            f"'{path}' cannot be read as a PyTorch checkpoint ({first_line}).",
            "Copy or download it again.",
        ) from error


def _state_of(loaded: Any, path: Path) -> Tensors:
    """The tensors by name, out of whatever a training script has put around them."""
    for _ in range(3):
        if not isinstance(loaded, Mapping):
            break
        inner = next((loaded[key] for key in _CONTAINERS if isinstance(loaded.get(key), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    found = (
        {str(k).removeprefix("module."): v for k, v in loaded.items() if isinstance(v, torch.Tensor)}
        if isinstance(loaded, Mapping)
        else {}
    )
    if not found:
        raise ContrastiveSegError(
            "foreign-checkpoint",
            f"The checkpoint '{path}' holds no network: there are no tensors with names in it.",
            "Give the file that the pretraining saved last.",
        )
    return found


def _translated(origin: Origin, state: Tensors, path: Path) -> tuple[str, Tensors]:
    for network, translate in origin.networks:
        tensors = translate(state)
        if f"encoder.{FIRST[network]}" in tensors:
            return network, {key: value.detach().clone() for key, value in tensors.items()}
    some = ", ".join(f"'{key}'" for key in list(state)[:4])
    raise ContrastiveSegError(
        "foreign-checkpoint",
        f"'{path}' is no checkpoint of {origin.title}; it holds {some} and so on.",
        f"Name the repository that it comes from: one of {', '.join(ORIGINS)}.",
    )


def _plain_name(path: Path) -> str:
    return re.sub(r"[^\w+-]+", "-", path.stem)[:_LONGEST].strip("-") or "weights"
