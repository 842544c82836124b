"""Which volumes a folder or a table holds."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from contrastive_seg.errors import ContrastiveSegError

SUFFIXES: tuple[str, ...] = (
    *(".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff"),
)
_LONGEST_FIRST = sorted(SUFFIXES, key=len, reverse=True)
_LABEL_FOLDERS = re.compile(r"(labels?|masks?|segmentations?|scribbles?|annotations?)(tr|ts|val)?", re.I)
_LABEL_FILES = re.compile(r"(.*[\W_])?(labels?|masks?|segmentations?|seg|scribbles?|annotations?)", re.I)
"""Names without suffix, such as ``segmentation`` or ``patient1_seg`` beside ``patient1_t1``."""

_RUN_FILES = {"job.json", "checkpoint.json"}
_RUN_FOLDERS = {"predictions", "uncertainty", "others"}
_COLUMNS = ("image", "first", "last", "clip")
_DICOM_MARK = b"DICM"
_DICOM_INDEX = "dicomdir"
"""On every CD: DICOM, but no image; with it the folder would stand for the longest series below it."""


@dataclass(frozen=True)
class VolumeSource:
    """A volume that has not been read yet.

    Attributes:
        path: A file or a folder with one DICOM series.
        name: Path relative to where it was looked for, or the clip's name.
        first: First slice to use, counted from 0 along the plane.
        last: Last slice to use; None for all.
        frames: The 2D images that follow each other as one clip; empty for anything else.
    """

    path: Path
    name: str
    first: int = 0
    last: int | None = None
    frames: tuple[Path, ...] = ()


def find_volumes(source: Path, on_note: Callable[[str], None] = lambda sentence: None) -> list[VolumeSource]:
    """The volumes of a folder (and of the folders in it), or of a CSV table; in a fixed order.

    Folders and files that hold labels by their name are passed over, and so is what ``finetune`` has left in
    the folder of a run. A table has the column
    ``image`` (a path, relative to the table) and may have ``first`` and ``last`` (slices to use,
    counted from 0) and ``clip`` (2D images with the same name there are frames of one clip, in the
    order of the rows).

    Args:
        source: A folder, a ``.csv`` file, or a single volume.
        on_note: Told what was passed over.

    Raises:
        ContrastiveSegError: ``unreadable-file``, ``bad-table``, ``no-volumes``.
    """
    source = Path(source)
    if not source.exists():
        raise ContrastiveSegError(
            "unreadable-file", f"'{source}' does not exist.", "Check the name of the folder or table."
        )
    if source.is_dir():
        found = list(_in_folder(source, source, on_note))
    elif source.suffix.lower() == ".csv":
        found = _in_table(source)
    else:
        found = [VolumeSource(source, source.name)]
    if not found:
        raise ContrastiveSegError(
            "no-volumes",
            f"There is no volume in '{source}'.",
            "Give a folder with NIfTI, NRRD, MHA/MHD, DICOM, PNG, JPG or TIF files, or a CSV table with "
            "their paths in the column 'image'.",
        )
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sorts ``frame_2`` before ``frame_10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _in_folder(folder: Path, root: Path, on_note: Callable[[str], None]) -> Iterator[VolumeSource]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (natural(entry.name), entry.name))
    except OSError as error:
        raise ContrastiveSegError(
            "unreadable-file",
            f"The folder '{folder}' cannot be read: {error.strerror}.",
            "Check its permissions and whether its disk is connected.",
        ) from error
    is_run = any(entry.name in _RUN_FILES for entry in entries)
    if is_run:
        place = "" if folder == root else f"'{folder.relative_to(root)}' "
        on_note(f"The folder {place}is that of a run; its masks are passed over, and all other files in it.")
    dicom: list[Path] = []
    folders: list[Path] = []
    for entry in entries:
        path = Path(entry.path)
        name = entry.name.lower()
        if name.startswith("."):
            continue
        if is_run and (name in _RUN_FOLDERS or not entry.is_dir()):
            continue
        if entry.is_dir():
            if not (entry.is_symlink() and _leads_up(path)):
                folders.append(path)
        elif ".seg." in name or (name.endswith(SUFFIXES) and _LABEL_FILES.fullmatch(_stem(name))):
            on_note(f"'{path.relative_to(root)}' holds labels by its name and is passed over.")
        elif name.endswith(SUFFIXES):
            yield VolumeSource(path, path.relative_to(root).as_posix())
        elif _is_dicom(path):
            dicom.append(path)
    yield from _dicom_volumes(folder, dicom, root)
    for path in folders:
        if _LABEL_FOLDERS.fullmatch(path.name):
            on_note(f"The folder '{path.relative_to(root)}' holds labels by its name and is passed over.")
        else:
            yield from _in_folder(path, root, on_note)


def _stem(name: str) -> str:
    """A file's name without the suffix of its format, which may have two parts."""
    return name.removesuffix(next(one for one in _LONGEST_FIRST if name.endswith(one)))


