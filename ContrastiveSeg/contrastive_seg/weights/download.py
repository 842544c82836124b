"""Downloads an entry of the catalogue: resumed, checked, and moved to its place in one step."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from contrastive_seg.atomic import make_folder, replacing, write_error, write_json, write_text
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights.addresses import host_of, name_of
from contrastive_seg.weights.catalogue import Entry
from contrastive_seg.weights.fetch import Answer, Cancelled, Failure, Fetch, Patience
from contrastive_seg.weights.layout import check_header, header_end
from contrastive_seg.weights.part_file import PartFile
from contrastive_seg.weights.removal import is_downloaded
from contrastive_seg.weights.sources import user_folder
from contrastive_seg.weights.store import CARD_SUFFIX, RECORD_SUFFIX, TENSORS_SUFFIX, Store

Progress = Callable[[int, int, float | None], None]
"""Told (bytes received, bytes in all, seconds left or None)."""

_SPEED_OVER = 10.0
_SPARE = 1 << 20
_STEP = 1 << 18
"""Bytes, or a hundredth of the file, by which a try must get further not to count as one."""
_LONGEST_PAUSE = 30.0
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\*|\d{1,15})", re.ASCII)


def download(
    entry: Entry,
    folder: Path | None = None,
    progress: Progress = lambda received, size, left: None,
    stop: Callable[[], bool] = lambda: False,
    *,
    patience: Patience | None = None,
    offline: Sequence[Path] = (),
    overwrite: bool = False,
) -> Path:
    """Downloads weights into a folder of weights. Consent is the caller's affair.

    What was received stays in the folder when the download fails or is stopped; the next call goes on
    from there. Weights that are there already are not downloaded again.

    Args:
        entry: Of :func:`~contrastive_seg.weights.catalogue.entries`.
        folder: Gets the safetensors file, its card, and a record of where it came from; None for the
            user's own.
        progress: See :data:`Progress`; called in this thread.
        stop: Asked several times a second; True ends the download.
        patience: How long to wait, and how often to try.
        offline: Folders that hold copies of the file; where any are given, nothing else is asked.
        overwrite: Whether other weights of that name may be replaced; an earlier download always is.

    Returns:
        The safetensors file.

    Raises:
        ContrastiveSegError: ``download-failed`` with the reason for each address,
            ``download-stopped``, ``download-running``, ``not-in-folder``, ``weights-exist``,
            ``pickle``, ``bad-weights``, ``disk-full`` or ``no-write-permission``.
    """
    folder = make_folder(Path(folder) if folder is not None else user_folder())
    path = folder / f"{entry.id}{TENSORS_SUFFIX}"
    if _is_there(path, entry, overwrite):
        return path
    urls = entry.urls if not offline else _copies(entry, offline)
    _check_space(folder, entry)
    job = _Download(entry, path, progress, stop, patience or Patience())
    with PartFile(folder, entry.sha256, entry.size) as part:
        source = job.run(part, urls)
        _check_content(part, path, entry)
        _put_in_place(part, path, entry, "" if offline else source)
    return path


def _is_there(path: Path, entry: Entry, overwrite: bool) -> bool:
    """Whether this very file with its card is there. A damaged one is replaced.

    Raises:
        ContrastiveSegError: ``weights-exist`` where there are others.
    """
    if not path.exists():
        return False
    found = Store(user=path.parent).find(path)
    if found.card is not None and found.card.sha256 == entry.sha256:
        return _sha256(path) == entry.sha256
    if not overwrite and not is_downloaded(found):  # another version of them may be replaced
        raise ContrastiveSegError(
            "weights-exist",
            f"There are other weights called '{entry.id}' in '{path.parent}' already.",
            "Delete or rename them first, or replace them with --overwrite.",
        )
    return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_SPARE):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def _copies(entry: Entry, folders: Sequence[Path]) -> tuple[str, ...]:
    """Addresses of files in folders that may be the entry's; the checksum decides."""
    names = [f"{entry.id}{TENSORS_SUFFIX}", f"{entry.id}-{entry.version}{TENSORS_SUFFIX}"]
    names += [name_of(url) for url in entry.urls]
    found = []
    for folder in folders:
        for name in dict.fromkeys(names):
            for place in (folder / name, folder / entry.id / name):
                if name and place.is_file():
                    found.append(place.absolute().as_uri())
    if not found:
        raise ContrastiveSegError(
            "not-in-folder",
            f"There is no file of '{entry.id}' in {', '.join(repr(str(one)) for one in folders)}.",
            f"Put one of these files there: {', '.join(dict.fromkeys(filter(None, names)))}.",
        )
    return tuple(dict.fromkeys(found))


def _check_space(folder: Path, entry: Entry) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < entry.size + _SPARE:
        raise ContrastiveSegError(
            "disk-full",
            f"There is not enough space on the disk of '{folder}': {entry.size / 1e6:.0f} MB are needed, "
            f"{free / 1e6:.0f} MB are free.",
            "Free some space, or choose a folder on another disk.",
        )


