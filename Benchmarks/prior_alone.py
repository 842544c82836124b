"""What annotated slices say about the others before anything is learnt: contours carried, and grown.

Prints a table: Dice of the mask without any network, as it is made and without one ingredient at a time.

    python Benchmarks/prior_alone.py --data FOLDER
    python Benchmarks/prior_alone.py --data FOLDER --planes 2
    python Benchmarks/prior_alone.py --data FOLDER --datasets hippocampus,cardiac_cine --every 12 --slices 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmarklib.cases import DATASETS, BenchmarkCase, find_cases
from benchmarklib.ingredients import EVERYTHING, without
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels, two_planes
from benchmarklib.results import describe_machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
WAYS = (
    EVERYTHING,
    "no regions grown between the contours",
    "contours that end pointed",
    "planes that know only their own slices",
)


def measure(case: BenchmarkCase, count: int, planes: int, way: str) -> float:
    """Mean Dice of the prior's own mask."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.events import Event, Preview
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth, axis = case.truth()
    if planes == 2:
        sparse = two_planes(truth, axis, count)
    else:
        sparse = sparse_labels(truth, axis, annotated_slices(truth, axis, count))
    painted = [int(value) for value in np.unique(sparse) if value > 0]
    found: list[Preview] = []

    def keep(event: Event) -> None:
        if isinstance(event, Preview) and not found:
            found.append(event)

    with without(way), tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), FinetuneSettings(device="cpu", threads=1, steps=1))
        session.set_cases([Case(read_volume(case.image), SparseLabels(sparse))])
        session.train(keep, lambda: bool(found))
    return float(np.mean(list(dice_per_class(found[0].prediction.labels, truth, painted).values())))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--every", type=int, default=1, help="only each so many-th case")
    parser.add_argument("--slices", default="3,5,8")
    parser.add_argument("--planes", type=int, choices=(1, 2), default=1, help="in which the slices lie")
    args = parser.parse_args()
    ways = WAYS if args.planes == 2 else WAYS[:-1]
    print(f"{describe_machine()}; one thread\n")
    print("| Data | K | Planes | Way | Cases | Mean Dice | What it brings, paired | Better in |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as work:
        for name in args.datasets.split(","):
            cases = find_cases(name, args.data, Path(work))[:: args.every]
            for count in (int(k) for k in args.slices.split(",")):
                whole: list[float] = []
                for way in ways:
                    dice = [measure(one, count, args.planes, way) for one in cases]
                    whole = whole or dice
                    gains = [a - b for a, b in zip(whole, dice, strict=True)]
                    spread = f" (SD {statistics.stdev(gains):.3f})" if len(gains) > 1 else ""
                    brings = f"{statistics.mean(gains):+.3f}{spread}" if way != EVERYTHING else ""
                    better = f"{sum(g > 0 for g in gains)} of {len(gains)}" if way != EVERYTHING else ""
                    print(
                        f"| {name} | {count} | {args.planes} | {way} | {len(cases)} "
                        f"| {statistics.mean(dice):.3f} | {brings} | {better} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
