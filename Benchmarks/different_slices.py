"""Two structures painted on different slices: Dice where a slice leaves open what is painted elsewhere.

Four slices of the one structure are painted, evenly placed over it, and four others of the second one; one
empty slice beyond the ends of both. Three ways to read that, with the same number of optimiser steps:

- closed: what is not painted on a slice is background, also the structure that is on it but not painted.
- open: around the place where the other structure may be, as the slices beside it show, nothing is said
  (what 3D Slicer's panel writes).
- both: both structures are painted on all these slices, which is twice the work.

    python Benchmarks/different_slices.py --data FOLDER
    python Benchmarks/different_slices.py --data FOLDER --datasets ct_examples --steps 2
    python Benchmarks/different_slices.py --data FOLDER --absences

The last one asks the truth how often a structure really is absent between slices that show it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmarklib.cases import BenchmarkCase, find_cases
from benchmarklib.placement import IGNORE, annotated_slices, dice_per_class, painted_apart
from benchmarklib.results import describe_machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
PAIRS = {
    "ct_examples": [(5, 1), (6, 2), (3, 20)],
    "demo": [(1, 3), (2, 6)],
    "hippocampus": [(1, 2)],
    "cardiac_cine": [(1, 3)],
}
"""By data set the label values of two structures: liver and spleen, stomach and right kidney, left kidney
and colon; thalamus and putamen, caudate and ventricle; anterior and posterior hippocampus; right and left
ventricle of the heart."""
WAYS = ("closed", "open", "both")
SLICES = 4


def measure(case: BenchmarkCase, pair: tuple[int, int], way: str, steps: int) -> list[float] | None:
    """Dice of both structures; None where one of them is on too few slices."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth, axis = case.truth()
    truth = np.where(np.isin(truth, pair), truth, 0)
    sparse = painted_apart(truth, axis, pair, SLICES, way)
    if sparse is None:
        return None
    with tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), FinetuneSettings(device="cpu", threads=1, steps=steps))
        session.set_cases([Case(read_volume(case.image), SparseLabels(sparse))])
        found = session.train()[0]
    assert (found.labels[sparse > IGNORE] == sparse[sparse > IGNORE]).all()
    return list(dice_per_class(found.labels, truth, list(pair)).values())


def absences(cases: list[BenchmarkCase], count: int) -> tuple[int, int]:
    """On evenly placed slices: structures that one lacks between two that show it, and all structures."""
    lacking = total = 0
    for case in cases:
        truth, axis = case.truth()
        planes = [np.take(truth, i, axis=axis) for i in annotated_slices(truth, axis, count)]
        shown = [set(np.unique(plane).tolist()) - {0} for plane in planes]
        for value in set().union(*shown):
            on = [value in here for here in shown]
            first, last = on.index(True), len(on) - on[::-1].index(True)
            lacking += not all(on[first:last])
            total += 1
    return lacking, total


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--datasets", default=",".join(PAIRS))
    parser.add_argument("--cases", type=int, default=5, help="most volumes of a data set, evenly drawn")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--absences", action="store_true", help="count them, and do nothing else")
    args = parser.parse_args()
    if args.absences:
        with tempfile.TemporaryDirectory() as work:
            for name in args.datasets.split(","):
                for count in (3, 5, 8):
                    lacking, total = absences(find_cases(name, args.data, Path(work)), count)
                    print(f"{name}, {count} slices: {lacking} of {total} structures")
        return
    print(f"{describe_machine()}; one thread, {args.steps} steps, seed 0\n")
    print("| Data | Structures | Volumes | Closed | Open | Both painted | Open against closed, paired |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as work:
        for name in args.datasets.split(","):
            cases = find_cases(name, args.data, Path(work))
            cases = cases[:: max(1, len(cases) // args.cases)][: args.cases]
            for pair in PAIRS[name]:
                dice: dict[str, list[float]] = {way: [] for way in WAYS}
                for case in cases:
                    found = {way: measure(case, pair, way, args.steps) for way in WAYS}
                    for way, one in found.items():
                        dice[way] += [statistics.fmean(one)] if one is not None else []
                gains = [a - b for a, b in zip(dice["open"], dice["closed"], strict=True)]
                spread = f" (SD {statistics.stdev(gains):.3f})" if len(gains) > 1 else ""
                means = " | ".join(f"{statistics.fmean(dice[way]):.3f}" for way in WAYS)
                print(
                    f"| {name} | {pair[0]}, {pair[1]} | {len(gains)} | {means} "
                    f"| {statistics.fmean(gains):+.3f}{spread} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
