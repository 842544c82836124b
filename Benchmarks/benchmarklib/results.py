"""The results file: one row for every case, K, method and seed, appended as soon as it is known."""

from __future__ import annotations

import csv
import datetime
import json
import math
import os
import platform
import statistics
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        dice: Mean over ``classes``; NaN when the method failed.
        dice_per_class: JSON object from label value to Dice.
        seconds: Wall-clock time of the child process.
        own_seconds: Without the start of Python, imports and files; NaN where not told.
        peak_mb: Peak resident memory of the child process.
        status: ``ok``, or what went wrong.
    """

    dataset: str
    case: str
    k: int
    placement: str
    method: str
    seed: int
    budget: float
    threads: int
    jobs: int
    dice: float
    dice_per_class: str
    classes: int
    seconds: float
    own_seconds: float
    peak_mb: float
    status: str
    date: str
    machine: str

    @classmethod
    def planned(
        cls,
        dataset: str,
        case: str,
        k: int,
        placement: str,
        method: str,
        seed: int,
        budget: float,
        threads: int,
        classes: int,
    ) -> Row:
        """A measurement that is to be made today on this machine; its numbers are not known yet."""
        unknown = math.nan
        return cls(
            dataset, case, k, placement, method, seed, budget, threads, 1, unknown, "{}", classes, unknown,
            unknown, unknown, "ok", today(), describe_machine(),
        )  # fmt: skip

    def measured(self, scores: Mapping[int, float], **more: float) -> Row:
        """The same with its Dice by label value, and what else was measured."""
        text = json.dumps({str(value): round(dice, 4) for value, dice in scores.items()})
        return replace(self, dice=round(statistics.fmean(scores.values()), 5), dice_per_class=text, **more)

    @property
    def key(self) -> tuple[str, str, int, str, str, int, float, int]:
        """What a rerun need not measure again."""
        return (
            self.dataset,
            self.case,
            self.k,
            self.placement,
            self.method,
            self.seed,
            self.budget,
            self.threads,
        )

    @property
    def scores(self) -> dict[int, float]:
        """Dice of each label value."""
        return {int(k): float(v) for k, v in json.loads(self.dice_per_class or "{}").items()}


class ResultsFile:
    """A CSV that only grows, so that an interrupted benchmark continues where it was.

    Args:
        path: The file; created with its header at the first row.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def rows(self) -> list[Row]:
        """All rows; of several with the same key the last one, failed ones left out."""
        if not self.path.exists():
            return []
        found: dict[object, Row] = {}
        with self.path.open(newline="", encoding="utf-8") as stream:
            for record in csv.DictReader(stream):
                row = _row(record)
                if row is not None and row.status == "ok":
                    found[row.key] = row
        return list(found.values())

    def append(self, row: Row) -> None:
        """Adds a row and brings it to the disk."""
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists() or self.path.stat().st_size == 0
            with self.path.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(
                    stream, [f.name for f in fields(Row)], quoting=csv.QUOTE_MINIMAL, lineterminator="\n"
                )
                if new:
                    writer.writeheader()
                writer.writerow(asdict(row))
                stream.flush()
                os.fsync(stream.fileno())


def _row(record: dict[str, str]) -> Row | None:
    """A row from its text; None for the half line that a killed run may have left."""
    values: dict[str, object] = {}
    try:
        for field in fields(Row):
            kind = {"int": int, "float": float}.get(str(field.type), str)
            values[field.name] = kind(record[field.name])
    except (KeyError, TypeError, ValueError):
        return None
    return Row(**values)  # type: ignore[arg-type]


def today() -> str:
    """The date in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def describe_machine() -> str:
    """Processor, cores, memory and system in one line, without the machine's name."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{processor}, {cores} cores, {memory:.0f} GB, {system}"
