"""Which volumes of a folder are to be segmented, and what their masks are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contrastive_seg.commands.pairs import SUFFIXES
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.data.volumes import find_volumes

MARK = "_predicted"
"""End of the names of masks that were made here; such files are no images."""

_UNFIT = re.compile(r'[<>:"\\|?*\x00-\x1f]')


@dataclass(frozen=True)
class FolderCase:
    """A volume of a folder.

    Attributes:
        path: A file, or a folder with DICOM files.
        name: Its path below the folder.
        place: Where its mask belongs below the folder of results, without the format's suffix.
    """

    path: Path
    name: str
    place: str


def find_cases(
    folder: Path, apart: Sequence[Path] = (), on_note: Callable[[str], None] = lambda sentence: None
) -> list[FolderCase]:
    """The volumes of a folder and of the folders in it, in a fixed order.

    Masks that were made here, runs, folders and files that hold labels by their name, and what lies in
    the folder of results are passed over. Sub-folders are kept, so that equal names do not meet.

    Args:
        folder: Where to look; also a table or a single file.
        apart: Folders in which results are put.
        on_note: Told what was passed over.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``bad-table``, ``no-volumes``.
    """
    others = [one.resolve() for one in apart if one.resolve() != folder.resolve()]
    found = []
    for source in find_volumes(folder, on_note):
        here = source.path.resolve()
        if any(one == here or one in here.parents for one in others):
            continue
        if is_mask(source.path.name):
            on_note(f"'{source.name}' was made by a segmentation and is passed over.")
            continue
        found.append(source)
    if not found:
        raise ContrastiveSegError(
            "no-volumes",
            f"There is no volume in '{folder}' that is not a mask.",
            "Choose the folder with the images of the other patients.",
        )
    places = places_of([one.name for one in found])
    return [FolderCase(one.path, one.name, place) for one, place in zip(found, places, strict=True)]


def is_mask(name: str) -> bool:
    """Whether a file is called like a mask that was made here."""
    stem = _stem(name)[0]
    return stem.endswith(MARK) or re.search(rf"{MARK}-\d+$", stem) is not None


def places_of(names: Sequence[str]) -> list[str]:
    """A place for the mask of each volume, all different on every system.

    Args:
        names: Paths with ``/``, or any names.
    """
    parts = [_stem(PurePosixPath(name).name) for name in names]
    folders = [str(PurePosixPath(_fit(name)).parent) for name in names]
    plain = [f"{folder}/{_fit(stem)}" for folder, (stem, _suffix) in zip(folders, parts, strict=True)]
    count = Counter(one.casefold() for one in plain)
    places: list[str] = []
    taken: set[str] = set()
    for one, (_without, suffix) in zip(plain, parts, strict=True):
        ending = suffix.strip(".").replace(".", "_")
        place = f"{one}_{ending}" if ending and count[one.casefold()] > 1 else one
        unique, number = place, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{place}-{number}"
        taken.add(unique.casefold())
        places.append(PurePosixPath(f"{unique}{MARK}").as_posix())
    return places


def _stem(name: str) -> tuple[str, str]:
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    return name, ""


def _fit(name: str) -> str:
    """A name that every system takes: no characters that Windows refuses, no dots at the ends."""
    parts = [_UNFIT.sub("_", part).strip(" .") for part in name.split("/")]
    return "/".join(part or "_" for part in parts)
