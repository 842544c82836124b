"""The file of a download under way. It can be gone on with after a break, or by the next process."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import IO, Any

from contrastive_seg.atomic import write_error
from contrastive_seg.errors import ContrastiveSegError

PREFIX = ".download-"
_BLOCK = 1 << 20


class PartFile:
    """Bytes received so far with their SHA256; a context manager that locks the file.

    Its name comes from the SHA256 of the finished file, so that bytes of another version are never
    gone on with, while every mirror can go on where another one broke off.

    Args:
        folder: Where the finished file will be.
        sha256: Of the finished file.
        size: Of the finished file, bytes.
    """

    def __init__(self, folder: Path, sha256: str, size: int) -> None:
        self.path = folder / f"{PREFIX}{sha256[:32]}"
        self._size = size
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self.received = 0

    def __enter__(self) -> PartFile:
        try:
            self._file = self.path.open("a+b")
        except OSError as error:
            raise write_error(self.path, error) from error
        if not _lock(self._file):
            self._file.close()
            raise ContrastiveSegError(
                "download-running",
                "These weights are being downloaded already.",
                "Wait until that has ended, or stop it first.",
            )
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._digest.update(block)
            self.received += len(block)
        if self.received > self._size:
            self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def restart(self) -> None:
        """Forgets everything received."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.received = hashlib.sha256(), 0

    def add(self, block: bytes) -> None:
        """Adds bytes.

        Raises:
            ContrastiveSegError: ``disk-full`` or ``no-write-permission``.
        """
        assert self._file is not None
        try:
            self._file.write(block)
            self._file.flush()  # a killed process shall not lose what it has told of
        except OSError as error:
            raise write_error(self.path, error) from error
        self._digest.update(block)
        self.received += len(block)

    def finish(self) -> str:
        """Brings everything to the disk; the SHA256 of the whole."""
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error
        return self._digest.hexdigest()

    def begin(self, length: int) -> bytes:
        """The first bytes received."""
        assert self._file is not None
        self._file.seek(0)
        return self._file.read(length)

    def remove(self) -> None:
        """Deletes the file."""
        self.__exit__()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def remove_all(folder: Path) -> list[Path]:
    """Deletes what unfinished downloads have left in a folder, but none that is under way.

    Returns:
        What was deleted.
    """
    removed = []
    for path in sorted(folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            with path.open("ab") as file:
                free = _lock(file)
            if free:
                path.unlink()
                removed.append(path)
    return removed


def _lock(file: IO[Any]) -> bool:
    """Locks a file until it is closed; False where another process holds it. Where the file system
    knows no locks the checksum at the end must do."""
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _lock_on_windows(file: IO[Any]) -> bool:
    import msvcrt  # only there

    locking: Any = getattr(msvcrt, "locking", None)
    mode: Any = getattr(msvcrt, "LK_NBLCK", None)
    if locking is None:
        return True
    # Far behind the content: what is locked cannot be read by others there.
    file.seek(1 << 40)
    try:
        locking(file.fileno(), mode, 1)
    except OSError:
        return False
    finally:
        file.seek(0)
    return True
