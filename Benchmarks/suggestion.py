"""Dice from 3 evenly placed slices and 3 suggested ones, against 6 evenly placed and 3 + 3 random ones.

    python Benchmarks/suggestion.py --data FOLDER                              # the 10 volumes, for hours
    python Benchmarks/suggestion.py --data FOLDER --steps 4                    # the prior alone, for minutes
    python Benchmarks/suggestion.py --data FOLDER --cases la_030,la_031
    python Benchmarks/suggestion.py --report                                   # the tables, from the results

All begin with the same slices: evenly placed strictly inside the structure, and one empty slice right
beyond each end. What is added is painted from the truth. Every way gets the same number of optimiser
steps in total, shared by its learnings, so that the speed of the machine does not count:

- even: 6 evenly placed slices, one learning.
- random: 3 evenly placed, a learning, 3 drawn at random from the structure, a learning.
- middle: 3 evenly placed, a learning, the middles of the widest gaps, a learning.
- at-once: 3 evenly placed, a learning, the 3 that it suggests, a learning.
- one-by-one: 3 evenly placed, then three times: a learning, the first that it suggests; a last learning.
- oracle (only where --ways names it): 3 evenly placed, then three times that one of every third slice with
  which the truth is met best, found by trying each of them: what choosing slice after slice could reach.

Volumes from la_030 on were used to choose the criterion, the 10 before them were not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "ContrastiveSeg")]

from benchmarklib.cases import BenchmarkCase, find_cases  # noqa: E402
from benchmarklib.children import run_child  # noqa: E402
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels  # noqa: E402
from benchmarklib.results import ResultsFile, Row, describe_machine, today  # noqa: E402

RESULTS = ROOT / "Benchmarks" / "results" / "suggestion.csv"
WAYS = {"even": 1, "random": 2, "middle": 2, "at-once": 2, "one-by-one": 4, "oracle": 4}
"""Each way with the number of its learnings."""
ORACLE_STRIDE = 3
"""The oracle tries every third slice."""
REPORTED = [f"la_{number:03d}" for number in range(20, 30)]
FIRST, ADDED = 3, 3


def main(arguments: list[str] | None = None) -> int:
    """Measures what is not in the results yet and prints the table; returns the exit status."""
    options = _parse(arguments)
    if options.one:
        case = next(one for one in _cases(options, Path()) if one.name == options.one[0])
        print(json.dumps(measure(case, options.one[1], options.steps, options.seed, options.threads)))
        return 0
    results = ResultsFile(options.results)
    failures = 0
    if not options.report:
        with tempfile.TemporaryDirectory(prefix="suggestion-") as folder:
            try:
                cases = _cases(options, Path(folder))
            except FileNotFoundError as error:
                print(error, file=sys.stderr)
                return 2
            wanted = options.cases or REPORTED
            failures = _run([case for case in cases if case.name in wanted], options, results, Path(folder))
    print(report(results.rows(), options.steps))
    return 1 if failures else 0


def measure(case: BenchmarkCase, way: str, steps: int, seed: int, threads: int) -> dict[str, object]:
    """Dice of one way on one volume, and the slices in the order in which they were painted."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth, axis = case.truth()
    volume = read_volume(case.image)
    learnings = WAYS[way]
    slices = annotated_slices(truth, axis, FIRST + ADDED if way == "even" else FIRST)
    order = list(slices)
    settings = FinetuneSettings(
        device="cpu", threads=threads, seed=seed, steps=max(1, round(steps / learnings))
    )
    with tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), settings)
        for learning in range(learnings):
            session.set_cases([Case(volume, SparseLabels(sparse_labels(truth, axis, sorted(order))))])
            prediction = session.train()[0]
            if learning + 1 == learnings:
                break
            count = ADDED if learnings == 2 else 1
            if way == "random":
                order += _random(truth, axis, order, count, seed)
            elif way == "middle":
                order += _middles(order, count)
            elif way == "oracle":
                order.append(_best(volume, truth, axis, order, settings))
            else:
                found = session.suggest(0, 10)
                order += [one.index for one in found if one.axis == axis][:count]
    return {"dice": _mean_dice(prediction.labels, truth), "slices": [int(index) for index in order]}


def _mean_dice(labels: np.ndarray, truth: np.ndarray) -> float:
    return statistics.fmean(
        dice_per_class(labels, truth, [int(v) for v in np.unique(truth) if v > 0]).values()
    )


def _not_painted(truth: np.ndarray, axis: int, known: list[int]) -> list[int]:
    """Slices of the structure's extent that are not painted."""
    other = tuple(a for a in range(3) if a != axis)
    return [int(i) for i in np.flatnonzero((truth > 0).any(axis=other)) if int(i) not in known]


def _random(truth: np.ndarray, axis: int, known: list[int], count: int, seed: int) -> list[int]:
    """Slices drawn by the seed."""
    inside = _not_painted(truth, axis, known)
    drawn = np.random.default_rng((seed, int((truth > 0).sum()))).choice(inside, count, replace=False)
    return [int(index) for index in drawn]


