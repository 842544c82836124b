"""Downloads one file and checks it; run as a program, so that the application never waits for it.

``python Download.py ADDRESS FILE SHA256``: writes beside the file and renames only what has the right
checksum. Lines on stdout: ``Progress 1234 of 5678`` (bytes), and ``ERROR: ...`` where it failed.
"""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.request
from pathlib import Path

_BLOCK = 256 * 1024
_SECONDS = 30


def download(address: str, path: Path, sha256: str) -> None:
    """Downloads a file.

    Args:
        address: Where it is.
        path: Where it shall be.
        sha256: Its checksum in hexadecimal digits.

    Raises:
        OSError: It cannot be had or written.
        ValueError: Its checksum is another one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with _opener().open(address, timeout=_SECONDS) as source, open(part, "wb") as target:
            total, done = int(source.headers.get("Content-Length") or 0), 0
            while block := source.read(_BLOCK):
                digest.update(block)
                target.write(block)
                done += len(block)
                sys.stdout.write(f"Progress {done} of {total}\n")
                sys.stdout.flush()
        if digest.hexdigest() != sha256.lower():
            raise ValueError("the checksum is wrong")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https and nothing else, also after a redirection."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def main(arguments: list[str]) -> int:
    """Returns 0 where the file is there."""
    address, path, sha256 = arguments
    try:
        download(address, Path(path), sha256)
    except (OSError, ValueError) as error:
        sys.stdout.write(f"ERROR: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