class _Download:
    """The tries of one download."""

    def __init__(
        self,
        entry: Entry,
        path: Path,
        progress: Progress,
        stop: Callable[[], bool],
        patience: Patience,
    ) -> None:
        self._entry = entry
        self._path = path
        self._progress = progress
        self._stop = stop
        self._patience = patience
        self._points: deque[tuple[float, int]] = deque()

    def run(self, part: PartFile, urls: Sequence[str]) -> str:
        """Fills the part file; the address that gave the last bytes."""
        reasons = []
        try:
            for url in urls:
                try:
                    self._from(url, part)
                    return url
                except Failure as failure:
                    reasons.append(f"{host_of(url) or name_of(url)}: {failure.reason}")
        except Cancelled as error:
            raise ContrastiveSegError(
                "download-stopped",
                f"The download of '{self._entry.id}' was stopped.",
                "Start it again to go on from where it was.",
            ) from error
        raise ContrastiveSegError(
            "download-failed",
            f"'{self._entry.id}' could not be downloaded ({'; '.join(dict.fromkeys(reasons))}).",
            "Check the internet connection (and the proxy) and try again; what was received is kept. "
            "Without a connection, get the file elsewhere and name its folder with --from.",
        )

    def _from(self, url: str, part: PartFile) -> None:
        """Everything from one address, with as many tries as it takes or as are allowed."""
        tries = 0
        furthest = part.received
        fresh = part.received == 0
        while True:
            try:
                self._try(url, part)
                if part.finish() == self._entry.sha256:
                    return
                part.restart()
                if fresh:
                    raise Failure("it is another file than the catalogue says (wrong SHA256)")
                fresh = True  # the bytes of before may have been the wrong ones
                continue
            except Failure as failure:
                further = part.received - furthest
                furthest = max(furthest, part.received)
                tries = 0 if further >= max(_STEP, self._entry.size // 100) else tries + 1
                if not failure.again or tries >= self._patience.tries:
                    raise
                pause = self._patience.pause * 2 ** max(0, tries - 1)
                self._wait(max(failure.wait or 0.0, min(pause, _LONGEST_PAUSE)))

    def _try(self, url: str, part: PartFile) -> None:
        if part.received == self._entry.size:
            return
        self._points.clear()
        with Fetch(url, self._stop, self._patience, part.received) as answer:
            skip = self._begin(answer, part, url)
            for block in answer.blocks:
                if skip:  # a file is read from its beginning
                    block, skip = block[skip:], max(0, skip - len(block))
                if part.received + len(block) > self._entry.size:
                    part.restart()
                    raise Failure("it is larger than the catalogue says")
                part.add(block)
                self._tell(part.received)
        if part.received < self._entry.size:
            if url.startswith("file:"):
                part.restart()
                raise Failure("it is shorter than the catalogue says")
            raise Failure("the connection broke off", again=True)

    def _begin(self, answer: Answer, part: PartFile, url: str) -> int:
        """Looks at the answer's head; how many bytes of the content are there already."""
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise Failure("the server sends it compressed, although it was asked not to")
        size, have = self._entry.size, part.received
        if answer.status == 206:
            said = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
            if not said or int(said[1]) != have or said[3] not in ("*", str(size)):
                part.restart()
                raise Failure("the server sends another part than was asked for", again=have > 0)
            return 0
        if answer.status != 200:
            raise Failure(f"the server answers {answer.status}")
        if answer.length is not None and answer.length != size:
            raise Failure(f"it has {answer.length} bytes, but the catalogue says {size}")
        if have and not url.startswith("file:"):
            part.restart()  # a server that sends no parts begins anew
            return 0
        return have

    def _tell(self, received: int) -> None:
        now = time.monotonic()
        self._points.append((now, received))
        while now - self._points[0][0] > _SPEED_OVER:
            self._points.popleft()
        seconds, got = now - self._points[0][0], received - self._points[0][1]
        left = (self._entry.size - received) * seconds / got if got > 0 and seconds > 0.2 else None
        self._progress(received, self._entry.size, left)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop():
                raise Cancelled
            time.sleep(min(0.1, left))


def _check_content(part: PartFile, path: Path, entry: Entry) -> None:
    """That the right bytes are weights, and not, say, a pickle with a card."""
    try:
        begin = part.begin(header_end(part.begin(8)))
        check_header(path, begin, part.received)
    except ContrastiveSegError:
        part.remove()
        raise


def _put_in_place(part: PartFile, path: Path, entry: Entry, source: str) -> None:
    """Card, record and weights, all written in full before any takes its place."""
    record = {
        "format": 1,
        "sha256": entry.sha256,
        "source": source if source.startswith("http") else "folder",
        "downloaded": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    with contextlib.ExitStack() as places:
        beside = places.enter_context(replacing(path.with_name(f"{entry.id}{CARD_SUFFIX}")))
        write_text(beside, entry.card.to_json())
        noted = places.enter_context(replacing(path.with_name(f"{entry.id}{RECORD_SUFFIX}")))
        write_json(noted, record)
        part.__exit__()  # Windows renames no open file
        try:
            os.replace(part.path, path)
        except OSError as error:
            raise write_error(path, error) from error
