"""Dice on other patients after learning from N of them: from nothing, pretrained, MCSC, and nnU-Net 2D.

Patients are divided as in pretraining_benefit.py: some are tested only; of the others N are labelled
(drawn by the seed, the same for all methods), and for MCSC the rest lend their images without labels.
With --slices K each labelled volume has K annotated slices and an empty one beyond each end, instead of
all; with --scribbles only what cardiac_cine has of these (neither for nnU-Net, which would have to be told
what is not annotated). Half of the steps are then those of learning on from the whole masks, see
other_patients.py.

    python Benchmarks/few_patients.py --data FOLDER --methods scratch --seconds 300
    python Benchmarks/few_patients.py --data FOLDER --methods scratch,nnunet --nnunet /path/to/python
    python Benchmarks/few_patients.py --data FOLDER --datasets cardiac_cine --scribbles
    python Benchmarks/few_patients.py --report

Methods: scratch, mcsc, nnunet, or the name of weights (mr-hippocampus was pretrained on the tested
patients' images too, without labels: pretraining_benefit.py makes weights that were not).
Time is that of the process on one core, preparation included, so that it does not matter what else the
computer does: the first steps are timed, and as many are done as the time allows. nnU-Net needs a Python
that has the package nnunetv2, and runs as nnunet_2d.py says.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarklib.arguments import carry_out, study_parser
from benchmarklib.placement import dice_per_class
from benchmarklib.results import ResultsFile, Row
from benchmarklib.studies import STUDIES, Split, Study, cases_of, labels_of, mean_dice, split

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
RESULTS = ROOT / "Benchmarks" / "results" / "few_patients.csv"
NUMBERS = {"hippocampus": (1, 2, 5, 21), "cardiac_cine": (1, 3, 7)}
SCRATCH, MCSC, NNUNET = "scratch", "mcsc", "nnunet"
_MOST_UNLABELLED = 100
_TIMED = 200


def measure_ours(
    study: Study, files: Split, method: str, number: int, seed: int, args: argparse.Namespace
) -> tuple[dict[int, float], float, int]:
    """Mean Dice by label value, seconds of the process for learning, and steps."""
    from contrastive_seg.data.read import read_volume
    from contrastive_seg.finetuning.for_others import ForOthers
    from contrastive_seg.finetuning.session import FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    labelled = files.labelled(number, seed)
    cases = cases_of(labelled, args.slices, args.scribbles)
    rest = [path for path in files.pretrained_on if path not in labelled][:_MOST_UNLABELLED]
    unlabelled = [read_volume(path) for path in rest] if method == MCSC else []

    def learn(steps: int, folder: str) -> tuple[FinetuningSession, float]:
        """The session, and the seconds of the process."""
        settings = FinetuneSettings(
            budget=args.seconds, seed=seed, device="cpu", threads=1, steps=steps,
            weights=method if method not in (SCRATCH, MCSC) else None,
            semi_supervised=MCSC if method == MCSC else "",
        )  # fmt: skip
        begun = time.process_time()
        session = FinetuningSession(Path(folder), settings)
        session.set_cases(cases)
        session.set_unlabelled(unlabelled)
        session.train()
        if args.slices or args.scribbles:  # as the panel does before the first of other patients
            session = ForOthers(Path(folder) / "run", session, lambda: cases).session()
        return session, time.process_time() - begun

    steps = args.steps
    if not steps:
        spent = []
        for number in (2, 2, _TIMED):  # what the first learning of a process loads is not counted
            with tempfile.TemporaryDirectory() as folder:
                spent.append(learn(number, folder)[1])
        each = max((spent[2] - spent[1]) / (_TIMED - 2), 1e-3)
        # Preparation, and the masks of the labelled volumes at the end, take their time however many.
        steps = max(_TIMED, int((args.seconds - spent[1]) / each))
    with tempfile.TemporaryDirectory() as folder:
        session, seconds = learn(steps, folder)
        scores = mean_dice(session, files.tested[: args.tested], study)
    return scores, seconds, steps


def measure_nnunet(
    study: Study, files: Split, number: int, seed: int, args: argparse.Namespace
) -> tuple[dict[int, float], float, int]:
    """Likewise, of nnU-Net in a process of its own."""
    import SimpleITK as sitk

    labelled, tested = files.labelled(number, seed), files.tested[: args.tested]
    with tempfile.TemporaryDirectory() as folder:
        job = {
            "work": folder,
            "images": [str(path.resolve()) for path in labelled],
            "labels": [str(labels_of(path).resolve()) for path in labelled],
            "tested": [str(path.resolve()) for path in tested],
            "output": f"{folder}/masks",
            "seconds": args.seconds,
            "seed": seed,
            "values": list(study.values),
        }
        (Path(folder) / "job.json").write_text(json.dumps(job), "utf-8")
        command = [str(args.nnunet), str(ROOT / "Benchmarks" / "nnunet_2d.py"), f"{folder}/job.json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"nnU-Net failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        told = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("steps ", "own_")))
        scores = []
        for path in tested:
            found = sitk.GetArrayFromImage(sitk.ReadImage(f"{folder}/masks/{path.name}"))
            truth = sitk.GetArrayFromImage(sitk.ReadImage(str(labels_of(path))))
            scores.append(dice_per_class(found, truth, list(study.values)))
    return _mean(scores, study), float(told["own_seconds"]), int(told["steps"])


def _how(args: argparse.Namespace) -> str:
    """How the volumes are labelled."""
    if args.scribbles:
        return "scribbles"
    return f"{args.slices} slices" if args.slices else "whole volumes"


def _mean(scores: list[dict[int, float]], study: Study) -> dict[int, float]:
    return {value: float(np.mean([one[value] for one in scores])) for value in study.values}


def run(args: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    results = ResultsFile(args.results)
    known = {row.key for row in results.rows()}
    for name in args.datasets.split(","):
        study = STUDIES[name]
        files = split(study, args.data)
        numbers = [int(n) for n in args.labelled.split(",")] if args.labelled else NUMBERS[name]
        for number in numbers:
            for seed in (int(s) for s in args.seeds.split(",")):
                for method in args.methods.split(","):
                    tested = f"{len(files.tested[: args.tested])} tested"
                    row = Row.planned(
                        name,
                        tested,
                        number,
                        _how(args),
                        method,
                        seed,
                        float(args.seconds),
                        1,
                        len(study.values),
                    )
                    if row.key in known:
                        continue
                    if method == NNUNET:
                        scores, seconds, steps = measure_nnunet(study, files, number, seed, args)
                    else:
                        scores, seconds, steps = measure_ours(study, files, method, number, seed, args)
                    row = row.measured(scores, own_seconds=round(seconds, 1))
                    results.append(row)
                    print(
                        f"{name} N={number} {method} seed {seed}: {row.dice:.4f}, {steps} steps, "
                        f"{seconds:.0f} s"
                    )
                    sys.stdout.flush()


def report(args: argparse.Namespace) -> None:
    """Prints mean and spread over seeds, and the paired difference to learning from nothing."""
    rows = ResultsFile(args.results).rows()
    for name in [one for one in STUDIES if any(row.dataset == one for row in rows)]:
        study = STUDIES[name]
        print(f"\n**{name}: {study.classes}**\n")
        print(
            "| Patients | Labelled | Seconds | Method | Tested | Seeds | Mean Dice | SD of seeds | By class "
            "| Against scratch, paired |"
        )
        print("| ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | --- | ---: |")
        mine = [row for row in rows if row.dataset == name]
        groups = sorted(
            {(r.k, r.placement, r.budget, r.method, r.case) for r in mine},
            key=lambda g: (g[0], g[1], g[2], g[3] != SCRATCH, g[3]),
        )
        for number, labelled, seconds, method, case in groups:
            alike = [
                r for r in mine if (r.k, r.placement, r.budget, r.case) == (number, labelled, seconds, case)
            ]
            found = [r for r in alike if r.method == method]
            scratch = {r.seed: r.dice for r in alike if r.method == SCRATCH}
            dice = np.array([r.dice for r in found])
            gains = np.array([r.dice - scratch[r.seed] for r in found if r.seed in scratch])
            classes = " / ".join(f"{np.mean([r.scores[v] for r in found]):.3f}" for v in study.values)
            spread = f"{dice.std(ddof=1):.3f}" if len(dice) > 1 else "-"
            gain = f"{gains.mean():+.3f}" if method != SCRATCH and len(gains) else ""
            gain += f" (SD {gains.std(ddof=1):.3f})" if gain and len(gains) > 1 else ""
            print(
                f"| {number} | {labelled} | {seconds:.0f} | {method} | {case.split()[0]} | {len(dice)} "
                f"| {dice.mean():.3f} | {spread} | {classes} | {gain} |"
            )


def main() -> None:
    """Command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--datasets", default="hippocampus", help=", ".join(NUMBERS))
    parser.add_argument("--methods", default="scratch", help="scratch, mcsc, nnunet, names of weights")
    parser.add_argument("--labelled", help="numbers of labelled patients, such as 1,5")
    parser.add_argument("--slices", type=int, default=0, help="annotated slices of each; else all of them")
    parser.add_argument("--scribbles", action="store_true", help="only the scribbles of each (cardiac_cine)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--seconds", type=float, default=300, help="of learning, on one core")
    parser.add_argument("--steps", type=int, default=0, help="so many steps instead")
    parser.add_argument("--tested", type=int, help="only so many tested volumes")
    parser.add_argument("--nnunet", type=Path, help="a Python that has nnunetv2")
    args = parser.parse_args()
    if NNUNET in args.methods.split(",") and args.nnunet is None and not args.report:
        parser.error("name a Python that has the package nnunetv2 with --nnunet")
    carry_out(parser, args, run, report)


if __name__ == "__main__":
    main()
