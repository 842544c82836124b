"""A real HTTP server that gives weights away, well or badly; how is said by the path.

``/good/FILE`` serves a file properly, with parts; every other first part of the path is one of the
ways in which servers fail.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves bytes by name.

    Attributes:
        files: Content by file name.
        asked: How often each path was asked for.
        ranges: The ``Range`` headers that came.
        redirect: Where ``/redirect/...`` leads to.
        released: Set when stalling connections may end.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.redirect = ""
        self.released = threading.Event()

    def url(self, way: str, name: str) -> str:
        """The address of a file, served in this way."""
        return f"http://127.0.0.1:{self.server_port}/{way}/{name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away in these tests; that is no news."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server in a thread."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        path = self.path
        if path.startswith("http://"):  # asked as a proxy
            self.server.asked["proxy"] += 1
            path = "/" + path.split("/", 3)[3]
        _, way, name = path.split("/", 2)
        self.server.asked[f"{way}/{name}"] += 1
        if "Range" in self.headers:
            self.server.ranges.append(self.headers["Range"])
        data = self.server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        getattr(self, f"_{way.replace('-', '_')}")(data, self.server.asked[f"{way}/{name}"])

    def _start(self, data: bytes) -> int:
        """Sends the head of a proper answer; the first byte that is to follow."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if start >= len(data):
            self.send_error(416)
            return len(data)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        return start

    def _good(self, data: bytes, time_: int) -> None:
        self.wfile.write(data[self._start(data) :])

    def _break_off(self, data: bytes, time_: int) -> None:
        """The first two answers end too early."""
        start = self._start(data)
        end = start + (len(data) - start) // 2 if time_ <= 2 else len(data)
        self.wfile.write(data[start:end])
        self.close_connection = True

    def _always_break_off(self, data: bytes, time_: int) -> None:
        start = self._start(data)
        self.wfile.write(data[start : start + 10])
        self.close_connection = True

    def _no_parts(self, data: bytes, time_: int) -> None:
        """Ignores Range, and breaks off the first time."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if time_ == 1 else data)
        self.close_connection = True

    def _wrong_part(self, data: bytes, time_: int) -> None:
        """Answers a Range with another part."""
        if "Range" not in self.headers:
            self._good(data, time_)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stall(self, data: bytes, time_: int) -> None:
        """Sends half, then nothing."""
        start = self._start(data)
        self.wfile.write(data[start : start + (len(data) - start) // 2])
        self.wfile.flush()
        self.server.released.wait(60)
        self.close_connection = True

    def _silent(self, data: bytes, time_: int) -> None:
        """Accepts the request, then nothing."""
        self.server.released.wait(60)
        self.close_connection = True

    def _drip(self, data: bytes, time_: int) -> None:
        """A byte now and then, so that no read ever times out."""
        start = self._start(data)
        while not self.server.released.wait(0.05):
            self.wfile.write(data[start : start + 1])
            start += 1

    def _slow(self, data: bytes, time_: int) -> None:
        """Blocks of 4 kB, fifty a second."""
        start = self._start(data)
        for begin in range(start, len(data), 4096):
            self.wfile.write(data[begin : min(len(data), begin + 4096)])
            time.sleep(0.02)

    def _says_more(self, data: bytes, time_: int) -> None:
        """Names a length that is larger than the content."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) + 1000))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def _says_nonsense(self, data: bytes, time_: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "-5")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def _other_bytes(self, data: bytes, time_: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(bytes(len(data)))

    def _endless(self, data: bytes, time_: int) -> None:
        """No length, and no end."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.server.released.is_set():
            self.wfile.write(bytes(65536))

    def _compressed(self, data: bytes, time_: int) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _redirect(self, data: bytes, time_: int) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.redirect)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _busy_then_good(self, data: bytes, time_: int) -> None:
        if time_ <= 2:
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._good(data, time_)

    def _error_500(self, data: bytes, time_: int) -> None:
        self.send_error(500)

    def _gone(self, data: bytes, time_: int) -> None:
        self.send_error(404)

    def _rubbish(self, data: bytes, time_: int) -> None:
        """What is no HTTP."""
        self.wfile.write(b"\x00\xff\r\n\r\nhello")
        self.close_connection = True