def _best(volume: Any, truth: np.ndarray, axis: int, known: list[int], settings: Any) -> int:
    """The slice that, painted too, gives the best Dice; each is tried from the beginning."""
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession

    def dice(index: int) -> float:
        with tempfile.TemporaryDirectory() as run:
            session = FinetuningSession(Path(run), settings)
            painted = sparse_labels(truth, axis, sorted([*known, index]))
            session.set_cases([Case(volume, SparseLabels(painted))])
            return _mean_dice(session.train()[0].labels, truth)

    return max(_not_painted(truth, axis, known)[::ORACLE_STRIDE], key=dice)


def _middles(known: list[int], count: int) -> list[int]:
    """The middles of the widest gaps, one after the other."""
    chosen: list[int] = []
    for _ in range(count):
        places = sorted([*known, *chosen])
        first = int(np.argmax(np.diff(places)))
        chosen.append((places[first] + places[first + 1]) // 2)
    return chosen


def report(rows: list[Row], steps: int | None) -> str:
    """The table of a number of steps; for None those of all numbers that there are results of."""
    numbers = sorted({int(row.budget) for row in rows}) if steps is None else [steps]
    return "\n\n".join(table(rows, number) for number in numbers) or "No results yet."


def table(rows: list[Row], steps: int) -> str:
    """Markdown with a line for each way, over the volumes that all ways have been run on."""
    rows = [row for row in rows if row.budget == steps]
    dice: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    for row in rows:
        dice[row.method].setdefault(row.case, []).append(row.dice)
    found = {way: cases for way, cases in dice.items() if cases}
    if not found:
        return f"No results with {steps} steps yet."
    common = sorted(set.intersection(*(set(cases) for cases in found.values())))
    mean = {way: {c: statistics.fmean(cases[c]) for c in common} for way, cases in found.items()}
    lines = [
        f"{steps} steps in total; {len(common)} volumes: {', '.join(common)}\n",
        "| Slices | Mean Dice | SD | Against 6 even | Better in | Against 3 + 3 random | Better in |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for way, cases in mean.items():
        values = list(cases.values())
        spread = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "-"
        against = " | ".join(_against(cases, mean.get(other, {})) for other in ("even", "random"))
        lines.append(
            f"| {way} | {statistics.fmean(values) if values else float('nan'):.4f} | {spread} | {against} |"
        )
    return "\n".join(lines)


def _against(mine: dict[str, float], theirs: dict[str, float]) -> str:
    gains = [mine[case] - theirs[case] for case in mine if case in theirs]
    if not gains:
        return " | "
    return f"{statistics.fmean(gains):+.4f} | {sum(gain > 0 for gain in gains)} of {len(gains)}"


def _run(cases: list[BenchmarkCase], options: argparse.Namespace, results: ResultsFile, work: Path) -> int:
    """Runs the missing measurements, each in a child process; returns how many failed."""
    done = {row.key for row in results.rows()}
    failures = 0
    for case in cases:
        for way in options.ways:
            row = _row(case, way, options)
            if row.key in done:
                continue
            command = [str(Path(__file__).resolve()), "--data", str(options.data), "--one", case.name, way]
            command += ["--steps", str(options.steps), "--seed", str(options.seed)]
            command += ["--threads", str(options.threads)]
            outcome = run_child(command, options.threads, work / "log.txt", options.limit)
            values = vars(row) | {
                "seconds": round(outcome.seconds, 2),
                "peak_mb": round(outcome.peak_mb, 1),
                "status": f"failed ({outcome.code})",
            }
            last = (outcome.log.splitlines() or [""])[-1]
            if outcome.code == 0 and last.startswith("{"):
                told = json.loads(last)
                values.update(dice=round(told["dice"], 5), classes=1, status="ok")
                values["dice_per_class"] = json.dumps({"1": round(told["dice"], 5)})
                last = f"Dice {told['dice']:.4f}, slices {told['slices']}"
            else:
                failures += 1
            results.append(Row(**values))
            print(f"{case.name} {way}: {last}, {outcome.seconds:.0f} s", flush=True)
    return failures


def _row(case: BenchmarkCase, way: str, options: argparse.Namespace) -> Row:
    unknown = float("nan")
    return Row(
        dataset=case.dataset, case=case.name, k=FIRST + ADDED, placement="inside", method=way,
        seed=options.seed, budget=float(options.steps), threads=options.threads, jobs=1, dice=unknown,
        dice_per_class="{}", classes=0, seconds=unknown, own_seconds=unknown, peak_mb=unknown,
        status="not run", date=today(), machine=describe_machine(),
    )  # fmt: skip


def _cases(options: argparse.Namespace, work: Path) -> list[BenchmarkCase]:
    return find_cases(options.dataset, options.data, work)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of data")
    parser.add_argument("--dataset", default="left_atrium")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=None, help="default: the 10")
    parser.add_argument("--ways", type=lambda text: text.split(","), help=",".join(WAYS))
    parser.add_argument("--steps", type=int, help="optimiser steps in total, default 400")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="cores of the child process, default 2")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one measurement")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="print the table and do nothing else")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.ways = options.ways or [way for way in WAYS if way != "oracle"]
    if options.steps is None and not options.report:
        options.steps = 400
    if unknown := [way for way in options.ways if way not in WAYS]:
        parser.error(f"--ways: '{unknown[0]}' is none of {', '.join(WAYS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
