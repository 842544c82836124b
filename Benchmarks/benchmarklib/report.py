"""The table in Docs/benchmarks.md, made from the results file."""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

from benchmarklib.methods import METHODS, OURS, TITLES
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
            budgets = sorted({r.budget for r in part if r.budget}) or [0.0]
            for budget in budgets:
                # what does not learn has no budget, and stands beside the shortest one
                rows_of = [r for r in part if r.budget == budget or (not r.budget and budget == budgets[0])]
                words = "" if budget == budgets[0] else f", {budget:g} s"
                parts.append(
                    f"### {title}, slices placed: {placement}{words}\n\n{_table(rows_of)}\n"
                    f"{_measured(rows_of)}"
                )
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
    """One line a method over its own cases; comparisons only over cases that both have been run on."""
    dice: dict[str, dict[str, float]] = {}
    for method in METHODS:
        by_case: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            if row.method == method:
                by_case[row.case].append(row.dice)
        if by_case:
            dice[method] = {case: statistics.fmean(values) for case, values in by_case.items()}
    common = set.intersection(*(set(found) for found in dice.values()))
    lines = []
    for method, found in dice.items():
        values = list(found.values())
        deviation = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"
        wins = sum(found[case] == max(other[case] for other in dice.values()) for case in common)
        taken = [r for r in rows if r.method == method]
        name = f"**{TITLES[method]}**" if method == "ours" else TITLES[method]
        lines.append(
            f"| {k} | {name} | {len(values)} | {statistics.fmean(values):.3f} | {deviation} "
            f"| {wins} of {len(common)} | {_against(dice, method) if method in OURS else ''} "
            f"| {statistics.median(r.seconds for r in taken):.0f} | {max(r.peak_mb for r in taken):.0f} |"
        )
    return lines


def _against(dice: dict[str, dict[str, float]], ours: str) -> str:
    """The smallest mean paired difference of one of ours to another method."""
    differences = []
    for method, theirs in dice.items():
        both = set(theirs) & set(dice[ours])
        if method != ours and both:
            differences.append(statistics.fmean(dice[ours][case] - theirs[case] for case in both))
    return f"{min(differences):+.3f}" if differences else ""


def _measured(rows: list[Row]) -> str:
    def listed(values: set[str]) -> str:
        return ", ".join(sorted(values))

    budgets = listed({f"{r.budget:g} s" for r in rows if r.budget}) or "not used"
    sentences = [
        f"Measured {listed({r.date for r in rows})} on: {'; '.join(sorted({r.machine for r in rows}))}.",
        f"Budget of the trained methods: {budgets}; cores for each process: "
        f"{listed({str(r.threads) for r in rows})}; processes at the same time: "
        f"{listed({str(r.jobs) for r in rows})}; seeds: {listed({str(r.seed) for r in rows})}.",
        "Time is the median of the whole process, its start included; peak memory the largest of all cases.",
    ]
    return "\n".join(sentences) + "\n"
