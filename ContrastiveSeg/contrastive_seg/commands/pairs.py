"""The images and label maps that a command is given: one pair, or a folder of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contrastive_seg.errors import ContrastiveSegError

SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".jpg", ".tif", ".tiff")


@dataclass(frozen=True)
class Pair:
    """An image and its label map; None where a folder has no labels for an image."""

    name: str
    image: Path
    labels: Path | None


def stem(path: Path) -> str:
    """The file's name without the suffixes of image formats."""
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def named_files(folder: Path) -> dict[str, Path]:
    """Image files (and DICOM folders) in a folder by name without suffix, sorted.

    Raises:
        ContrastiveSegError: ``unreadable-file`` when there is no such folder, ``ambiguous-files``
            when two files differ in their suffix only.
    """
    if not folder.is_dir():
        raise ContrastiveSegError(
            "unreadable-file",
            f"There is no folder '{folder}'.",
            "Give the folder that holds the sub-folders images and labels.",
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or path.name.lower().endswith(SUFFIXES)):
            continue
        name = stem(path)
        if name in found:
            raise ContrastiveSegError(
                "ambiguous-files",
                f"'{found[name].name}' and '{path.name}' in '{folder}' have the same name.",
                "Keep one of them.",
            )
        found[name] = path
    return found


def pairs_in(folder: Path) -> list[Pair]:
    """The pairs in ``folder/images`` and ``folder/labels``, matched by name without suffix.

    Raises:
        ContrastiveSegError: ``unreadable-file`` for a missing or empty folder, ``missing-image`` for
            labels without an image.
    """
    images, labels = named_files(folder / "images"), named_files(folder / "labels")
    if not images:
        raise ContrastiveSegError(
            "unreadable-file", f"'{folder / 'images'}' holds no image.", "Put the images there."
        )
    if lonely := sorted(set(labels) - set(images)):
        raise ContrastiveSegError(
            "missing-image",
            f"'{labels[lonely[0]].name}' in '{folder / 'labels'}' has no image of that name.",
            f"Put the image into '{folder / 'images'}', or take the label map away.",
        )
    return [Pair(name, image, labels.get(name)) for name, image in images.items()]
