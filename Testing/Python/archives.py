"""Unpacks archives that the tests have made."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Writes the files of a tar archive under a folder.

    ``extractall`` with a filter would do, but Python 3.11.2, which Debian 12 has, knows no filters.
    """
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            path = folder / member.name
            content = opened.extractfile(member)
            assert member.isfile() and content is not None, f"{member.name} is no file"
            assert path.resolve().is_relative_to(folder.resolve()), f"{member.name} leaves the folder"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
