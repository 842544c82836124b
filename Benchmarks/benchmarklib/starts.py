"""What a network begins with: random weights, or those pretrained on images of the study."""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarklib.studies import Study

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = "scratch"


@dataclass(frozen=True)
class Start:
    """What a network begins with.

    Attributes:
        network: Its name.
        method: Of pretraining, or ``scratch``.
    """

    network: str
    method: str

    @property
    def name(self) -> str:
        """In the results."""
        return self.method if self.network == "unet" else f"{self.network}/{self.method}"


def add_pretraining_arguments(parser: argparse.ArgumentParser) -> None:
    """How long and how wide; the weights are kept in the work folder and made once."""
    parser.add_argument("--pretraining-steps", type=int, default=2500)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "contrastive-seg-benefit")


def pretrained(start: Start, study: Study, files: list[Path], args: argparse.Namespace, name: str) -> Path:
    """The weights of a method, pretrained where that was not done before.

    Args:
        start: Network and method.
        study: Size and resolution of what is pretrained on.
        files: Images to pretrain on.
        args: See :func:`add_pretraining_arguments`.
        name: Of these files; one choice of them, one name.
    """
    weights = Path(args.work) / f"{name}-{start.network}-{start.method}-{args.pretraining_steps}"
    if list(weights.glob("*.card.json")):
        return weights
    weights.mkdir(parents=True, exist_ok=True)
    table = weights / "volumes.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image"])
        # relative ones would be looked for beside the table
        writer.writerows([str(path.resolve())] for path in files)
    command = [sys.executable, "-m", "contrastive_seg.cli", "pretrain", "--data", str(table), "--json"]
    command += ["--output", str(weights), "--method", start.method, "--network", start.network]
    command += ["--size", str(study.size), "--context", "3", "--steps", str(args.pretraining_steps)]
    command += ["--seed", "0", "--device", args.device]
    command += ["--width", str(args.width)] if start.network == "unet" else []
    command += ["--threads", str(args.threads)] if args.threads else []
    command += ["--pixel", str(study.pixel)] if study.pixel else []
    done = subprocess.run(command, cwd=ROOT / "ContrastiveSeg", capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Pretraining with {start.name} failed:\n{done.stdout}\n{done.stderr}")
    print(done.stdout.strip(), flush=True)
    return weights
