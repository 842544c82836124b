"""Dice on other patients after painting a few slices of one, and what learning for them brings.

Each painted volume has K evenly placed slices and an empty one beyond each end. What it learns from these
segments other patients as it is (painted) and after learning on from the whole mask that was found (others,
what the panel does before the first of the other patients); the latter also with all pieces that were found
instead of the largest (others-pieces), and learnt without random convolutions (others-no-convolutions).
With --reviewed 1,2 it learns on from the whole truth of one or two further patients as well (reviewed-1,
reviewed-2), as if their masks had been corrected and marked in the panel.

    python Benchmarks/other_patients.py --data FOLDER                     # appends to the results
    python Benchmarks/other_patients.py --data FOLDER --datasets hippocampus --seeds 0,1,2
    python Benchmarks/other_patients.py --data FOLDER --reviewed 1,2,4
    python Benchmarks/other_patients.py --data FOLDER --starts pcl,simclr --pretraining-steps 1500
    python Benchmarks/other_patients.py --report

With --starts the network begins with an encoder (MACL: and decoder) that was pretrained on all images of the
data set but the tested ones, without their labels, instead of with random weights.

Painted are the last patients of the order in pretraining_benefit.py; tested are its tested ones, or the first
patients of the order where it has none. The first volumes (by name; 101 of hippocampus, 8 of left_atrium)
served for choosing how to learn and are left out. Both learnings take as many steps, on one thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarklib.arguments import carry_out, study_parser
from benchmarklib.ingredients import EVERYTHING, without
from benchmarklib.results import ResultsFile, Row
from benchmarklib.starts import SCRATCH, Start, add_pretraining_arguments, pretrained
from benchmarklib.studies import STUDIES, Study, cases_of, mean_dice, patient_of, split

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))

RESULTS = ROOT / "Benchmarks" / "results" / "other_patients.csv"
SLICES = {"hippocampus": 3, "left_atrium": 5, "cardiac_cine": 3}
PAINTED, OTHERS = "painted", "others"
PIECES, NO_CONVOLUTIONS = "others-pieces", "others-no-convolutions"
METHODS = (PAINTED, OTHERS, PIECES, NO_CONVOLUTIONS)
REVIEWED = "reviewed-"
_OF_PRETRAINED = (PAINTED, OTHERS)
_CHOSEN_ON = {"hippocampus": 101, "left_atrium": 8}
_MOST_TESTED = 10


def files_of(study: Study, data: Path, count: int) -> tuple[list[Path], list[Path], list[Path]]:
    """Images to paint, one each of so many patients, images to test on, and those of still others."""
    files = split(study, data)
    images = sorted((data / study.name / "images").glob("*"))
    used = images[: _CHOSEN_ON.get(study.name, 0)]
    patients = [one for one in files.patients if one[0] not in used]
    painted = [one[0] for one in patients[-count:]]
    tested = [path for path in files.tested if path not in used]
    tested = tested or [one[0] for one in patients if one[0] not in painted]
    tested = tested[:_MOST_TESTED]
    further = [one[0] for one in patients if one[0] not in (*painted, *tested)]
    return painted, tested, further


def weights_of(start: str, study: Study, tested: list[Path], args: argparse.Namespace) -> Path | None:
    """What the network begins with; nothing of the tested patients was pretrained on."""
    if start == SCRATCH:
        return None
    unseen = {patient_of(path) for path in tested}
    files = [path for path in split(study, args.data).pretrained_on if patient_of(path) not in unseen]
    return pretrained(Start("unet", start), study, files, args, f"{study.name}-others")


def reviewed_numbers(args: argparse.Namespace) -> list[int]:
    """How many further patients are learnt from."""
    return [int(one) for one in args.reviewed.split(",")] if args.reviewed else []


def named(method: str, start: str, args: argparse.Namespace) -> str:
    """The method in the results."""
    return method if start == SCRATCH else f"{method}, {start} {args.pretraining_steps} steps"


def measure(
    study: Study,
    painted: Path,
    tested: list[Path],
    further: list[Path],
    seed: int,
    weights: Path | None,
    args: argparse.Namespace,
) -> Iterator[tuple[str, dict[int, float], float]]:
    """Method, mean Dice by label value and seconds of learning (of the process), method after method."""
    from contrastive_seg.finetuning.for_others import ForOthers
    from contrastive_seg.finetuning.session import FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    cases = cases_of([painted], SLICES[study.name])
    others = [path for path in tested if patient_of(path) != patient_of(painted)]

    def timed(learn: Callable[[], object]) -> float:
        begun = time.process_time()
        learn()
        return time.process_time() - begun

    with tempfile.TemporaryDirectory() as folder:
        settings = FinetuneSettings(
            seed=seed, device="cpu", threads=1, steps=args.steps,
            weights=None if weights is None else str(weights),
        )  # fmt: skip
        session = FinetuningSession(Path(folder) / "run", settings)
        session.set_cases(cases)
        seconds = timed(session.train)
        yield PAINTED, mean_dice(session, others, study), seconds
        for number in reviewed_numbers(args):
            learning = ForOthers(
                Path(folder) / "reviewed", session, lambda: cases, cases_of(further[:number], 0)
            )
            seconds = timed(learning.session)
            yield f"{REVIEWED}{number}", mean_dice(learning.session(), others, study), seconds
        ways = {OTHERS: EVERYTHING, NO_CONVOLUTIONS: "no random convolutions"}
        if reviewed_numbers(args):
            ways = {OTHERS: EVERYTHING}
        for method in [OTHERS] if weights else ways:
            way = ways[method]
            with without(way):
                learning = ForOthers(Path(folder) / method, session, lambda: cases)
                seconds = timed(learning.session)
            learnt = learning.session()
            dice = mean_dice(learnt, others, study)
            yield method, dice, seconds
            if method == OTHERS and not weights:
                assert learnt.state is not None
                hung_together, learnt.state.one_piece = learnt.state.one_piece, False
                yield PIECES, mean_dice(learnt, others, study) if hung_together else dice, seconds


def run(args: argparse.Namespace) -> None:
    """Measures what is not in the results yet."""
    results = ResultsFile(args.results)
    known = {row.key for row in results.rows()}
    for name in args.datasets.split(","):
        study = STUDIES[name]
        painted, tested, further = files_of(study, args.data, args.patients)
        for start in args.starts.split(","):
            methods = [named(one, start, args) for one in (METHODS if start == SCRATCH else _OF_PRETRAINED)]
            if reviewed_numbers(args):
                methods = [PAINTED, OTHERS, *(f"{REVIEWED}{one}" for one in reviewed_numbers(args))]
            for path in painted:
                for seed in (int(one) for one in args.seeds.split(",")):
                    case, place = path.name.removesuffix(".nii.gz"), f"{len(tested)} tested"
                    row = Row.planned(
                        name,
                        case,
                        SLICES[name],
                        place,
                        PAINTED,
                        seed,
                        float(args.steps),
                        1,
                        len(study.values),
                    )
                    if all(replace(row, method=method).key in known for method in methods):
                        continue
                    weights = weights_of(start, study, tested, args)
                    for method, scores, seconds in measure(study, path, tested, further, seed, weights, args):
                        row = replace(row, method=named(method, start, args))
                        if row.key in known:
                            continue
                        results.append(row.measured(scores, own_seconds=round(seconds, 1)))
                        dice = np.mean(list(scores.values()))
                        print(
                            f"{name} {case} seed {seed} {row.method}: {dice:.4f}, {seconds:.0f} s", flush=True
                        )


def report(args: argparse.Namespace) -> None:
    """Prints mean and spread over painted patients, and paired differences.

    To what was painted alone, and to the former way: of a pretrained start to the same from random weights,
    of reviewed patients to the painted one's mask alone.
    """
    rows = ResultsFile(args.results).rows()
    heads = ("Data set", "K", "Learnt", "Painted patients", "Mean Dice", "SD", "Against painted, paired")
    print("| " + " | ".join((*heads, "Better in", "Against former, paired", "Better in", "Seconds")) + " |")
    print("| --- | ---: | --- " + "| ---: " * 8 + "|")
    for name in STUDIES:
        mine = [row for row in rows if row.dataset == name]
        for method in sorted({row.method for row in mine}, key=_order):
            found = [row for row in mine if row.method == method]
            of_scratch, pretraining = method.partition(", ")[::2]
            painted = ", ".join(filter(None, (PAINTED, pretraining)))
            dice = np.array([row.dice for row in found])
            cells = [name, str(found[0].k), method, str(len(found)), f"{dice.mean():.3f}"]
            cells.append(f"{dice.std(ddof=1):.3f}" if len(dice) > 1 else "-")
            cells += ["", ""] if method == painted else _gain(found, mine, painted)
            than = of_scratch if pretraining else OTHERS if method.startswith(REVIEWED) else ""
            cells += _gain(found, mine, than) if than else ["", ""]
            print("| " + " | ".join((*cells, f"{np.mean([row.own_seconds for row in found]):.0f}")) + " |")


def _order(method: str) -> tuple[str, str]:
    """From random weights first, in the order in which it is measured."""
    way, pretraining = method.partition(", ")[::2]
    return pretraining, way if way.startswith(REVIEWED) else str(METHODS.index(way))


def _gain(found: list[Row], rows: list[Row], than: str) -> list[str]:
    """Mean paired difference to another method with its spread, and in how many it is better."""
    base = {(row.case, row.seed): row.dice for row in rows if row.method == than}
    gains = np.array([row.dice - base[key] for row in found if (key := (row.case, row.seed)) in base])
    if not len(gains):
        return ["", ""]
    spread = f" (SD {gains.std(ddof=1):.3f})" if len(gains) > 1 else ""
    return [f"{gains.mean():+.3f}{spread}", str((gains > 0).sum())]


def main() -> None:
    """Command line."""
    parser = study_parser(__doc__, RESULTS)
    parser.add_argument("--datasets", default=",".join(SLICES))
    parser.add_argument("--patients", type=int, default=4, help="painted patients, each by itself")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=300, help="of each learning")
    parser.add_argument("--reviewed", help="numbers of further patients to learn from, such as 1,2,4")
    parser.add_argument("--starts", default=SCRATCH, help="scratch, or pretrained with such as pcl,macl")
    add_pretraining_arguments(parser)
    args = parser.parse_args()
    carry_out(parser, args, run, report)


if __name__ == "__main__":
    main()
