"""What pretraining brings: the same fine-tuning from random and from pretrained weights.

Data sets are split by patient: some are for testing only, the others are pretrained on (all of them,
without their labels) and fine-tuned on (N of them, drawn by the seed, the same for all methods). In
the left atrium, each labelled volume is learnt from K slices of itself instead.

    python Benchmarks/pretraining_benefit.py --data FOLDER              # appends to Benchmarks/results
    python Benchmarks/pretraining_benefit.py --data FOLDER --methods pcl,macl --labelled 1,5 --seeds 0,1
    python Benchmarks/pretraining_benefit.py --report                   # prints the tables
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarklib.arguments import carry_out, study_parser
from benchmarklib.placement import dice_per_class
from benchmarklib.results import ResultsFile, Row
from benchmarklib.starts import SCRATCH, Start, add_pretraining_arguments, pretrained
from benchmarklib.studies import STUDIES, Split, Study, cases_of, split, truth_of

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
RESULTS = ROOT / "Benchmarks" / "results" / "pretraining_benefit.csv"


@dataclass(frozen=True)
class Task:
    """One measurement: learn from these, test on those.

    Attributes:
        case: Name of the only volume, or how many are tested.
        number: Labelled patients, images or slices.
        seed: Of the choice of patients and of the training.
        labelled: Images to learn from.
        tested: Images to test on.
    """

    case: str
    number: int
    seed: int
    labelled: list[Path]
    tested: list[Path]


def tasks(study: Study, files: Split, args: argparse.Namespace) -> Iterator[Task]:
    """What is measured for every start."""
    numbers = [int(n) for n in args.labelled.split(",")] if args.labelled else study.numbers
    seeds = [int(s) for s in args.seeds.split(",")]
    tested = files.tested[: args.tested]
    for number in numbers:
        if study.tested:
            for seed in seeds:
                yield Task(f"{len(tested)} tested", number, seed, files.labelled(number, seed), tested)
            continue
        # Each volume is a case of its own; the seeds take turns.
        for turn, patient in enumerate(files.patients[: args.tested]):
            seed = seeds[turn % len(seeds)]
            yield Task(patient[0].name.partition(".")[0], number, seed, patient, patient)


def measure(
    study: Study, start: Start, task: Task, weights: Path | None, args: argparse.Namespace
) -> tuple[dict[int, float], float]:
    """Mean Dice by label value over the tested images, and the seconds of fine-tuning."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.finetuning.session import FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    cases = cases_of(task.labelled, 0 if study.tested else task.number)
    settings = FinetuneSettings(
        budget=60,
        seed=task.seed,
        device=args.device,
        threads=args.threads,
        steps=args.steps,
        network=start.network,
        weights=None if weights is None else str(weights),
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as run:
        session = FinetuningSession(Path(run), settings)
        session.set_cases(cases)
        found = session.train()
        seconds = time.monotonic() - begun
        values = list(study.values)
        scores = []
        for path in task.tested:
            volume = read_volume(path)
            labels = session.predict(volume).labels if study.tested else found[0].labels
            scores.append(dice_per_class(labels, truth_of(path, volume), values))
    return {value: float(np.mean([one[value] for one in scores])) for value in values}, seconds


def run(args: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    results = ResultsFile(args.results)
    known = {row.key for row in results.rows()}
    for name in args.datasets.split(","):
        study = STUDIES[name]
        files = split(study, args.data)
        networks = args.networks.split(",") if args.networks else study.networks
        methods = args.methods.split(",") if args.methods else study.methods
        starts = [Start(network, method) for network in networks for method in (SCRATCH, *methods)]
        for start in starts:
            if start.method == "macl" and start.network != "unet":
                continue
            weights = None
            for task in tasks(study, files, args):
                row = Row.planned(
                    name, task.case, task.number, f"{args.pretraining_steps} steps", start.name, task.seed,
                    float(args.steps), args.threads or 0, len(study.values),
                )  # fmt: skip
                if start.method == SCRATCH:
                    row = replace(row, placement="no pretraining")
                if row.key in known:
                    continue
                if weights is None and start.method != SCRATCH:
                    weights = pretrained(start, study, files.pretrained_on, args, study.name)
                scores, seconds = measure(study, start, task, weights, args)
                row = row.measured(scores, seconds=round(seconds, 2))
                results.append(row)
                print(
                    f"{name} {task.case} N={task.number} {start.name} seed {task.seed}: {row.dice:.4f} "
                    f"in {seconds:.0f} s",
                    flush=True,
                )


def report(args: argparse.Namespace) -> None:
    """Prints mean, spread and paired difference to scratch."""
    rows = ResultsFile(args.results).rows()
    for name in [one for one in STUDIES if any(row.dataset == one for row in rows)]:
        study = STUDIES[name]
        print(f"\n### {name}: {study.classes}\n")
        print(
            f"| {study.unit.capitalize()} | Fine-tuning steps | Start | Pretraining | Runs | Mean Dice | SD "
            "| Against scratch, paired |\n| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
        )
        mine = [row for row in rows if row.dataset == name]
        groups = {(row.k, row.budget, row.method, row.placement) for row in mine}
        for number, steps, method, pretraining in sorted(groups, key=_order):
            key = (number, steps, method, pretraining)
            found = [r for r in mine if (r.k, r.budget, r.method, r.placement) == key]
            base = method.rpartition("/")[0]
            scratch = {
                (r.case, r.seed): r.dice
                for r in mine
                if (r.k, r.budget) == (number, steps) and r.method == (f"{base}/" if base else "") + SCRATCH
            }
            dice = np.array([row.dice for row in found])
            gains = np.array([r.dice - scratch[p] for r in found if (p := (r.case, r.seed)) in scratch])
            spread = f"{dice.std(ddof=1):.3f}" if len(dice) > 1 else "-"
            gain = "" if method.endswith(SCRATCH) or not len(gains) else f"{gains.mean():+.3f}"
            gain += f" (SD {gains.std(ddof=1):.3f})" if gain and len(gains) > 1 else ""
            said = "-" if method.endswith(SCRATCH) else pretraining
            print(
                f"| {number} | {steps:.0f} | {method} | {said} | {len(dice)} | {dice.mean():.3f} | {spread} "
                f"| {gain} |"
            )


def _order(group: tuple[int, float, str, str]) -> tuple[int, float, str, bool, str, str]:
    """Scratch before the methods, network by network."""
    number, steps, method, pretraining = group
    base, _, own = method.rpartition("/")
    return number, steps, base, own != SCRATCH, own, pretraining


def main() -> None:
    """Command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--datasets", default="hippocampus", help=", ".join(STUDIES))
    parser.add_argument("--methods", help="such as pcl,macl; else all that fit the data set")
    parser.add_argument("--networks", help="such as unet,echo-unet; else those of the data set")
    parser.add_argument("--labelled", help="numbers of labelled patients, images or slices, such as 1,5,21")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=900, help="fine-tuning steps")
    parser.add_argument("--tested", type=int, help="only so many tested images, or volumes")
    add_pretraining_arguments(parser)
    args = parser.parse_args()
    carry_out(parser, args, run, report)


if __name__ == "__main__":
    main()
