"""Weights handed on: copies of both files in a folder or in one zip file.

A zip file is never unpacked to a disk: the two files in it are read, checked, and written under the
card's name, so that names in the archive lead nowhere. One with names that try is refused all the same.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contrastive_seg.atomic import make_folder, replacing, write_error
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import card_and_bytes, save_weights, unpack, write_pair
from contrastive_seg.weights.store import CARD_SUFFIX, LONE_CARD, TENSORS_SUFFIX, Store
from contrastive_seg.weights.zip_members import plain_files

_LARGEST = 4 << 30
_LARGEST_CARD = 1 << 20


@dataclass(frozen=True)
class Copied:
    """Weights that were written.

    Attributes:
        card: Of them.
        path: The safetensors file, or the zip file.
    """

    card: WeightCard
    path: Path


def export_weights(
    name: str | Path,
    target: Path,
    store: Store | None = None,
    half: bool = False,
    *,
    overwrite: bool = False,
) -> Copied:
    """Writes weights with their card elsewhere, after checking them.

    Args:
        name: In the store, or a path.
        target: A zip file, a ``.safetensors`` file, or a folder.
        store: Where names are looked up.
        half: Store them in float16.
        overwrite: Whether a file that is there already may be replaced.

    Raises:
        ContrastiveSegError: ``weights-exist``, and as :func:`~contrastive_seg.weights.files.load_weights` and
            :func:`~contrastive_seg.weights.files.save_weights`.
    """
    found = (store or Store()).find(name)
    card, data = card_and_bytes(found)
    tensors = unpack(found.path, data, card)
    packed = target.suffix.lower() == ".zip"
    if half and packed:
        raise ContrastiveSegError(
            "usage",
            "A zip file takes weights as they are.",
            "Leave --half out, or export to a folder.",
        )
    path = target if packed else _place(target, card)
    if path.exists() and not overwrite:
        raise ContrastiveSegError(
            "weights-exist",
            f"'{path}' exists already.",
            "Choose another --output, or replace it with --overwrite.",
        )
    if half:
        return Copied(save_weights(path, tensors, card, half=True), path)
    if not packed:
        write_pair(path, data, card)
        return Copied(card, path)
    make_folder(target.parent)
    try:
        with replacing(target) as part, zipfile.ZipFile(part, "w") as archive:
            archive.writestr(f"{card.name}{TENSORS_SUFFIX}", data)
            archive.writestr(f"{card.name}{CARD_SUFFIX}", card.to_json())
    except OSError as error:
        raise write_error(target, error) from error
    return Copied(card, target)


def import_weights(source: Path, target: Path, *, overwrite: bool = False, name: str | None = None) -> Copied:
    """Copies weights in our format (file, folder, or zip file) to where they are found by name.

    Args:
        source: What was exported.
        target: The folder of weights.
        overwrite: Whether other weights of that name may be replaced.
        name: A new name; None for their own.

    Raises:
        ContrastiveSegError: ``unknown-weights``, ``pickle``, ``bad-archive``, ``weights-exist``, and
            what loading and saving raise.
    """
    if source.suffix.lower() == ".zip":
        card, data = _from_zip(source)
    else:
        card, data = card_and_bytes(Store(user=target).find(source))
    unpack(source, data, card)
    if name is not None:
        card = card.renamed(name)
    path = free_place(target, card, overwrite)
    write_pair(path, data, card)
    return Copied(card, path)


def free_place(target: Path, card: WeightCard, overwrite: bool) -> Path:
    """Where the weights of a card go: a file in the folder, which must not be there yet.

    Raises:
        ContrastiveSegError: ``weights-exist``.
    """
    path = _place(target, card)
    if path.exists() and not overwrite:
        raise ContrastiveSegError(
            "weights-exist",
            f"There are weights in '{path}' already.",
            "Choose another name with --name, or replace them with --overwrite.",
        )
    return path


def _place(target: Path, card: WeightCard) -> Path:
    return target if target.suffix == TENSORS_SUFFIX else target / f"{card.name}{TENSORS_SUFFIX}"


def _from_zip(source: Path) -> tuple[WeightCard, bytes]:
    try:
        if source.stat().st_size > _LARGEST + _LARGEST_CARD:
            raise _bad(source, "it is too large")
        with zipfile.ZipFile(source) as archive:
            members = plain_files(archive, _LARGEST + _LARGEST_CARD)
            names = [PurePosixPath(one.filename).name for one in members]
            if "data.pkl" in names:
                raise _pickle(source)
            tensors = [one for one in members if one.filename.endswith(TENSORS_SUFFIX)]
            cards = [
                one
                for one, name in zip(members, names, strict=True)
                if name.endswith(CARD_SUFFIX) or name == LONE_CARD
            ]
            if len(tensors) != 1 or len(cards) != 1:
                raise _bad(source, f"it holds {len(tensors)} files of weights and {len(cards)} cards")
            if tensors[0].file_size > _LARGEST or cards[0].file_size > _LARGEST_CARD:
                raise _bad(source, "what it holds is too large")
            card_data, data = archive.read(cards[0]), archive.read(tensors[0])
    except ContrastiveSegError:
        raise
    # Of damaged files zipfile and the four unpackers behind it tell by exceptions of many kinds.
    except Exception as error:
        raise _bad(source, str(error) or type(error).__name__) from error
    try:
        text = card_data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(source, "its card is no text in UTF-8") from error
    return WeightCard.from_json(text, f"The weight card in '{source}'"), data


def _bad(source: Path, how: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-archive",
        f"The file '{source}' does not hold weights with their card: {how}.",
        "Get a file that 'contrastive-seg weights export' wrote.",
    )


def _pickle(source: Path) -> ContrastiveSegError:
    return ContrastiveSegError(
        "pickle",
        f"'{source}' is a PyTorch checkpoint, a Python pickle. Such a file can run any program when it is "
        "opened, so it is never loaded.",
        "A checkpoint of one of the original repositories, from a source that you trust, can be converted "
        "once with 'contrastive-seg weights import --from'.",
    )
