"""DICOM folders: which series there are, and their files in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from contrastive_seg.errors import ContrastiveSegError

sitk.ProcessObject.SetGlobalWarningDisplay(False)  # of files that are no DICOM: errors are told as such


@dataclass(frozen=True)
class Series:
    """A series of a DICOM folder.

    Attributes:
        uid: Series instance UID (with what ITK appends where a series holds several stacks).
        files: Its files, in the order of their positions.
    """

    uid: str
    files: tuple[str, ...]


def find_series(folder: Path) -> list[Series]:
    """The series of a folder and of the folders below, most slices first.

    Raises:
        ContrastiveSegError: ``unreadable-file`` when there is no DICOM series.
    """
    advice = "Choose the folder that holds the DICOM files of one examination, or an image file."
    places = [folder, *sorted(p for p in folder.rglob("*") if p.is_dir())]
    if not any(p.is_file() for place in places for p in place.iterdir()):
        raise ContrastiveSegError("unreadable-file", f"The folder '{folder}' is empty.", advice)
    found = []
    for place in places:
        for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(place)):
            found.append(Series(uid, tuple(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), uid))))
    if not found:
        raise ContrastiveSegError("unreadable-file", f"The folder '{folder}' holds no DICOM images.", advice)
    return sorted(found, key=lambda series: (-len(series.files), series.uid))


def choose_series(folder: Path, on_note: Callable[[str], None]) -> Series:
    """The series with the most slices; says so when there are others.

    Raises:
        ContrastiveSegError: ``unreadable-file`` when there is none, or when two are equally long, so
            that nobody can know which is meant; it lists them.
    """
    found = find_series(folder)
    listed = "; ".join(f"{s.uid} with {len(s.files)} files in '{Path(s.files[0]).parent}'" for s in found)
    if len(found) > 1 and len(found[0].files) == len(found[1].files):
        raise ContrastiveSegError(
            "unreadable-file",
            f"The folder '{folder}' holds {len(found)} DICOM series, none of which is the longest: {listed}.",
            "Copy the files of the series that is meant into a folder of its own, and choose that.",
        )
    if len(found) > 1:
        on_note(
            f"The folder '{folder}' holds {len(found)} DICOM series; the one with the most slices is read "
            f"({found[0].uid}, {len(found[0].files)} files). All series: {listed}."
        )
    return found[0]
