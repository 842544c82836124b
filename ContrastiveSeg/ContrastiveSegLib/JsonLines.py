"""Events out of a stream of bytes."""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 16 * 1024 * 1024


class JsonLines:
    """Takes bytes as they come and gives whole events; what is no event is log text."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any] | str]:
        """Adds bytes; returns the events (with their ``type``) and log lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:  # not ours, and it must not fill the memory
            self._rest = b""
        return [one for one in map(self._parsed, lines) if one]

    def end(self) -> list[dict[str, Any] | str]:
        """What is left when the stream has ended: half a line is log text."""
        rest, self._rest = self._rest, b""
        one = self._parsed(rest)
        return [one] if one else []

    @staticmethod
    def _parsed(line: bytes) -> dict[str, Any] | str:
        text = line.decode("utf-8", errors="replace").strip()
        if text.startswith("{"):
            try:
                event = json.loads(text)
            except (ValueError, RecursionError):
                return text
            if isinstance(event, dict) and isinstance(event.get("type"), str):
                return event
        return text
