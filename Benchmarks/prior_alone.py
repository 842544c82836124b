"""What annotated slices say about the others before anything is learnt: contours carried, and grown.

Prints a table: Dice of the propagated contours alone, of their mixture with the regions that grow from
annotated slices, and the paired difference, without any network.

    python Benchmarks/prior_alone.py --data FOLDER
    python Benchmarks/prior_alone.py --data FOLDER --datasets hippocampus,cardiac_cine --every 12 --slices 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarklib.cases import DATASETS, BenchmarkCase, find_cases
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels
from benchmarklib.results import describe_machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))


def measure(case: BenchmarkCase, count: int, share: float) -> tuple[float, float]:
    """Mean Dice of the prior's own mask, and the seconds until it was there."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.events import Event, Preview
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings
    from contrastive_seg.priors import region_growing

    region_growing.LARGEST_SHARE = share
    truth, axis = case.truth()
    sparse = sparse_labels(truth, axis, annotated_slices(truth, axis, count))
    painted = [int(value) for value in np.unique(sparse) if value > 0]
    found: list[Preview] = []

    def keep(event: Event) -> None:
        if isinstance(event, Preview) and not found:
            found.append(event)

    with tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), FinetuneSettings(device="cpu", threads=1, steps=1))
        session.set_cases([Case(read_volume(case.image), SparseLabels(sparse))])
        begun = time.monotonic()
        session.train(keep, lambda: bool(found))
    seconds = time.monotonic() - begun
    scores = dice_per_class(found[0].prediction.labels, truth, painted)
    return float(np.mean(list(scores.values()))), seconds


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--every", type=int, default=1, help="only each so many-th case")
    parser.add_argument("--slices", default="3,5,8")
    parser.add_argument("--share", type=float, default=0.8, help="largest weight of the regions")
    args = parser.parse_args()
    print(f"{describe_machine()}; one thread\n")
    print("| Data | K | Cases | Carried | Carried and grown | Paired difference | Better in |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as work:
        for name in args.datasets.split(","):
            cases = find_cases(name, args.data, Path(work))[:: args.every]
            for count in (int(k) for k in args.slices.split(",")):
                pairs = [(measure(one, count, 0.0)[0], measure(one, count, args.share)[0]) for one in cases]
                gains = [both - carried for carried, both in pairs]
                spread = f" (SD {statistics.stdev(gains):.3f})" if len(gains) > 1 else ""
                means = [statistics.mean(column) for column in zip(*pairs, strict=True)]
                print(
                    f"| {name} | {count} | {len(cases)} | {means[0]:.3f} | {means[1]:.3f} | "
                    f"{statistics.mean(gains):+.3f}{spread} | {sum(g > 0 for g in gains)} of {len(gains)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
