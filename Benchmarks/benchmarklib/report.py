"""The table in Docs/benchmarks.md, made from the results file."""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

from benchmarklib.methods import METHODS, TITLES
from benchmarklib.results import Row

BEGIN = "<!-- few-slices: begin (written by Benchmarks/few_slices.py --report) -->"
END = "<!-- few-slices: end -->"
DATASET_TITLES = {
    "left_atrium": "Left atrium, late gadolinium MRI (axial slices)",
    "ct_examples": "CT: abdomen (many structures) and aorta (axial slices)",
    "demo": "Demo sample: MNI152 T1, deep grey matter and ventricles (coronal slices)",
}


def write_report(rows: list[Row], path: Path) -> None:
    """Puts the tables between the two marker comments of a Markdown file.

    Raises:
        ValueError: The file lacks the markers.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"'{path.name}' lacks the marker comments between which the tables belong.")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    path.write_text(before + BEGIN + "\n\n" + make_tables(rows) + "\n" + END + after, encoding="utf-8")


def make_tables(rows: list[Row]) -> str:
    """Markdown with one table for each data set and a line on how it was measured."""
    if not rows:
        return "No results yet.\n"
    parts = []
    for dataset in dict.fromkeys([*DATASET_TITLES, *(r.dataset for r in rows)]):
        chosen = [r for r in rows if r.dataset == dataset]
        for placement in sorted({r.placement for r in chosen}):
            part = [r for r in chosen if r.placement == placement]
            title = DATASET_TITLES.get(dataset, dataset)
            parts.append(f"### {title}, slices placed: {placement}\n\n{_table(part)}\n{_measured(part)}")
    return "\n".join(parts)


def _table(rows: list[Row]) -> str:
    lines = [
        "| K | Method | Cases | Mean Dice | SD | Wins | Against best other | Time (s) | Peak memory (MB) |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for k in sorted({r.k for r in rows}):
        lines += _lines(k, [r for r in rows if r.k == k])
    return "\n".join(lines) + "\n"


def _lines(k: int, rows: list[Row]) -> list[str]:
    """One line a method, over the cases that every method present has been run on."""
    methods = [m for m in METHODS if any(r.method == m for r in rows)]
    by_case: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_case[row.case][row.method].append(row)
    complete = {c: m for c, m in by_case.items() if all(name in m for name in methods)}
    if not complete:
        return [f"| {k} | no case has been run with all of: {', '.join(methods)} | 0 | | | | | | |"]
    dice = {
        method: [statistics.fmean(r.dice for r in found[method]) for found in complete.values()]
        for method in methods
    }
    best_mean = max((statistics.fmean(dice[m]) for m in methods if m != "ours"), default=None)
    lines = []
    for method in methods:
        values = dice[method]
        wins = sum(value == max(dice[m][i] for m in methods) for i, value in enumerate(values))
        mean = statistics.fmean(values)
        deviation = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"
        against = f"{mean - best_mean:+.3f}" if method == "ours" and best_mean is not None else ""
        taken = [r for found in complete.values() for r in found[method]]
        seconds = statistics.median(r.seconds for r in taken)
        memory = max(r.peak_mb for r in taken)
        name = f"**{TITLES[method]}**" if method == "ours" else TITLES[method]
        lines.append(
            f"| {k} | {name} | {len(values)} | {mean:.3f} | {deviation} | {wins} | {against} "
            f"| {seconds:.0f} | {memory:.0f} |"
        )
    return lines


def _measured(rows: list[Row]) -> str:
    def listed(values: set[str]) -> str:
        return ", ".join(sorted(values))

    budgets = listed({f"{r.budget:g} s" for r in rows if r.method in ("unet", "ours")}) or "not used"
    sentences = [
        f"Measured {listed({r.date for r in rows})} on: {'; '.join(sorted({r.machine for r in rows}))}.",
        f"Budget of the trained methods: {budgets}; cores for each process: "
        f"{listed({str(r.threads) for r in rows})}; processes at the same time: "
        f"{listed({str(r.jobs) for r in rows})}; seeds: {listed({str(r.seed) for r in rows})}.",
        "Time is the median of the whole process, its start included; peak memory the largest of all cases.",
    ]
    return "\n".join(sentences) + "\n"
