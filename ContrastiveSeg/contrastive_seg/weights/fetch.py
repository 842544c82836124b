"""Bytes from an address, by urllib in a thread, so that waiting can be ended at any moment.

A name that is not found, a proxy that says nothing and a server that stalls all block for as long as
the system likes. The thread may wait for them; whoever wants the bytes does not. Proxies are those of
the environment (``https_proxy``, ``no_proxy``) and of the system.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

from contrastive_seg import __version__
from contrastive_seg.weights.addresses import file_of, problem_of

BLOCK = 1 << 16
_POLL = 0.1
_WAITING_BLOCKS = 16
_LONGEST_WAIT = 60.0
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class Failure(Exception):
    """Why bytes could not be had.

    Args:
        reason: A clause for the user.
        again: Whether trying the same address again may help.
        wait: Seconds that the server asks to wait; None where it does not say.
    """

    def __init__(self, reason: str, *, again: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.wait = wait


class Cancelled(Exception):
    """Somebody asked to stop."""


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Attributes:
        stall: Seconds without a byte, or with almost none, after which a connection is given up.
        slowest: Bytes a second that are more than almost none.
        tries: How often an address is tried without getting further.
        pause: Seconds before the second try; twice as long before each further one.
        insecure: Whether http is allowed for other computers too.
    """

    stall: float = 30.0
    slowest: float = 500.0
    tries: int = 4
    pause: float = 1.0
    insecure: bool = False


@dataclass
class Answer:
    """What a server answers, before its content.

    Attributes:
        status: 200, or 206 for a part; files have 200, too.
        headers: In small letters.
        blocks: The content. May be consumed once.
    """

    status: int
    headers: Mapping[str, str]
    blocks: Iterator[bytes] = field(default_factory=lambda: iter(()))

    @property
    def length(self) -> int | None:
        """Bytes of the content as the server says; None where it does not."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


class Fetch:
    """A request under way; a context manager, whose end lets go of the connection.

    Args:
        address: Already checked by :func:`~contrastive_seg.weights.addresses.problem_of`.
        stop: Asked often; True raises :class:`Cancelled`.
        patience: How long to wait.
        start: First byte wanted; the server may not heed it.
    """

    def __init__(self, address: str, stop: Callable[[], bool], patience: Patience, start: int = 0) -> None:
        self._address = address
        self._stop = stop
        self._patience = patience
        self._start = start
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING_BLOCKS)
        self._abandoned = threading.Event()

    def __enter__(self) -> Answer:
        threading.Thread(target=self._work, name="download", daemon=True).start()
        try:
            head = self._next(time.monotonic() + self._patience.stall)
        except BaseException:
            self._abandoned.set()
            raise
        assert isinstance(head, Answer)
        head.blocks = self._blocks()
        return head

    def __exit__(self, *_: object) -> None:
        self._abandoned.set()

    def _blocks(self) -> Iterator[bytes]:
        stall = self._patience.stall
        since, received = time.monotonic(), 0
        while True:
            block = self._next(since + stall)
            if block is None:
                return
            yield block
            received += len(block)
            now = time.monotonic()
            if received >= self._patience.slowest * stall:
                since, received = now, 0
            elif now - since > stall:
                raise _stalled(stall)

    def _next(self, deadline: float) -> Any:
        while True:
            if self._stop():
                raise Cancelled
            try:
                one = self._queue.get(timeout=_POLL)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise _stalled(self._patience.stall) from None
                continue
            if isinstance(one, Failure):
                raise one
            return one

    def _put(self, one: Any) -> bool:
        while not self._abandoned.is_set():
            try:
                self._queue.put(one, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False

    def _work(self) -> None:
        try:
            if urlsplit(self._address).scheme == "file":
                self._read_file()
            else:
                self._request()
        except Exception as error:  # of the many kinds that urllib, http.client and ssl have
            self._put(_failure(error))

    def _read_file(self) -> None:
        with file_of(self._address).open("rb") as file:
            if self._put(Answer(200, {})):
                self._pass_on(file)

    def _request(self) -> None:
        headers = {"User-Agent": f"ContrastiveSeg/{__version__}", "Accept-Encoding": "identity"}
        if self._start:
            headers["Range"] = f"bytes={self._start}-"
        request = urllib.request.Request(self._address, headers=headers)
        opener = _opener(self._patience.insecure)
        with opener.open(request, timeout=self._patience.stall) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            if self._put(Answer(int(response.status), found)):
                self._pass_on(response)

    def _pass_on(self, source: IO[bytes]) -> None:
        read: Callable[[int], bytes] = getattr(source, "read1", source.read)
        while block := read(BLOCK):
            if not self._put(block):
                return
        self._put(None)


def read_all(address: str, largest: int, stop: Callable[[], bool], patience: Patience) -> bytes:
    """The whole content of an address.

    Raises:
        Failure: It cannot be had, or has more than ``largest`` bytes.
        Cancelled: ``stop`` said so.
    """
    data = bytearray()
    with Fetch(address, stop, patience) as answer:
        _refuse_encoded(answer)
        for block in answer.blocks:
            data += block
            if len(data) > largest:
                raise Failure(f"it is larger than {largest // 1024} kB")
        if answer.length is not None and len(data) < answer.length:
            raise Failure("the connection broke off", again=True)
    return bytes(data)


def _refuse_encoded(answer: Answer) -> None:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Failure("the server sends it compressed, although it was asked not to")


class _SameKind(urllib.request.HTTPRedirectHandler):
    """Follows redirections only to addresses that could have been named at first, and never from
    https to http."""

    max_redirections = 8

    def __init__(self, insecure: bool) -> None:
        self._insecure = insecure

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        weaker = req.type == "https" and scheme != "https"
        problem = problem_of(newurl, insecure=self._insecure, files=False)
        if weaker or problem:
            kind = scheme if scheme.isalnum() and len(scheme) < 10 else "another"
            raise Failure(f"the server redirects to an address that is not allowed ({kind}:)")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(insecure: bool) -> urllib.request.OpenerDirector:
    """Like urllib's own, but without ``file:``, ``ftp:`` and ``data:``."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameKind(insecure),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _stalled(seconds: float) -> Failure:
    return Failure(f"the server has sent almost nothing for {seconds:.0f} seconds", again=True)


def _failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, urllib.error.HTTPError):
        code = error.code
        wait = _seconds(error.headers.get("Retry-After") if error.headers else None)
        error.close()
        if 300 <= code < 400:
            return Failure("the server redirects to an address that is not allowed")
        return Failure(f"the server answers {code}", again=code in _AGAIN, wait=wait)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, Failure):
        return reason
    if isinstance(reason, TimeoutError):
        return Failure("the server does not answer", again=True)
    if isinstance(reason, http.client.IncompleteRead | ConnectionError | http.client.RemoteDisconnected):
        return Failure("the connection broke off", again=True)
    text = " ".join(str(reason).split())[:160] or type(reason).__name__
    if isinstance(reason, OSError):
        certificate = "certificate" in text.lower()
        file_missing = isinstance(reason, FileNotFoundError | IsADirectoryError | PermissionError)
        text = (reason.strerror or text) if file_missing else text
        return Failure(text, again=not (certificate or file_missing))
    return Failure(text, again=isinstance(reason, http.client.HTTPException))


def _seconds(text: str | None) -> float | None:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 8):
        return None
    return min(float(text), _LONGEST_WAIT)
