"""Where weights lie: the user's folder, further ones, those of other extensions, and our own.

Plain Python, so that a list of weights can be shown without loading PyTorch. Cards are read, the
tensors are not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.layout import beginning_of, refuse_pickle
from contrastive_seg.weights.sources import EXTENSION, FOLDER, FOLDER_VARIABLE, STARTER, Source, own_folders
from contrastive_seg.weights.sources import sources as usual_sources

__all__ = ["FOLDER_VARIABLE", "Store", "StoredWeights", "card_of", "own_folders", "tensors_of"]

TENSORS_SUFFIX = ".safetensors"
CARD_SUFFIX = ".card.json"
LONE_CARD = "card.json"
"""Name of the card of a folder that holds one file of weights only."""

RECORD_SUFFIX = ".download.json"
"""Of the file that says where downloaded weights came from; weights without it were not downloaded."""


@dataclass(frozen=True)
class StoredWeights:
    """Weights that were found.

    Attributes:
        path: The safetensors file.
        card: What they are; None where the card is missing or not right.
        problem: Why there is no card.
    """

    path: Path
    card: WeightCard | None
    problem: ContrastiveSegError | None = None

    @property
    def name(self) -> str:
        """By which they are chosen: the card's, else the file's."""
        return self.card.name if self.card else self.path.stem


class Store:
    """Weights by name.

    Args:
        folders: Further folders to look in, after the user's.
        user: The user's folder; None for the one that :data:`FOLDER_VARIABLE` names, else
            ``.ContrastiveSeg/Models`` in the home folder.
        extensions: Folders that other extensions ship; None for those that
            :data:`~contrastive_seg.weights.sources.PATH_VARIABLE` names.
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        user: Path | None = None,
        extensions: Sequence[Source] | None = None,
    ) -> None:
        found = usual_sources(folders, user)
        if extensions is not None:
            found = [one for one in found if one.kind != EXTENSION] + list(extensions)
        self.sources = [*found, *(Source(STARTER, folder) for folder in own_folders())]
        self.folders = [one.folder for one in self.sources if one.folder is not None]
        self.user = self.folders[0]

    def list(self) -> list[StoredWeights]:
        """All weights, those of the user first, each folder's by name; right ones or not.

        In folders of other extensions only files that have a card are taken: the others are not ours.
        """
        found: dict[Path, StoredWeights] = {}
        for source in self.sources:
            for path in _tensor_files(source.folder) if source.folder is not None else []:
                if source.kind != EXTENSION or card_of(path).is_file():
                    found.setdefault(_real(path), _read(path))
        return list(found.values())

    def source_of(self, path: Path) -> Source:
        """Where a file of :meth:`list` was found; any other lies in a folder that was named."""
        places = (one for one in self.sources if one.folder is not None and one.folder in path.parents)
        return next(places, Source(FOLDER, path.parent))

    def find(self, name: str | Path) -> StoredWeights:
        """Weights by their name, ``NAME@VERSION``, or the path of their file or folder.

        Of several versions the newest is meant, wherever it lies; of equal ones that whose source
        comes first.

        Raises:
            ContrastiveSegError: ``unknown-weights``, or ``pickle`` for the path of one.
        """
        text = str(name)
        if not isinstance(name, Path):
            wanted, _, version = text.partition("@")
            fitting = [
                one
                for one in self.list()
                if wanted in (one.name, one.path.stem)
                and (not version or (one.card is not None and one.card.version == version))
            ]
            if fitting:  # max() takes the first of equal ones
                return max(fitting, key=lambda one: (one.name == wanted, one.card is not None, _order(one)))
        path = Path(name)
        if _exists(path):
            tensors = tensors_of(path)
            refuse_pickle(tensors, beginning_of(tensors))
            return _read(tensors)
        raise self._unknown(text)

    def _unknown(self, text: str) -> ContrastiveSegError:
        names = list(dict.fromkeys(one.name for one in self.list()))
        near = difflib.get_close_matches(text, names, 3) or names[:8]
        there = f"There are: {', '.join(near)}." if near else f"There are none yet in '{self.user}'."
        return ContrastiveSegError(
            "unknown-weights",
            f"There are no encoder weights called '{text}', and no file or folder of that name.",
            f"{there} Leave the choice of weights out to start without pretrained weights.",
        )


def card_of(tensors: Path) -> Path:
    """The card that belongs to a safetensors file; it need not exist."""
    beside = tensors.with_name(tensors.name.removesuffix(TENSORS_SUFFIX) + CARD_SUFFIX)
    lone = tensors.with_name(LONE_CARD)
    return lone if lone.is_file() and not beside.is_file() else beside


def tensors_of(path: Path) -> Path:
    """The weights' file that a path means: itself, that of a card, or the only one of a folder.

    Raises:
        ContrastiveSegError: ``unknown-weights`` for a folder with none or several of them.
    """
    if path.is_dir():
        files = [one for one in sorted(path.iterdir()) if _is_tensors(one)]
        if len(files) == 1:
            return files[0]
        named = ", ".join(one.name for one in files) or f"no file that ends with {TENSORS_SUFFIX}"
        raise ContrastiveSegError(
            "unknown-weights",
            f"The folder '{path}' does not hold one file of weights; there is: {named}.",
            "Name the file instead of the folder.",
        )
    if path.name == LONE_CARD:
        return tensors_of(path.parent)
    if path.name.endswith(CARD_SUFFIX):
        return path.with_name(path.name.removesuffix(CARD_SUFFIX) + TENSORS_SUFFIX)
    return path


def _tensor_files(folder: Path) -> list[Path]:
    """Of a folder and the folders in it; what cannot be read is passed over."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    files = [one for one in entries if _is_tensors(one)]
    for inner in entries:
        try:
            if inner.is_dir() and not inner.name.startswith("."):
                files += [one for one in sorted(inner.iterdir()) if _is_tensors(one)]
        except OSError:
            continue
    return files


def _is_tensors(path: Path) -> bool:
    return path.name.endswith(TENSORS_SUFFIX) and not path.name.startswith(".") and path.is_file()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError:
        return path


def _read(path: Path) -> StoredWeights:
    try:
        return StoredWeights(path, WeightCard.read(card_of(path)))
    except ContrastiveSegError as error:
        return StoredWeights(path, None, error)


def version_order(version: str) -> tuple[tuple[int, str], ...]:
    """Sorts 1.10 after 1.9."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in re.split(r"[.+-]", version))


def _order(weights: StoredWeights) -> tuple[tuple[int, str], ...]:
    return version_order(weights.card.version if weights.card else "")
