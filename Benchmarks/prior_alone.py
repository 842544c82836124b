"""What annotated slices say about the others before anything is learnt: contours carried, and grown.

Prints a table: Dice of the mask without any network, and without one part of what makes it at a time:

- nothing grown: no regions that grow from the annotated slices;
- pointed: contours shrink evenly towards a slice without the structure, instead of being round;
- planes apart: each plane knows its own slices only, and planes count by the number of these.

    python Benchmarks/prior_alone.py --data FOLDER
    python Benchmarks/prior_alone.py --data FOLDER --planes 2
    python Benchmarks/prior_alone.py --data FOLDER --datasets hippocampus,cardiac_cine --every 12 --slices 3
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from benchmarklib.cases import DATASETS, BenchmarkCase, find_cases
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels, two_planes
from benchmarklib.results import describe_machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
EVERYTHING = "everything"
WAYS = (EVERYTHING, "nothing grown", "pointed", "planes apart")


def without(way: str) -> contextlib.AbstractContextManager[object]:
    """Takes a part away."""
    import torch

    def evenly(low: torch.Tensor, _high: torch.Tensor, place: float) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(low, place), torch.zeros_like(low)

    def by_number(view: Any, plan: Any) -> torch.Tensor:
        return torch.full((view.count,), float(plan.count))

    patches: dict[str, list[tuple[str, object]]] = {
        EVERYTHING: [],
        "nothing grown": [("priors.region_growing.LARGEST_SHARE", 0.0)],
        "pointed": [("priors.propagation.round_profile", evenly)],
        "planes apart": [
            ("finetuning.case_data._slice_weights", by_number),
            ("finetuning.view.View.known_pixels", lambda view, *_given: np.zeros(view.size, np.int64)),
        ],
    }
    stack = contextlib.ExitStack()
    for name, replacement in patches[way]:
        stack.enter_context(mock.patch(f"contrastive_seg.{name}", replacement))
    return stack


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
    ways = [way for way in WAYS if args.planes == 2 or way != "planes apart"]
    print(f"{describe_machine()}; one thread\n")
    print("| Data | K | Planes | Without | Cases | Mean Dice | What it brings, paired | Better in |")
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
                    left_out = "-" if way == EVERYTHING else way
                    print(
                        f"| {name} | {count} | {args.planes} | {left_out} | {len(cases)} "
                        f"| {statistics.mean(dice):.3f} | {brings} | {better} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
