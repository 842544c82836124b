"""Says in a sentence why an installation failed."""

from __future__ import annotations

import re
from collections.abc import Callable

from slicer.i18n import tr as _

from ContrastiveSegLib.UserError import UserError


class PipFailure:
    """Reads what pip wrote; the first cause that is known counts.

    What follows from a cause stands below it in pip's output, or stands there as well: without a
    network pip also says that it found no version. So causes are looked for in the order of this list.
    """

    @classmethod
    def explain(cls, lines: list[str], title: str, code: int, wasKilled: bool = False) -> UserError:
        """The failure as a sentence and what to do about it.

        Args:
            lines: What the command wrote.
            title: What it was about to do.
            code: Its exit code.
            wasKilled: Whether it was ended from outside.
        """
        text = "\n".join(lines)
        for pattern, make in _KNOWN:
            found = re.search(pattern, text, re.IGNORECASE | re.MULTILINE)
            if found:
                sentence, whatToDo = make(found)
                return UserError(sentence, whatToDo)
        if wasKilled:
            return UserError(
                _("The installation was ended from outside ('{title}').").format(title=title),
                _("Press the button again; what is half installed is put in order."),
            )
        errors = [line.strip() for line in lines if line.strip().startswith("ERROR")]
        last = (errors or [line.strip() for line in lines if line.strip()] or [str(code)])[-1]
        return UserError(
            _("'{title}' failed ({reason}).").format(title=title, reason=last.removeprefix("ERROR: ")[:200]),
            _("The log below says more. Try again, or install from a folder of wheels."),
        )


def _proxy(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The proxy of your network asks for a name and a password (407)."),
        _(
            "Ask your IT for the address to be set as HTTPS_PROXY before 3D Slicer is started, or tick "
            "'Install from a folder'."
        ),
    )


def _certificate(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The network replaces the certificates of secure connections, so that nothing can be verified."),
        _("Ask your IT for their certificate file and set PIP_CERT to it, or tick 'Install from a folder'."),
    )


def _network(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("There is no connection to the internet, or a firewall blocks it."),
        _("Check the connection and try again, or tick 'Install from a folder'."),
    )


def _disk(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The disk is full."),
        _("Make room (PyTorch needs up to 6 GB, and as much again while it is installed) and try again."),
    )


def _readOnly(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The folder of 3D Slicer's packages cannot be written to."),
        _("Install 3D Slicer into a folder of your own, or have an administrator start it once and install."),
    )


def _inUse(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("Files that must be replaced are in use."),
        _("Restart 3D Slicer and install before you open other modules."),
    )


def _emptyFolder(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The folder of wheels holds no fitting '{name}'.").format(name=found["name"]),
        _("It needs wheels for this system and for the Python of this 3D Slicer, with all that they need."),
    )


def _noVersion(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("No fitting version of '{name}' was found.").format(name=found["name"]),
        _("Update 3D Slicer, or tick 'Install from a folder' and choose one with fitting wheels."),
    )


def _conflict(found: re.Match[str]) -> tuple[str, str]:
    return (
        _("The packages that are needed do not go together with some that are installed."),
        _("Update 3D Slicer, or remove the extension that brought the others; the log below names them."),
    )


def _noRecord(found: re.Match[str]) -> tuple[str, str]:
    return (_("A package is half installed and cannot be replaced."), _("Press Repair."))


def _damaged(found: re.Match[str]) -> tuple[str, str]:
    return (_("A downloaded file is damaged."), _("Try again."))


def _noPip(found: re.Match[str]) -> tuple[str, str]:
    return (_("3D Slicer's Python has lost its installer (pip)."), _("Install 3D Slicer again."))


_FROM_FOLDER = r"Looking in links:[^\0]*"
_NAME = r"No matching distribution found for (?P<name>[\w.-]+)"
_KNOWN: list[tuple[str, Callable[[re.Match[str]], tuple[str, str]]]] = [
    (r"\b407\b.*proxy|proxy authentication required", _proxy),
    (r"CERTIFICATE_VERIFY_FAILED|confirming the ssl certificate", _certificate),
    (r"No space left on device|\[Errno 28\]|not enough space on the disk|WinError 112", _disk),
    (r"WinError 32|being used by another process|WinError 5\]", _inUse),
    (r"\[Errno 13\]|\[Errno 30\]|Read-only file system|Permission denied|Access is denied", _readOnly),
    (
        r"Failed to establish a new connection|NewConnectionError|Name or service not known|"
        r"getaddrinfo failed|Temporary failure in name resolution|Network is unreachable|"
        r"ConnectTimeoutError|Read timed out|ReadTimeoutError|ConnectionResetError|"
        r"Connection refused|Cannot connect to proxy|No route to host",
        _network,
    ),
    (r"no RECORD file was found|Cannot uninstall", _noRecord),
    (r"DO NOT MATCH THE HASHES|IncompleteRead|BadZipFile|is invalid\.?$|invalid wheel", _damaged),
    (_FROM_FOLDER + _NAME, _emptyFolder),
    (_NAME, _noVersion),
    (r"ResolutionImpossible|conflicting dependencies", _conflict),
    (r"No module named '?pip\b", _noPip),
]
