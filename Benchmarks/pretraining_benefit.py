"""What pretraining brings: the same fine-tuning from random and from pretrained weights.

Volumes are split by patient: some are for testing only, the others are pretrained on (all of them,
without their labels) and fine-tuned on (N of them, drawn by the seed, the same for all methods).

    python Benchmarks/pretraining_benefit.py --data FOLDER              # appends to Benchmarks/results
    python Benchmarks/pretraining_benefit.py --data FOLDER --methods pcl,macl --labelled 1,5 --seeds 0,1
    python Benchmarks/pretraining_benefit.py --report                   # prints the table
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarklib.placement import dice_per_class
from benchmarklib.results import ResultsFile, Row, describe_machine, today

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
RESULTS = ROOT / "Benchmarks" / "results" / "pretraining_benefit.csv"
SCRATCH = "scratch"


@dataclass(frozen=True)
class DataSet:
    """How a data set is used.

    Attributes:
        values: Label values that are scored.
        tested: Patients for testing.
        labelled: Numbers of patients to fine-tune on.
        size: Pixels along each side of what is pretrained on.
        pixel: Millimetres, or None.
        classes: Text of the table.
    """

    values: tuple[int, ...]
    tested: int
    labelled: tuple[int, ...]
    size: int
    pixel: float | None
    classes: str


DATASETS = {
    "hippocampus": DataSet((1, 2), 60, (1, 5, 21), 64, 1.0, "anterior and posterior hippocampus, T1 MRI"),
    "cardiac_cine": DataSet(
        (1, 2, 3), 10, (1, 2, 6), 160, 1.5, "right ventricle, myocardium, left ventricle, cine MRI"
    ),
}


def patient_of(path: Path) -> str:
    """The patient that a file belongs to: frames of one heart stay together."""
    return path.name.removesuffix(".nii.gz").partition("_frame")[0]


def split(folder: Path, tested: int) -> tuple[list[Path], list[list[Path]]]:
    """Test files, and the files of every other patient in a fixed random order."""
    patients: dict[str, list[Path]] = {}
    for path in sorted((folder / "images").glob("*.nii.gz")):
        patients.setdefault(patient_of(path), []).append(path)
    names = sorted(patients)
    order = np.random.default_rng(2026).permutation(len(names))
    shuffled = [patients[names[i]] for i in order]
    return [path for files in shuffled[:tested] for path in files], shuffled[tested:]


def pretrained(method: str, name: str, files: list[Path], folder: Path, args: argparse.Namespace) -> Path:
    """The weights of a method, pretrained where that was not done before."""
    about = DATASETS[name]
    weights = folder / f"{name}-{method}-{args.pretraining_steps}"
    if list(weights.glob("*.safetensors")):
        return weights
    weights.mkdir(parents=True, exist_ok=True)
    table = weights / "volumes.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image"])
        writer.writerows([str(path)] for path in files)
    command = [sys.executable, "-m", "contrastive_seg.cli", "pretrain", "--data", str(table), "--json"]
    command += ["--output", str(weights), "--method", method, "--width", str(args.width), "--seed", "0"]
    command += ["--size", str(about.size), "--context", "3", "--steps", str(args.pretraining_steps)]
    command += ["--device", args.device, *(["--threads", str(args.threads)] if args.threads else [])]
    command += ["--pixel", str(about.pixel)] if about.pixel else []
    done = subprocess.run(command, cwd=ROOT / "ContrastiveSeg", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Pretraining with {method} failed:\n{done.stdout}\n{done.stderr}")
    print(done.stdout.strip(), flush=True)
    return weights


def measure(
    name: str,
    labelled: list[Path],
    tested: list[Path],
    weights: Path | None,
    seed: int,
    args: argparse.Namespace,
) -> tuple[dict[int, float], float]:
    """Mean Dice by label value over the test volumes, and the seconds of fine-tuning."""
    from contrastive_seg.data.read import read_label_map, read_volume
    from contrastive_seg.data.sparse_labels import SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    def truth(path: Path, volume: object) -> np.ndarray:
        labels = path.parents[1] / "labels" / path.name
        return np.asarray(read_label_map(labels, like=volume).array, np.int16)  # type: ignore[arg-type]

    cases = []
    for path in labelled:
        volume = read_volume(path)
        cases.append(Case(volume, SparseLabels(truth(path, volume))))
    settings = FinetuneSettings(
        budget=60,
        seed=seed,
        device=args.device,
        threads=args.threads,
        steps=args.steps,
        weights=None if weights is None else str(weights),
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), settings)
        session.set_cases(cases)
        session.train()
        seconds = time.monotonic() - begun
        values = list(DATASETS[name].values)
        scores = []
        for path in tested:
            volume = read_volume(path)
            scores.append(dice_per_class(session.predict(volume).labels, truth(path, volume), values))
    return {value: float(np.mean([one[value] for one in scores])) for value in values}, seconds


def run(args: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    results = ResultsFile(args.results)
    known = {row.key for row in results.rows()}
    for name in args.datasets.split(","):
        about = DATASETS[name]
        tested, patients = split(args.data / name, about.tested)
        tested = tested[: args.tested] if args.tested else tested
        numbers = [int(n) for n in args.labelled.split(",")] if args.labelled else about.labelled
        pool = [path for files in patients for path in files]
        for method in [SCRATCH, *args.methods.split(",")]:
            weights = None
            for number in numbers:
                for seed in (int(s) for s in args.seeds.split(",")):
                    case = f"{len(tested)} tested, pretrained {args.pretraining_steps} steps"
                    row = Row(
                        name, case, number, "patients", method, seed, float(args.steps), args.threads or 0, 1,
                        math.nan, "{}", len(about.values), math.nan, math.nan, math.nan, "ok", today(),
                        describe_machine(),
                    )  # fmt: skip
                    if row.key in known:
                        continue
                    if weights is None and method != SCRATCH:
                        weights = pretrained(method, name, pool, args.work, args)
                    chosen = np.random.default_rng((seed, number)).permutation(len(patients))[:number]
                    labelled = [path for index in sorted(chosen) for path in patients[index]]
                    scores, seconds = measure(name, labelled, tested, weights, seed, args)
                    mean = float(np.mean(list(scores.values())))
                    text = json.dumps({str(k): round(v, 4) for k, v in scores.items()})
                    results.append(
                        Row(
                            **{
                                **vars(row),
                                "dice": round(mean, 5),
                                "dice_per_class": text,
                                "seconds": seconds,
                            }
                        )
                    )
                    print(
                        f"{name} N={number} {method} seed {seed}: {mean:.4f} in {seconds:.0f} s", flush=True
                    )


def report(args: argparse.Namespace) -> None:
    """Prints mean, spread and paired difference to scratch."""
    rows = ResultsFile(args.results).rows()
    for name in sorted({row.dataset for row in rows}):
        print(f"\n### {name}: {DATASETS[name].classes}\n")
        print(
            "| N | Start | Seeds | Mean Dice | SD | Against scratch, paired |\n"
            "| ---: | --- | ---: | ---: | ---: | ---: |"
        )
        mine = [row for row in rows if row.dataset == name]
        for number in sorted({row.k for row in mine}):
            scratch = {(r.seed, r.budget): r.dice for r in mine if r.k == number and r.method == SCRATCH}
            for method in sorted({row.method for row in mine}, key=lambda m: (m != SCRATCH, m)):
                found = [row for row in mine if row.k == number and row.method == method]
                if not found:
                    continue
                dice = np.array([row.dice for row in found])
                pairs = [(r.seed, r.budget) for r in found]
                gains = np.array(
                    [r.dice - scratch[p] for r, p in zip(found, pairs, strict=True) if p in scratch]
                )
                spread = f"{dice.std(ddof=1):.3f}" if len(dice) > 1 else "-"
                gain = "" if method == SCRATCH or not len(gains) else f"{gains.mean():+.3f}"
                gain += f" (SD {gains.std(ddof=1):.3f})" if gain and len(gains) > 1 else ""
                print(f"| {number} | {method} | {len(dice)} | {dice.mean():.3f} | {spread} | {gain} |")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--datasets", default="hippocampus")
    parser.add_argument("--methods", default="pcl,gcl,simclr,byol,moco,moco-local-decorrelated,macl")
    parser.add_argument("--labelled", help="numbers of labelled patients, such as 1,5,21")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400, help="fine-tuning steps")
    parser.add_argument("--pretraining-steps", type=int, default=2000)
    parser.add_argument("--tested", type=int, help="only so many test volumes")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "contrastive-seg-benefit")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    if args.report:
        report(args)
    elif args.data is None:
        parser.error("name the folder of the data sets with --data")
    else:
        run(args)


if __name__ == "__main__":
    main()
