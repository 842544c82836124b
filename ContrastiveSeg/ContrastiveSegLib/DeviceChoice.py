"""On what a learning can run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _


@dataclass(frozen=True)
class DeviceChoice:
    """A device as the panel offers it.

    Attributes:
        id: By which the worker finds it; ``auto`` for the fastest.
        label: What stands in the list.
    """

    id: str
    label: str

    @classmethod
    def all(cls, found: list[dict[str, Any]], chosen: str) -> list[DeviceChoice]:
        """What can be chosen.

        Args:
            found: The worker's list; empty while it has not been started.
            chosen: What is chosen now; stays in the list when it is not there, and says so.
        """
        choices = [cls("auto", _("Automatic (the fastest found)"))]
        for one in found:
            choices.append(cls(str(one.get("id", "")), cls._words(one)))
        if not any(one.id == "cpu" for one in choices):
            choices.append(cls("cpu", _("CPU")))
        if chosen not in {one.id for one in choices}:
            label = _("{name} (not found on this computer)") if found else "{name}"
            choices.append(cls(chosen, label.format(name=chosen)))
        return choices

    @staticmethod
    def _words(one: dict[str, Any]) -> str:
        name, memory = str(one.get("name") or one.get("id")), one.get("memory_gb")
        if one.get("id") == "cpu" or not isinstance(memory, int | float):
            return name
        return _("GPU: {name}, {memory:.0f} GB").format(name=name, memory=memory)
