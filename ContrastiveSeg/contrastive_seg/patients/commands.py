"""What the panel asks of the process that segments other patients: from a line of JSON to an object.

Pure Python, as it is read before numpy or torch are loaded.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.runs import JobCase
from contrastive_seg.worker.protocol import BadMessage, Open, parse_command
from contrastive_seg.worker.protocol import Predict as ParsedPredict

NAMES = ("begin", "find", "segment", "load", "report", "stop", "quit")
_CASE = re.compile(r"[0-9A-Za-z_-]{1,40}")


@dataclass(frozen=True)
class Request:
    """A command that was understood.

    Attributes:
        id: Which answers carry as ``reply_to``.
        name: One of :data:`NAMES`.
        fields: The rest of it, as it was sent.
    """

    id: int | str | None
    name: str
    fields: dict[str, Any]

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        value = self.fields.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.wrong(key, "a text that is not empty")
        return value

    def case(self) -> str:
        """The unique name of the case."""
        value = self.text("case")
        if not _CASE.fullmatch(value):
            raise self.wrong("case", "letters, digits, '-' and '_'")
        return value

    def place(self) -> str:
        """Where the mask belongs below the folder of masks; never outside of it."""
        value = self.text("place", "")
        parts = PurePosixPath(value).parts
        away = value.startswith("/") or ".." in parts or "\\" in value or PureWindowsPath(value).drive
        if away or "\0" in value:
            raise self.wrong("place", "a path below the folder of results")
        return value

    def image(self) -> JobCase:
        """The image, checked as in the worker's ``predict``."""
        line = {key: self.fields[key] for key in ("image", "ijk_to_ras", "name") if key in self.fields}
        parsed = parse_command(json.dumps({"command": "predict", **line}).encode("ascii"))
        assert isinstance(parsed, ParsedPredict) and parsed.image is not None
        return parsed.image

    def reviewed(self) -> list[JobCase]:
        """Other patients with their masks, checked as in the worker's ``open``; none if left out."""
        cases = self.listed("reviewed")
        if not cases:
            return []
        line = {"command": "open", "run": self.text("run"), "cases": cases}
        parsed = parse_command(json.dumps(line).encode("ascii"))
        assert isinstance(parsed, Open)
        return list(parsed.cases)

    def listed(self, key: str) -> list[dict[str, Any]]:
        """A list of objects; empty where it is left out."""
        value = self.fields.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, "a list of objects")
        return value

    def wrong(self, key: str, expected: str) -> ContrastiveSegError:
        """The error for a field that cannot be used."""
        return ContrastiveSegError(
            "bad-command",
            f"In the command '{self.name}', '{key}' must be {expected}.",
            "Correct the command.",
        )


def parse_request(line: bytes) -> Request:
    """The request in a line of UTF-8 JSON.

    Raises:
        BadMessage: ``bad-command`` or ``unknown-command``.
    """
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad-command", f"A command is not valid JSON ({error}).", "Send JSON.") from error
    if not isinstance(message, dict):
        raise BadMessage("bad-command", "A command is JSON, but not an object.", "Send one object a line.")
    id_ = message.get("id")
    if id_ is not None and (isinstance(id_, bool) or not isinstance(id_, int | str)):
        raise BadMessage("bad-command", "The id of a command must be a number or a text.", "Correct it.")
    name = message.get("command")
    if name not in NAMES:
        raise BadMessage(
            "unknown-command", f"There is no command '{name!s:.40}'.", f"Use one of {', '.join(NAMES)}.", id_
        )
    return Request(id_, name, {k: v for k, v in message.items() if k not in ("id", "command")})