def _leads_up(link: Path) -> bool:
    """Whether a link leads to a folder that it lies in."""
    target = link.resolve()
    here = link.parent.resolve()
    return target == here or target in here.parents


def _is_dicom(path: Path) -> bool:
    if path.name.lower() == _DICOM_INDEX:
        return False
    if path.suffix.lower() not in ("", ".dcm", ".dicom", ".ima") and not path.suffix[1:].isdecimal():
        return False
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == _DICOM_MARK
    except OSError:
        return False


def _dicom_volumes(folder: Path, files: list[Path], root: Path) -> Iterator[VolumeSource]:
    """Files with several frames are volumes of their own, all others together are one series."""
    single = []
    for path in files:
        if _frames(path) > 1:
            yield VolumeSource(path, path.relative_to(root).as_posix())
        else:
            single.append(path)
    if single:
        relative = folder.relative_to(root).as_posix()
        yield VolumeSource(folder, folder.name if relative == "." else relative)


def _frames(path: Path) -> int:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return 1  # the series reader says what is wrong with it
    size = reader.GetSize()
    return int(size[2]) if len(size) > 2 else 1


def _in_table(table: Path) -> list[VolumeSource]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            separator = ";" if sample.split("\n")[0].count(";") > sample.split("\n")[0].count(",") else ","
            reader = csv.DictReader(file, delimiter=separator, skipinitialspace=True)
            names = [str(name).strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContrastiveSegError(
            "bad-table",
            f"The table '{table}' cannot be read: {error}.",
            "Save it as CSV with the encoding UTF-8.",
        ) from error
    if "image" not in names:
        raise ContrastiveSegError(
            "bad-table",
            f"The table '{table}' has no column 'image'.",
            f"Name the columns in its first line; known are {', '.join(_COLUMNS)}.",
        )
    volumes: list[VolumeSource] = []
    clips: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        text = (row.get("image") or "").strip()
        if not text:
            continue
        path = table.parent / text
        clip = (row.get("clip") or "").strip()
        if clip and clip in clips:
            whole = volumes[clips[clip]]
            volumes[clips[clip]] = VolumeSource(whole.path, clip, frames=(*whole.frames, path))
            continue
        first, last = (_slice_number(row.get(name), name, line, table) for name in ("first", "last"))
        if last is not None and last < (first or 0):
            raise _bad_cell(table, line, f"ends at slice {last}, before its first slice {first or 0}")
        if clip:
            clips[clip] = len(volumes)
        volumes.append(VolumeSource(path, clip or text, first or 0, last, (path,) if clip else ()))
    return volumes


def _slice_number(text: str | None, name: str, line: int, table: Path) -> int | None:
    text = (text or "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise _bad_cell(table, line, f"has '{text}' in the column '{name}'")
    return int(text)


def _bad_cell(table: Path, line: int, what: str) -> ContrastiveSegError:
    return ContrastiveSegError(
        "bad-table",
        f"Line {line} of '{table}' {what}.",
        "Slices are whole numbers counted from 0; leave the cells empty to use all of them.",
    )
