"""Which addresses weights may come from: https, files, and http only on this computer."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import url2pathname

from contrastive_seg.errors import ContrastiveSegError

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")  # one letter alone is a drive of Windows
_BAD = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


def is_address(text: str) -> bool:
    """Whether a text is an address with a scheme, and not a path."""
    return _SCHEME.match(text) is not None


def problem_of(address: str, *, insecure: bool = False, files: bool = True, here: bool = True) -> str:
    """Why an address is not used, as a clause; empty where it may be.

    Args:
        address: With its scheme.
        insecure: Whether http is allowed for other computers too.
        files: Whether ``file:`` is allowed.
        here: Whether http is allowed for this computer itself.
    """
    if _BAD.search(address):
        return "it holds spaces or other characters that no address has"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"it is no address ({error})"
    if parts.username is not None or parts.password is not None:
        return "it holds a name or password"
    if parts.scheme == "file":
        if not files:
            return "only a manifest on this computer may name files"
        return "" if host in (None, "localhost") and parts.path else "it names a file of another computer"
    if parts.scheme not in ("http", "https"):
        return f"'{parts.scheme}:' is not used, only https"
    if not host or port == 0:
        return "it names no computer"
    if parts.scheme == "http" and not insecure and not (here and is_here(host)):
        return "it is not encrypted (http instead of https)"
    return ""


def is_here(host: str) -> bool:
    """Whether a host name means this computer."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolved(text: str, base: str | Path) -> str:
    """An address of a manifest, which may be relative to it.

    Args:
        text: An address, or a path relative to the manifest's folder.
        base: The manifest's own address, or its folder.

    Raises:
        ValueError: It leads out of the folder.
    """
    if is_address(text):
        return text
    parts = PurePosixPath(text).parts
    if not parts or text.startswith("/") or "\\" in text or ".." in parts or ":" in parts[0]:
        raise ValueError("it leads out of the manifest's folder")
    if isinstance(base, Path):
        return base.joinpath(*parts).absolute().as_uri()
    return urljoin(base, quote(text))


def file_of(address: str) -> Path:
    """The path of a ``file:`` address."""
    return Path(url2pathname(urlsplit(address).path))


def name_of(address: str) -> str:
    """The last part of an address: what a copy of the file is probably called."""
    return PurePosixPath(url2pathname(urlsplit(address).path).replace("\\", "/")).name


def host_of(address: str) -> str:
    """The computer that an address names, to be shown; empty for files."""
    return urlsplit(address).hostname or ""


def check(address: str, what: str, **allowed: bool) -> None:
    """Like :func:`problem_of`, as an error.

    Raises:
        ContrastiveSegError: ``bad-address``.
    """
    if problem := problem_of(address, **allowed):
        raise ContrastiveSegError(
            "bad-address",
            f"{what} '{address}' cannot be used: {problem}.",
            "Use an address that begins with https://, or a file or folder.",
        )
