"""What each ingredient brings: the same learning without it, on the same slices, for as many steps.

    python Benchmarks/ablation.py --data FOLDER                       # hours; appends to the results
    python Benchmarks/ablation.py --data FOLDER --datasets demo --seeds 0,1,2
    python Benchmarks/ablation.py --data FOLDER --ways everything,badly-placed
    python Benchmarks/ablation.py --report                            # the tables, from the results

The last ways change the painting instead:

- badly-placed: all slices lie in the lower half of the structures, and none says where they end above.
- two-planes: half of the slices are axial, half coronal (all in the usual plane elsewhere).
- noisy-borders: each painted slice is the truth bent at random by about 1.5 pixels.

Slices are evenly placed inside the structures, with an empty one beyond each end, as in few_slices.py.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "ContrastiveSeg")]

from benchmarklib.cases import BenchmarkCase, find_cases  # noqa: E402
from benchmarklib.ingredients import EVERYTHING, FOR_OTHERS, INGREDIENTS, without  # noqa: E402
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels, two_planes  # noqa: E402
from benchmarklib.results import ResultsFile, Row, describe_machine, today  # noqa: E402

RESULTS = ROOT / "Benchmarks" / "results" / "ablation.csv"
_BEND, _SMOOTH = 1.5, 12.0


PAINTINGS = ("badly-placed", "two-planes", "noisy-borders")


def painted(truth: np.ndarray, axis: int, count: int, way: str, seed: int) -> np.ndarray:
    """Sparse labels, -1 where nothing is said."""
    if way == "badly-placed":
        half = truth.copy()
        other = tuple(a for a in range(3) if a != axis)
        found = np.flatnonzero((truth > 0).any(axis=other))
        middle = (int(found[0]) + int(found[-1])) // 2
        slices = annotated_slices(_cut(half, axis, middle), axis, count)
        return sparse_labels(truth, axis, [index for index in slices if index <= middle])
    slices = annotated_slices(truth, axis, count)
    if way == "two-planes":
        return two_planes(truth, axis, count)
    if way == "noisy-borders":
        rng = np.random.default_rng((seed, int((truth > 0).sum())))
        moved = np.moveaxis(truth, axis, 0).copy()
        for index in slices:
            moved[index] = _bent(moved[index], rng)
        return sparse_labels(np.moveaxis(moved, 0, axis), axis, slices)
    return sparse_labels(truth, axis, slices)


def _cut(labels: np.ndarray, axis: int, last: int) -> np.ndarray:
    np.moveaxis(labels, axis, 0)[last + 1 :] = 0
    return labels


def _bent(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slice of labels whose borders are moved to and fro."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    places = np.indices(plane.shape).astype(float)
    for axis in range(2):
        noise = gaussian_filter(rng.standard_normal(plane.shape), _SMOOTH / 2)
        places[axis] += _BEND * noise / max(float(noise.std()), 1e-9)
    return np.asarray(map_coordinates(plane, places, order=0, mode="nearest"), plane.dtype)


def measure(case: BenchmarkCase, way: str, options: argparse.Namespace, seed: int) -> dict[int, float]:
    """Dice by label value over the whole volume."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth, axis = case.truth()
    sparse = painted(truth, axis, options.k, way, seed)
    values = [int(value) for value in np.unique(sparse) if value > 0]
    with without(way if way in INGREDIENTS else EVERYTHING), tempfile.TemporaryDirectory() as run:
        settings = FinetuneSettings(device="cpu", threads=options.threads, steps=options.steps, seed=seed)
        session = FinetuningSession(Path(run), settings)
        session.set_cases([Case(read_volume(case.image), SparseLabels(sparse))])
        return dice_per_class(session.train()[0].labels, truth, values)


def run(options: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    results = ResultsFile(options.results)
    done = {row.key for row in results.rows()}
    with tempfile.TemporaryDirectory() as work:
        for name in options.datasets:
            cases = find_cases(name, options.data, Path(work))
            for case in [one for one in cases if not options.cases or one.name in options.cases]:
                for seed in options.seeds:
                    for way in options.ways:
                        row = Row(
                            name, case.name, options.k, "inside", way, seed, float(options.steps),
                            options.threads, 1, math.nan, "{}", 0, math.nan, math.nan, math.nan, "ok",
                            today(), describe_machine(),
                        )  # fmt: skip
                        if row.key in done:
                            continue
                        begun = time.monotonic()
                        scores = measure(case, way, options, seed)
                        dice = statistics.fmean(scores.values())
                        text = json.dumps({str(value): round(one, 4) for value, one in scores.items()})
                        values = vars(row) | {"dice": round(dice, 5), "dice_per_class": text}
                        seconds = round(time.monotonic() - begun, 1)
                        results.append(Row(**values | {"classes": len(scores), "seconds": seconds}))
                        print(f"{case.name} seed {seed} {way}: {dice:.4f}, {seconds} s", flush=True)


def table(rows: list[Row]) -> str:
    """Markdown: by data set, each way beside everything, paired."""
    lines = ["| Data | K | Steps | Way | Runs | Mean Dice | SD | Against everything, paired | Worse in |"]
    lines.append("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    groups = sorted({(row.dataset, row.k, row.budget) for row in rows})
    for dataset, k, steps in groups:
        mine = [row for row in rows if (row.dataset, row.k, row.budget) == (dataset, k, steps)]
        whole = {(row.case, row.seed): row.dice for row in mine if row.method == EVERYTHING}
        for way in [*INGREDIENTS, *PAINTINGS]:
            found = [row for row in mine if row.method == way]
            if not found:
                continue
            dice = [row.dice for row in found]
            gains = [row.dice - whole[row.case, row.seed] for row in found if (row.case, row.seed) in whole]
            spread = f"{statistics.stdev(dice):.3f}" if len(dice) > 1 else "-"
            against = worse = ""
            if way != EVERYTHING and gains:
                against = f"{statistics.fmean(gains):+.3f}"
                against += f" (SD {statistics.stdev(gains):.3f})" if len(gains) > 1 else ""
                worse = f"{sum(gain < 0 for gain in gains)} of {len(gains)}"
            lines.append(
                f"| {dataset} | {k} | {steps:.0f} | {way} | {len(dice)} | {statistics.fmean(dice):.3f} "
                f"| {spread} | {against} | {worse} |"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    every = [*(one for one in INGREDIENTS if one not in FOR_OTHERS), *PAINTINGS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--datasets", type=lambda text: text.split(","), default=["left_atrium", "demo"])
    parser.add_argument("--cases", type=lambda text: text.split(","), default=[], help="names; else all")
    parser.add_argument("--ways", type=lambda text: text.split(","), default=every, help="; ".join(every))
    parser.add_argument("--seeds", type=lambda text: [int(one) for one in text.split(",")], default=[0])
    parser.add_argument("--k", type=int, default=5, help="painted slices")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="print the table and do nothing else")
    options = parser.parse_args(arguments)
    if unknown := [way for way in options.ways if way not in every]:
        parser.error(f"--ways: '{unknown[0]}' is none of {'; '.join(every)}")
    if not options.report:
        if options.data is None and set(options.datasets) != {"demo"}:
            parser.error("name the folder of the data sets with --data")
        try:
            run(options)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            return 2
    print(table(ResultsFile(options.results).rows()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
