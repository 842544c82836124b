"""Files that are either complete or not there: written beside their place, then renamed.

A reader (the panel, a resumed worker) may look at any moment, and a writer may be killed at any
moment; neither may ever see half a file. What a full disk or a forbidden folder does is told as a
:class:`~contrastive_seg.errors.ContrastiveSegError` that names the file.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from contrastive_seg.errors import ContrastiveSegError

if TYPE_CHECKING:
    import numpy as np

PART_PREFIX = ".part-"
"""Beginning of the name of an unfinished file; the real name follows, so that its suffix stays."""

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_counter = itertools.count()
_FULL_BELOW = 4096
_BLOCK = 65536
_REPLACE_TRIES = 20
_REPLACE_PAUSE = 0.05


def write_error(path: Path, error: OSError) -> ContrastiveSegError:
    """The sentence for a user when ``path`` could not be written.

    Args:
        path: The file or folder that should have been written.
        error: What the system said.

    Returns:
        ``disk-full`` when there was no space (or quota) left, ``no-write-permission`` otherwise.
    """
    if error.errno in _DISK_FULL:
        return ContrastiveSegError(
            "disk-full",
            f"There is not enough space on the disk to write '{path}'.",
            "Free some space, or choose a folder on another disk, and try again.",
        )
    reason = error.strerror or type(error).__name__
    return ContrastiveSegError(
        "no-write-permission",
        f"'{path}' cannot be written ({reason}).",
        "Choose a folder in which you may write, or ask for the permission to write there.",
    )


def make_folder(folder: Path) -> Path:
    """Creates a folder and its parents where they are missing.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``, naming the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder


def probe_folder(folder: Path) -> Path:
    """Makes a folder where it is missing and checks that files can be made in it, before any work.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``, naming the folder.
    """
    make_folder(folder)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise write_error(folder, error) from error
    return folder


def probe_place(folder: Path) -> None:
    """Checks that files can be made in a folder, without making the folder.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``, naming the folder or one above it.
    """
    # os.path: Path.exists() raises where a folder above may not be looked into
    there = next((one for one in (folder, *folder.parents) if os.path.exists(one)), folder)
    probe_folder(there)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A place beside ``path`` to write to; on success it takes the place of ``path``.

    For libraries that want a file name. The name given has the suffixes of ``path``.

    Args:
        path: Where the finished file belongs.
        durable: Whether it must survive a power failure. Without, large files that can be made
            again do not wait for the disk; a killed process never leaves half a file either way.

    Yields:
        The path to write to. Whatever ends the block with an exception removes it.

    Raises:
        ContrastiveSegError: ``disk-full`` or ``no-write-permission``, naming ``path``.
    """
    part = path.with_name(f"{PART_PREFIX}{os.getpid()}-{next(_counter)}-{path.name}")
    try:
        yield part
        if durable:
            _sync_file(part)
        _rename(part, path)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:
        hidden = isinstance(error, Exception) and getattr(error, "errno", None) is None
        full = hidden and _is_full(path.parent)  # asked before space is freed
        _remove(part)
        if isinstance(error, ContrastiveSegError):
            raise
        if full:  # libraries hide the reason behind exceptions of their own
            raise write_error(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


@contextlib.contextmanager
def open_replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Like :func:`replacing`, but opens the file for binary writing."""
    with replacing(path, durable=durable) as part, part.open("wb") as file:
        yield file


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes ``data`` to ``path``, all or nothing (see :func:`replacing`)."""
    with open_replacing(path, durable=durable) as file:
        file.write(data)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Writes ``text`` as UTF-8, all or nothing (see :func:`replacing`)."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Writes ``value`` as indented UTF-8 JSON, all or nothing (see :func:`replacing`)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", durable=durable)


def write_npy(path: Path, array: np.ndarray, *, durable: bool = True) -> None:
    """Writes an array as .npy without pickling, all or nothing (see :func:`replacing`).

    Stretches of zeros become holes of the file where the file system has them: most of a mask is
    background, and a slow disk would make the user wait for it.
    """
    import numpy as np

    array = np.ascontiguousarray(array)
    if array.dtype.hasobject:
        raise ValueError("arrays of Python objects are not written")
    with open_replacing(path, durable=durable) as file:
        # not np.save: its error on a full disk has no errno
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        _write_with_holes(file, array.reshape(-1).view(np.uint8))


def _write_with_holes(file: BinaryIO, content: np.ndarray) -> None:
    """Writes bytes, passing over blocks of zeros."""
    import numpy as np

    begin, whole = file.tell(), len(content) // _BLOCK * _BLOCK
    filled: list[bool] = np.asarray(content[:whole].reshape(-1, _BLOCK).any(axis=1)).tolist()
    start = 0
    for is_filled, blocks in itertools.groupby(filled):
        end = start + sum(1 for _ in blocks) * _BLOCK
        if is_filled:
            file.seek(begin + start)
            file.write(content[start:end].data)
        start = end
    file.seek(begin + whole)
    file.write(content[whole:].data)
    file.truncate(begin + len(content))


def remove_parts(folder: Path, older_than: float = 0.0) -> None:
    """Deletes unfinished files that a killed process left in ``folder``.

    Args:
        folder: Where to look (not below).
        older_than: Seconds since the last change; younger ones may still be in the making.
    """
    for part in folder.glob(f"{PART_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime >= older_than:
                part.unlink()


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes the renaming itself durable, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it: nothing to be done
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rename(part: Path, path: Path) -> None:
    """Renames over ``path``, patiently: on Windows a reader or virus scanner may hold it a moment."""
    for _ in range(_REPLACE_TRIES if os.name == "nt" else 0):
        try:
            os.replace(part, path)
            return
        except PermissionError:
            time.sleep(_REPLACE_PAUSE)
    os.replace(part, path)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW
    except OSError:
        return False


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)
