"""Deletes weights from the user's folder; never those that came with an extension."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from contrastive_seg import strict_json
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.part_file import PREFIX, remove_all
from contrastive_seg.weights.store import RECORD_SUFFIX, TENSORS_SUFFIX, Store, StoredWeights, card_of

_LARGEST_RECORD = 1 << 16


@dataclass(frozen=True)
class Removed:
    """What was deleted.

    Attributes:
        names: Of the weights.
        size: Bytes that are free now.
    """

    names: tuple[str, ...]
    size: int


def record_of(tensors: Path) -> Path:
    """The record of a download that belongs to a safetensors file; it need not exist."""
    return tensors.with_name(tensors.name.removesuffix(TENSORS_SUFFIX) + RECORD_SUFFIX)


def is_downloaded(weights: StoredWeights) -> bool:
    """Whether weights are still those that were downloaded, and not others of the same name."""
    try:
        record = strict_json.read(record_of(weights.path), _LARGEST_RECORD)
    except (OSError, ValueError):
        return False
    return (
        isinstance(record, dict) and weights.card is not None and record.get("sha256") == weights.card.sha256
    )


def downloaded(store: Store) -> list[StoredWeights]:
    """The weights in the user's folder that came from the catalogue."""
    return [one for one in store.list() if store.user in one.path.parents and is_downloaded(one)]


def removable(store: Store, name: str) -> StoredWeights:
    """Weights of the user by name.

    Raises:
        ContrastiveSegError: ``unknown-weights``, or ``not-yours`` where they lie elsewhere.
    """
    found = store.find(name)
    if _real(store.user) not in _real(found.path).parents or not found.path.is_file():
        raise ContrastiveSegError(
            "not-yours",
            f"The weights '{found.name}' are not in the folder of your own weights, '{store.user}'.",
            "What comes with an extension goes when the extension is uninstalled.",
        )
    return found


def remove(weights: list[StoredWeights], store: Store) -> Removed:
    """Deletes weights with their cards and records, and the folder in the user's that held nothing else.

    Raises:
        ContrastiveSegError: ``no-write-permission``, naming what is still there.
    """
    size = 0
    for one in weights:
        card, record = card_of(one.path), record_of(one.path)
        for path in (one.path, card, record):
            size += _size(path)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise ContrastiveSegError(
                    "no-write-permission",
                    f"'{path}' cannot be deleted ({error.strerror or type(error).__name__}).",
                    "End the programs that use it, or ask for the permission to delete it.",
                ) from error
        if one.path.parent.parent == store.user:
            with contextlib.suppress(OSError):
                one.path.parent.rmdir()
    return Removed(tuple(one.name for one in weights), size)


def remove_unfinished(store: Store) -> int:
    """Deletes what unfinished downloads left in the user's folder; bytes that are free now."""
    sizes = {path: _size(path) for path in store.user.glob(f"{PREFIX}*")}
    return sum(sizes.get(path, 0) for path in remove_all(store.user))


def has_unfinished(store: Store) -> bool:
    """Whether unfinished downloads have left something in the user's folder."""
    return any(store.user.glob(f"{PREFIX}*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError:
        return path
