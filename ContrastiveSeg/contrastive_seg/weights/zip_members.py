"""The members of a zip file that somebody else made, refused as a whole where one of them is no plain file
or could do harm: paths that lead out of a folder, links, devices, and content that swells."""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import PurePosixPath

MOST_MEMBERS = 1000
LARGEST_RATIO = 200
"""Bytes unpacked for each byte packed; weights are numbers that hardly shrink."""

_SMALL = 1 << 20
_ENCRYPTED = 0x1
_UNIX = 3
_DRIVE = re.compile(r"^[A-Za-z]:")


def plain_files(archive: zipfile.ZipFile, largest: int) -> list[zipfile.ZipInfo]:
    """The files in an archive; folders, and what macOS adds, are passed over.

    Args:
        archive: Open for reading.
        largest: Bytes of all files together, unpacked.

    Raises:
        ValueError: A clause that says why nothing of it is read.
    """
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"it holds {len(members)} files, more than {MOST_MEMBERS}")
    files = []
    for one in members:
        _check_name(one)
        _check_kind(one)
        if not one.is_dir() and not _is_of_macos(one.filename):
            files.append(one)
    names = [one.filename for one in files]
    if len(set(names)) != len(names):
        raise ValueError("two of its files have the same name")
    if sum(one.file_size for one in files) > largest:
        raise ValueError("what it holds is too large")
    swollen = [o for o in files if o.file_size > _SMALL and o.file_size > LARGEST_RATIO * o.compress_size]
    if swollen:
        raise ValueError(f"'{_shown(swollen[0])}' unpacks to more than {LARGEST_RATIO} times its size")
    return files


def _check_name(one: zipfile.ZipInfo) -> None:
    # zipfile itself makes slashes of the backslashes that the file holds, and cuts names at zeros
    name = (one.orig_filename or one.filename).replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or _DRIVE.match(name) or ".." in parts or "\0" in name:
        raise ValueError(f"'{_shown(one)}' leads out of the archive")


def _check_kind(one: zipfile.ZipInfo) -> None:
    mode = one.external_attr >> 16
    kind = stat.S_IFMT(mode) if one.create_system == _UNIX else 0
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"'{_shown(one)}' is a link or a device")
    if one.flag_bits & _ENCRYPTED:
        raise ValueError(f"'{_shown(one)}' is encrypted")


def _is_of_macos(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def _shown(one: zipfile.ZipInfo) -> str:
    return one.filename[:80]
