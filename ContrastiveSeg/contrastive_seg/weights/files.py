"""Weights in files: ``NAME.safetensors`` with ``NAME.card.json`` beside it; never a pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from contrastive_seg.atomic import make_folder, replacing, write_error
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.agreement import check_agreement, count_parameters
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.layout import BEGINNING, check_layout, refuse_pickle
from contrastive_seg.weights.store import CARD_SUFFIX, TENSORS_SUFFIX, Store, StoredWeights


def save_weights(
    folder_or_file: Path, tensors: Mapping[str, torch.Tensor], card: WeightCard, half: bool = False
) -> WeightCard:
    """Writes weights and their card, both complete or neither.

    Args:
        folder_or_file: A folder, where the files get the card's name, or a name ending with
            ``.safetensors``.
        tensors: By their names, on any device.
        card: ``sha256`` and ``parameters`` are filled in.
        half: Store in float16 what float16 can hold, which halves the size.

    Returns:
        The card that was written.

    Raises:
        ContrastiveSegError: ``bad-card`` where card and tensors disagree, ``nonfinite-weights``,
            ``disk-full`` or ``no-write-permission``.
    """
    path = Path(folder_or_file)
    if path.suffix != TENSORS_SUFFIX:
        path = path / f"{card.name}{TENSORS_SUFFIX}"
    stored = {name: _stored(value, half) for name, value in tensors.items()}
    shapes = {name: tuple(value.shape) for name, value in stored.items()}
    card = card.completed(card.sha256, count_parameters(shapes))
    source = f"The weight card '{card.name}'"
    check_agreement(card, shapes, source)
    _check_finite(stored, f"The weights '{card.name}'")
    data = save(stored, {"format": "pt"})
    card = card.completed(hashlib.sha256(data).hexdigest(), card.parameters)
    write_pair(path, data, card)
    return card


def write_pair(path: Path, data: bytes, card: WeightCard) -> None:
    """Writes a safetensors file and its card.

    Args:
        path: Of the safetensors file.
        data: Its bytes.
        card: With their SHA256.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``; what was there is as before.
    """
    make_folder(path.parent)
    beside = path.with_name(path.stem + CARD_SUFFIX)
    # Both are written in full before either takes its place.
    with replacing(beside) as card_part:
        _write(card_part, card.to_json().encode("utf-8"), beside)
        with replacing(path) as part:
            _write(part, data, path)


def load_weights(
    path_or_name: Path | str, store: Store | None = None
) -> tuple[WeightCard, dict[str, torch.Tensor]]:
    """Reads weights after every check: the card, the file's layout, its SHA256, and that both agree.

    Args:
        path_or_name: Name in the store, file, or folder with one file.
        store: Where names are looked up; None for the usual folders.

    Returns:
        The card and the tensors on the CPU, in float32 where they were stored in less.

    Raises:
        ContrastiveSegError: ``unknown-weights``, ``pickle``, ``no-card``, ``bad-card``,
            ``truncated-weights``, ``wrong-sha256``, ``bad-weights`` or ``nonfinite-weights``.
    """
    found = (store or Store()).find(path_or_name)
    card, data = card_and_bytes(found)
    return card, unpack(found.path, data, card)


def card_and_bytes(found: StoredWeights) -> tuple[WeightCard, bytes]:
    """What :func:`unpack` needs; not yet checked against each other.

    Raises:
        ContrastiveSegError: ``pickle``, ``unreadable-file``, ``no-card`` or ``bad-card``.
    """
    data = read_bytes(found.path)
    if found.card is None:
        assert found.problem is not None
        raise found.problem
    return found.card, data


def unpack(path: Path, data: bytes, card: WeightCard) -> dict[str, torch.Tensor]:
    """The tensors in a file's bytes, after the checks of :func:`load_weights`.

    Args:
        path: Of the file, for the sentences.
        data: The whole file.
        card: That belongs to it.
    """
    shapes = check_layout(path, data)
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.sha256:
        raise ContrastiveSegError(
            "wrong-sha256",
            f"The weights file '{path}' is not the one that its card belongs to: its "
            f"SHA256 is {digest}, the card says {card.sha256 or 'none'}.",
            "The file was damaged or exchanged; get weights and card again from their source.",
        )
    check_agreement(card, shapes, f"The weight card of '{path}'")
    try:
        # From the bytes that were checked: the file may have changed since.
        tensors = {name: _whole(value) for name, value in load(data).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise ContrastiveSegError(
            "bad-weights",
            f"'{path}' cannot be read as weights ({error}).",
            "Get the file again from its source.",
        ) from error
    _check_finite(tensors, f"The weights in '{path}'")
    return tensors


def _stored(value: torch.Tensor, half: bool) -> torch.Tensor:
    """A copy of its own, as it is written."""
    copy = value.detach().cpu().contiguous().clone()
    if half and copy.dtype in (torch.float32, torch.float64, torch.bfloat16):
        small = copy.half()
        too_large = bool((small.isinf() & copy.isfinite()).any())
        # A variance must not become zero; a weight may.
        too_small = copy.ndim == 1 and bool(((small == 0) & (copy != 0)).any())
        return copy if too_large or too_small else small
    return copy


def _whole(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value


def _check_finite(tensors: Mapping[str, torch.Tensor], what: str) -> None:
    wrong = [name for name, value in tensors.items() if not bool(value.isfinite().all())]
    if wrong:
        raise ContrastiveSegError(
            "nonfinite-weights",
            f"{what} hold values that are not finite, in {', '.join(wrong[:5])}"
            f"{f' and {len(wrong) - 5} more' if len(wrong) > 5 else ''}.",
            "The training that made them has diverged; repeat it with a smaller learning rate.",
        )


def read_bytes(path: Path) -> bytes:
    """A whole file that is no pickle.

    Raises:
        ContrastiveSegError: ``pickle`` or ``unreadable-file``.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(BEGINNING)
            refuse_pickle(path, begin)
            return begin + file.read()
    except OSError as error:
        raise ContrastiveSegError(
            "unreadable-file",
            f"The weights file '{path}' cannot be read ({error.strerror or type(error).__name__}).",
            "See that the file is there and that you may read it.",
        ) from error


def _write(part: Path, data: bytes, path: Path) -> None:
    try:
        part.write_bytes(data)
    except OSError as error:
        raise write_error(path, error) from error
