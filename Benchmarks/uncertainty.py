"""Whether what is said about errors is true: uncertainty map, probabilities, volumes, estimated Dice.

    python Benchmarks/uncertainty.py --data FOLDER                                  # left atria, K = 3, 5
    python Benchmarks/uncertainty.py --data FOLDER --k 12 --datasets left_atrium
    python Benchmarks/uncertainty.py --report

K slices evenly placed within the structure are annotated with the truth, and one empty slice beyond
each end; a session learns a fixed number of steps, so that the speed of the machine does not count.
What is judged are the voxels that nobody annotated.

- AUC: how well the uncertainty map tells wrong voxels from right ones, 0.5 chance, 1 perfectly; among
  the voxels within 5 voxels (in the plane of the slices) of the structures or of their prediction, as
  the rest of the volume would make any map look good.
- Wrong found: share of the wrong voxels among the tenth of these voxels that is most uncertain.
- ECE: expected calibration error of the foreground probability, ten bins, over voxels that it does not
  give as 0 or 100 percent.
- Volume: structures whose true volume lies within the +- that is shown.
- Estimated Dice (10 slices or more): the estimate minus the true Dice of the voxels not annotated.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "ContrastiveSeg")]

from benchmarklib.cases import DATASETS, BenchmarkCase, find_cases  # noqa: E402
from benchmarklib.placement import annotated_slices, dice_per_class, sparse_labels  # noqa: E402
from benchmarklib.results import describe_machine, today  # noqa: E402

RESULTS = ROOT / "Benchmarks" / "results" / "uncertainty.csv"
REACH = 5
_FIELDS = [
    "dataset", "case", "k", "steps", "seed", "dice", "auc", "wrong_found", "ece", "within", "structures",
    "estimate", "estimate_error", "seconds", "date", "machine",
]  # fmt: skip


def measure(case: BenchmarkCase, k: int, options: argparse.Namespace) -> dict[str, object]:
    """One row: learns a case and judges what is said about its errors."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    truth, axis = case.truth()
    sparse = sparse_labels(truth, axis, annotated_slices(truth, axis, k, "inside"))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = FinetuneSettings(
            budget=60, steps=options.steps, seed=options.seed, threads=options.threads, device="cpu"
        )
        session = FinetuningSession(Path(folder), settings)
        session.set_cases([Case(read_volume(case.image), SparseLabels(sparse))])
        found = session.train()[0]
    seconds = time.monotonic() - begun
    painted = [int(v) for v in np.unique(sparse) if v > 0]
    truth = np.where(np.isin(truth, painted), truth, 0)
    unknown = sparse < 0
    near = unknown & _near((truth > 0) | (found.labels > 0), axis)
    wrong = (found.labels != truth)[near]
    doubt = found.uncertainty[near]
    dice = dice_per_class(np.where(unknown, found.labels, 0), np.where(unknown, truth, 0), painted)
    within = 0
    for value in painted:
        off = abs(int((found.labels == value).sum()) - int((truth == value).sum()))
        within += off <= found.doubtful_voxels.get(value, 0.0)
    estimates = [v for v in painted if v in found.dice_estimate]
    error = statistics.fmean(found.dice_estimate[v] - dice[v] for v in estimates) if estimates else None
    return {
        "dataset": case.dataset,
        "case": case.name,
        "k": k,
        "steps": options.steps,
        "seed": options.seed,
        "dice": round(statistics.fmean(dice.values()), 5),
        "auc": round(_auc(doubt, wrong), 5),
        "wrong_found": round(_wrong_found(doubt, wrong), 5),
        "ece": round(_calibration_error(found.probability[unknown], truth[unknown] > 0), 5),
        "within": within,
        "structures": len(painted),
        "estimate": ""
        if error is None
        else round(statistics.fmean(found.dice_estimate[v] for v in estimates), 5),
        "estimate_error": "" if error is None else round(error, 5),
        "seconds": round(seconds, 1),
        "date": today(),
        "machine": describe_machine(),
    }


def _near(mask: np.ndarray, axis: int) -> np.ndarray:
    """Within REACH voxels of the mask in the plane of the slices."""
    from scipy import ndimage

    size = [1 if a == axis else 2 * REACH + 1 for a in range(3)]
    return ndimage.maximum_filter(mask.astype(np.uint8), size=size).astype(bool)


