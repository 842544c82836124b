"""Whole-volume Dice from a few annotated slices: Slicer's own tools, a plain U-Net, and ours.

    python Benchmarks/few_slices.py --data FOLDER                        # everything, for hours
    python Benchmarks/few_slices.py --data FOLDER --methods fill,grow
    python Benchmarks/few_slices.py --data FOLDER --cases la_020 --k 3 --methods ours
    python Benchmarks/few_slices.py --data FOLDER --methods ours,mcsc --k 3 --budget 600
    python Benchmarks/few_slices.py --report                             # tables in Docs/benchmarks.md

A user is simulated: K slices evenly placed strictly inside the structure's extent are annotated with
the truth, and one empty slice right beyond each end, for all methods alike. Dice is over the whole
volume, the annotated slices included, averaged over the classes that occur on an annotated slice.
Every method runs in a child process. Results are appended row by row: an interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "ContrastiveSeg")]

from benchmarklib.cases import DATASETS, BenchmarkCase, find_cases, write_sparse_labels  # noqa: E402
from benchmarklib.children import run_child  # noqa: E402
from benchmarklib.methods import METHODS, OURS, USUAL, child_arguments  # noqa: E402
from benchmarklib.placement import PLACEMENTS, dice_per_class  # noqa: E402
from benchmarklib.report import write_report  # noqa: E402
from benchmarklib.results import ResultsFile, Row, describe_machine, today  # noqa: E402

RESULTS = ROOT / "Benchmarks" / "results" / "few_slices.csv"
REPORT = ROOT / "Docs" / "benchmarks.md"
TRAINED = ("unet", *OURS)


@dataclass(frozen=True)
class Task:
    """One measurement to make."""

    case: BenchmarkCase
    k: int
    method: str
    seed: int


def main(arguments: list[str] | None = None) -> int:
    """Runs what is asked for and is not in the results yet; returns the exit status."""
    options = _parse(arguments)
    results = ResultsFile(options.results)
    if options.report:
        write_report(results.rows(), options.document)
        print(f"Tables written to {options.document}")
        return 0
    with tempfile.TemporaryDirectory(prefix="few-slices-") as folder:
        try:
            tasks = _plan(options, Path(folder))
        except (FileNotFoundError, ImportError) as error:
            print(error, file=sys.stderr)
            return 2
        failures = _run_all(tasks, options, results, Path(folder))
    if failures:
        print(f"{failures} of {len(tasks)} measurements failed; run again to repeat them.", file=sys.stderr)
    return 1 if failures else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def words(text: str) -> list[str]:
        return [w.strip() for w in text.split(",") if w.strip()]

    def numbers(text: str) -> list[int]:
        return [int(w) for w in words(text)]

    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of data")
    parser.add_argument("--datasets", type=words, default=["left_atrium"], help=f"of {','.join(DATASETS)}")
    parser.add_argument("--cases", type=words, default=None, help="names, default all (e.g. la_020,la_021)")
    parser.add_argument("--k", type=numbers, default=[3, 5, 8], help="annotated slices, default 3,5,8")
    parser.add_argument("--methods", type=words, default=list(USUAL), help=f"of {','.join(METHODS)}")
    parser.add_argument("--placement", choices=PLACEMENTS, default="inside")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for learning, default 60")
    parser.add_argument("--seed", type=numbers, default=[0], help="seeds of what learns, default 0")
    parser.add_argument("--device", default="cpu", help="for what learns, default cpu")
    parser.add_argument("--threads", type=int, default=2, help="cores for each child process, default 2")
    parser.add_argument("--jobs", type=int, default=1, help="child processes at the same time, default 1")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--document", type=Path, default=REPORT, help="where --report puts the tables")
    parser.add_argument("--report", action="store_true", help="write the tables and do nothing else")
    options = parser.parse_args(arguments)
    for name, given, known in (
        ("--methods", options.methods, METHODS),
        ("--datasets", options.datasets, DATASETS),
    ):
        if unknown := [g for g in given if g not in known]:
            parser.error(f"{name}: '{unknown[0]}' is none of {', '.join(known)}")
    return options


def _plan(options: argparse.Namespace, work: Path) -> list[Task]:
    """All measurements, case by case, so that an early stop leaves complete cases."""
    cases = [case for dataset in options.datasets for case in find_cases(dataset, options.data, work)]
    if options.cases is not None:
        if missing := set(options.cases) - {case.name for case in cases}:
            raise FileNotFoundError(f"There is no case '{sorted(missing)[0]}' in {options.datasets}.")
        cases = [case for case in cases if case.name in options.cases]
    return [
        Task(case, k, method, seed)
        for case in cases
        for k in options.k
        for method in options.methods
        for seed in (options.seed if method in TRAINED else options.seed[:1])
    ]


def _run_all(tasks: list[Task], options: argparse.Namespace, results: ResultsFile, work: Path) -> int:
    """Runs the missing measurements; returns how many failed."""
    done = {row.key for row in results.rows()}
    machine = describe_machine()
    failures = 0
    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        missing = [t for t in tasks if _empty_row(t, options, machine).key not in done]
        print(f"{len(tasks)} measurements, {len(tasks) - len(missing)} of them known already", flush=True)
        running = [pool.submit(_measure, task, options, machine, work) for task in missing]
        try:
            for number, future in enumerate(as_completed(running), 1):
                row = future.result()
                results.append(row)
                failures += row.status != "ok"
                print(
                    f"[{number}/{len(missing)}] {row.dataset} {row.case} K={row.k} {row.method}: "
                    f"Dice {row.dice:.3f}, {row.seconds:.1f} s, {row.peak_mb:.0f} MB, {row.status}",
                    flush=True,
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failures


def _empty_row(task: Task, options: argparse.Namespace, machine: str) -> Row:
    trained = task.method in TRAINED
    return Row(
        dataset=task.case.dataset,
        case=task.case.name,
        k=task.k,
        placement=options.placement,
        method=task.method,
        seed=task.seed if trained else 0,
        budget=options.budget if trained else 0.0,
        threads=options.threads,
        jobs=options.jobs,
        dice=float("nan"),
        dice_per_class="{}",
        classes=0,
        seconds=float("nan"),
        own_seconds=float("nan"),
        peak_mb=float("nan"),
        status="not run",
        date=today(),
        machine=machine,
    )


def _measure(task: Task, options: argparse.Namespace, machine: str, work: Path) -> Row:
    """Runs one method on one case and scores its prediction against the truth."""
    values = vars(_empty_row(task, options, machine)).copy()
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        labels = folder / "sparse.nii.gz"
        painted = write_sparse_labels(task.case, task.k, options.placement, labels)
        truth, axis = task.case.truth()
        command, output = child_arguments(
            task.method,
            task.case.image,
            labels,
            folder,
            axis=axis,
            budget=options.budget,
            seed=task.seed,
            threads=options.threads,
            device=options.device,
        )
        limit = 600 + 5 * options.budget
        outcome = run_child(command, options.threads, folder / "log.txt", limit)
        values.update(seconds=round(outcome.seconds, 2), peak_mb=round(outcome.peak_mb, 1))
        if not output.exists() or (task.method in OURS and outcome.code != 0):
            last = outcome.log.splitlines()[-1:] or ["no output"]
            values["status"] = f"failed ({outcome.code}): {last[0]}"[:200]
            return Row(**values)
        prediction = sitk.GetArrayFromImage(sitk.ReadImage(str(output)))
    if prediction.shape != truth.shape:
        values["status"] = f"failed: prediction has the shape {prediction.shape}, not {truth.shape}"
        return Row(**values)
    scores = dice_per_class(prediction, truth, painted)
    told = [line.split()[1] for line in outcome.log.splitlines() if line.startswith("own_seconds ")]
    values.update(
        dice=round(statistics.fmean(scores.values()), 5),
        dice_per_class=json.dumps({str(k): round(v, 5) for k, v in scores.items()}),
        classes=len(scores),
        own_seconds=float(told[0]) if told else float("nan"),
        status="ok",
    )
    return Row(**values)


if __name__ == "__main__":
    sys.exit(main())
