"""How long the same learning takes while another program computes, with and without leaving it a core.

    python Benchmarks/busy_computer.py
    python Benchmarks/busy_computer.py --others 2 --steps 30 --limit 60

Two organs made up of 20 x 48 x 56 voxels. The other programs are endless loops of normal priority.
"Lowest" is the priority that 3D Slicer's child processes have on Linux (nice 19). "All threads" has one for
each core always.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Benchmarks"), str(ROOT / "ContrastiveSeg"), str(ROOT / "Testing" / "Python")]

from benchmarklib.results import describe_machine, today  # noqa: E402


def learn(steps: int, all_threads: bool) -> float:
    """Seconds of a second round; the first one loads what is needed."""
    from contrastive_seg_phantom import two_organs

    from contrastive_seg.compute import usable_cores
    from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
    from contrastive_seg.finetuning.session import Case, FinetuningSession
    from contrastive_seg.finetuning.settings import FinetuneSettings

    volume, truth = two_organs((20, 48, 56))
    labels = np.full(truth.shape, IGNORE, np.int16)
    for index in (4, 9, 14):
        labels[index] = truth[index]
    threads = usable_cores() if all_threads else None
    with tempfile.TemporaryDirectory() as folder:
        settings = FinetuneSettings(steps=2, device="cpu", threads=threads, budget=8)
        session = FinetuningSession(Path(folder), settings)
        session.set_cases([Case(volume, SparseLabels(labels))])
        session.train()
        session.settings = FinetuneSettings(steps=steps, device="cpu", threads=threads, budget=8)
        begun = time.monotonic()
        session.train()
        return time.monotonic() - begun


def measure(options: argparse.Namespace, nice: int, all_threads: bool) -> str:
    """The same in a process of its own, as a cell of the table."""
    command = [
        sys.executable,
        __file__,
        "--steps",
        str(options.steps),
        "--one",
        str(nice),
        str(int(all_threads)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return f"more than {options.limit:.0f} s"
    return f"{float(done.stdout.split()[-1]):.1f} s"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--others", type=int, default=1, help="other programs that compute")
    parser.add_argument(
        "--limit", type=float, default=100, help="seconds after which a measurement is given up"
    )
    parser.add_argument("--one", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        if options.one[0]:
            os.nice(options.one[0])
        print(learn(options.steps, bool(options.one[1])))
        return
    print(
        "| Other programs | Priority | All threads | Threads for free cores |\n| ---: | --- | ---: | ---: |"
    )
    for others in (0, options.others):
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        try:
            for nice, name in ((0, "normal"), (19, "lowest")):
                cells = " | ".join(measure(options, nice, all_threads) for all_threads in (True, False))
                print(f"| {others} | {name} | {cells} |", flush=True)
        finally:
            for loop in loops:
                loop.kill()
    print(f"\n{options.steps} steps, {os.cpu_count()} cores; {today()}, {describe_machine()}.")


if __name__ == "__main__":
    main()