def _auc(doubt: np.ndarray, wrong: np.ndarray) -> float:
    """Probability that a wrong voxel is more uncertain than a right one, ties counting half."""
    bad = np.bincount(doubt[wrong], minlength=101).astype(float)
    good = np.bincount(doubt[~wrong], minlength=101).astype(float)
    if not bad.sum() or not good.sum():
        return float("nan")
    below = np.cumsum(good) - good
    return float((bad * (below + 0.5 * good)).sum() / (bad.sum() * good.sum()))


def _wrong_found(doubt: np.ndarray, wrong: np.ndarray) -> float:
    """Share of the wrong voxels in the most uncertain tenth; ties count in part."""
    bad = np.bincount(doubt[wrong], minlength=101).astype(float)[::-1]
    everything = np.bincount(doubt, minlength=101).astype(float)[::-1]
    room = 0.1 * everything.sum()
    before = np.cumsum(everything) - everything
    share = np.clip((room - before) / np.maximum(everything, 1), 0, 1)
    return float((bad * share).sum() / max(1.0, bad.sum()))


def _calibration_error(percent: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of probability and frequency over ten bins, weighted by their voxels."""
    said = (percent > 0) & (percent < 100)
    probability, truth = percent[said] / 100.0, truth[said].astype(float)
    if not len(truth):
        return float("nan")
    bins = np.minimum((probability * 10).astype(int), 9)
    counts = np.bincount(bins, minlength=10)
    gaps = np.abs(np.bincount(bins, probability, 10) - np.bincount(bins, truth, 10))
    return float(gaps.sum() / counts.sum())


def run(options: argparse.Namespace) -> int:
    """Measures what is not in the results yet; returns the exit status."""
    known = {_key(row) for row in _rows(options.results)}
    with tempfile.TemporaryDirectory(prefix="uncertainty-") as folder:
        for name in options.datasets.split(","):
            try:
                cases = find_cases(name, options.data, Path(folder))
            except (FileNotFoundError, ImportError) as error:
                print(error, file=sys.stderr)
                return 2
            for case in cases[: options.cases]:
                for k in (int(one) for one in options.k.split(",")):
                    wanted = (name, case.name, str(k), str(options.steps), str(options.seed))
                    if wanted in known:
                        continue
                    row = measure(case, k, options)
                    _append(options.results, row)
                    print(", ".join(f"{key} {row[key]}" for key in _FIELDS[:13]), flush=True)
    return 0


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("dataset", "case", "k", "steps", "seed"))


def _append(path: Path, row: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, _FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def report(path: Path) -> None:
    """Prints the table."""
    print(
        "| Data | K | Runs | Dice, not annotated | AUC | Wrong found | ECE | Volume within +- "
        "| Estimate minus Dice |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    rows = _rows(path)
    for dataset, k in sorted({(r["dataset"], int(r["k"])) for r in rows}):
        mine = [r for r in rows if (r["dataset"], int(r["k"])) == (dataset, k)]

        def told(name: str, mine: list[dict[str, str]] = mine) -> str:
            values = np.array([float(r[name]) for r in mine])
            spread = f" (SD {np.nanstd(values, ddof=1):.3f})" if len(values) > 1 else ""
            return f"{np.nanmean(values):.3f}{spread}"

        within, all_ = (sum(int(r[name]) for r in mine) for name in ("within", "structures"))
        errors = np.array([float(r["estimate_error"]) for r in mine if r["estimate_error"]])
        words = "-"
        if len(errors):
            words = f"mean {errors.mean():+.3f}, mean size {np.abs(errors).mean():.3f} ({len(errors)} runs)"
        print(
            f"| {dataset} | {k} | {len(mine)} | {told('dice')} | {told('auc')} | {told('wrong_found')} "
            f"| {told('ece')} | {within} of {all_} | {words} |"
        )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--datasets", default="left_atrium", help=", ".join(DATASETS))
    parser.add_argument("--k", default="3,5", help="numbers of annotated slices, default 3,5")
    parser.add_argument("--cases", type=int, help="only so many of each data set")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        report(options.results)
        return 0
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
