"""What the commands write: progress, tables and notes to a person, or one JSON object to a script.

Results go to stdout, everything else (progress, notes, errors) to stderr, so that a pipe gets the
result alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.table import Table

from contrastive_seg.errors import ContrastiveSegError


class Output:
    """Where a command writes to.

    Args:
        as_json: One JSON object on stdout instead of tables; no progress bar.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.messages = Console(stderr=True, highlight=False)
        self._noted: set[str] = set()

    def note(self, sentence: str, code: str = "note") -> None:
        """Something the user should know; the same sentence only once."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self.messages.print(sentence, markup=False, soft_wrap=True)

    def should_stop(self) -> bool:
        """Whether whoever reads this has asked to stop; a person presses Ctrl+C instead."""
        return False

    def metric(self, **values: Any) -> None:
        """A point of the curves, for a program that draws them."""

    def result(self, values: dict[str, Any], tables: list[Table], sentences: list[str]) -> None:
        """Prints what came out: the values as JSON, or tables and sentences."""
        if self.as_json:
            print(json.dumps(values, ensure_ascii=False, allow_nan=False))
        else:
            console = Console(highlight=False)
            for table in tables:
                console.print(table)
            for sentence in sentences:
                console.print(sentence, markup=False, soft_wrap=True)
        sys.stdout.flush()

    def error(self, error: ContrastiveSegError) -> None:
        """Prints an error's sentences."""
        if self.as_json:
            values = {"code": error.code, "message": error.sentence, "what_to_do": error.what_to_do}
            print(json.dumps({"type": "error", "error": values}, ensure_ascii=False), flush=True)
        self.messages.print(f"Error: {error}", markup=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, float, float | None], None]]:
        """A bar with the time left; the yielded function takes (what, fraction, seconds left)."""
        bar = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.messages,
            disable=self.as_json or not self.messages.is_terminal,
        )
        with bar:
            task: TaskID = bar.add_task("Starting", total=1.0, left="")

            def show(what: str, fraction: float, seconds_left: float | None) -> None:
                left = "" if seconds_left is None else f"{duration(seconds_left)} left"
                bar.update(task, description=what.capitalize(), completed=fraction, left=left)

            yield show


def duration(seconds: float) -> str:
    """A duration for a person: ``8 s``, ``2 min 05 s``, ``3 h 20 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
