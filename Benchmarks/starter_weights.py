"""Makes the weights that come with the extension, from data whose licence allows it.

    python Benchmarks/starter_weights.py --data FOLDER                       # all of them
    python Benchmarks/starter_weights.py --data FOLDER --only mr-brain --device cuda --steps 20000

Interrupted, the same command goes on. The cards name data, licences, seed and command.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ContrastiveSeg"))
MODELS = ROOT / "ContrastiveSeg" / "Resources" / "Models"
SEED = 0


@dataclass(frozen=True)
class Source:
    """A data set that may be used for weights that are shipped.

    Attributes:
        folder: Its name; ``images`` and ``unlabelled`` in it are read.
        name: For the card.
        licence: SPDX identifier.
        url: Where it comes from.
    """

    folder: str
    name: str
    licence: str
    url: str


HIPPOCAMPUS = Source(
    "hippocampus",
    "Medical Segmentation Decathlon, Task04 Hippocampus (Antonelli et al. 2022)",
    "CC-BY-SA-4.0",
    "http://medicaldecathlon.com",
)
BRAIN = Source(
    "brain_ms",
    "MR images of multiple sclerosis patients, Ljubljana (Lesjak et al. 2018)",
    "CC-BY-4.0",
    "http://lit.fe.uni-lj.si/tools",
)
FETAL = Source(
    "fetal_head_ultrasound",
    "HC18, fetal head circumference (van den Heuvel et al. 2018)",
    "CC-BY-4.0",
    "https://hc18.grand-challenge.org",
)
CT = Source(
    "ct_examples",
    "TotalSegmentator, test files (Wasserthal et al. 2023)",
    "Apache-2.0",
    "https://github.com/wasserth/TotalSegmentator",
)


@dataclass(frozen=True)
class Recipe:
    """How one encoder is made.

    Attributes:
        name: Of the weights.
        sources: Their data.
        modality: For the card.
        anatomy: For the card.
        licence: Of the weights: that of the strictest source.
        method: Of pretraining.
        size: Pixels along each side of what it sees.
        pixel: Millimetres, None to see the whole slice.
        context: Channels: a slice and its neighbours.
        steps: Optimiser steps.
        window: Intensities to clip to (CT).
        settings: What differs from the method's defaults.
    """

    name: str
    sources: tuple[Source, ...]
    modality: str
    anatomy: str
    licence: str
    method: str
    size: int
    pixel: float | None
    context: int
    steps: int
    window: tuple[float, float] | None
    settings: dict[str, object]


WIDTH = 16
"""Of the U-Net that the budget Quick trains on a CPU; three encoders are 7 MB in float16."""

RECIPES = (
    Recipe(
        "mr-hippocampus", (HIPPOCAMPUS,), "MR", "Hippocampus and what lies around it, T1", "CC-BY-SA-4.0",
        "pcl", 64, 1.0, 3, 5000, None, {},
    ),
    Recipe(
        "mr-brain", (BRAIN,), "MR", "Brain: T1, T2 and FLAIR", "CC-BY-4.0", "simclr", 96, 1.5, 3, 2500,
        None, {},
    ),
    Recipe(
        "ct-torso", (CT,), "CT", "Abdomen and chest", "Apache-2.0", "simclr", 96, 2.0, 3, 2500,
        (-200.0, 300.0), {},
    ),
    Recipe(
        "us-fetal-head", (FETAL,), "US", "Fetal head", "CC-BY-4.0", "simclr", 96, None, 1, 2500, None,
        {"views": "simclr"},
    ),
)  # fmt: skip


def files_of(source: Source, data: Path) -> list[Path]:
    """Images of a source; labels are not looked at.

    Raises:
        FileNotFoundError: There are none.
    """
    folders = [data / source.folder / name for name in ("images", "unlabelled")]
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    if not found:
        raise FileNotFoundError(f"No image in '{data / source.folder}'. Name the data folder with --data.")
    return found


def make(recipe: Recipe, args: argparse.Namespace) -> Path:
    """Pretrains one encoder and writes it with its card; returns the file."""
    from contrastive_seg.commands.console import Output
    from contrastive_seg.commands.pretrain import About, pretrain
    from contrastive_seg.pretraining.checkpoint import NAME as CHECKPOINT
    from contrastive_seg.pretraining.data.slices import SliceData
    from contrastive_seg.pretraining.settings import POSITIONAL, settings_for
    from contrastive_seg.weights.card import TrainingData
    from contrastive_seg.weights.files import load_weights, save_weights

    work = Path(args.work) / recipe.name
    work.mkdir(parents=True, exist_ok=True)
    files = {source: files_of(source, args.data) for source in recipe.sources}
    table = work / "volumes.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image"])
        writer.writerows([str(path.resolve())] for paths in files.values() for path in paths)
    output = Output(False)
    slices = SliceData(
        table,
        size=recipe.size,
        pixel=recipe.pixel,
        context=recipe.context,
        window=recipe.window,
        positional=recipe.method in POSITIONAL,
        on_note=output.note,
    )
    steps = args.steps or recipe.steps
    settings = settings_for(
        recipe.method,
        width=WIDTH,
        in_channels=recipe.context,
        steps=steps,
        seed=SEED,
        device=args.device,
        threads=args.threads,
        **recipe.settings,
    )
    command = f"python Benchmarks/starter_weights.py --data FOLDER --only {recipe.name} --steps {steps}"
    about = About(recipe.name, recipe.modality, recipe.anatomy, recipe.licence, command)
    resume = (work / CHECKPOINT).exists()
    if not pretrain(slices, settings, work, about, resume, False, output)["complete"]:
        raise SystemExit("Stopped; the same command goes on.")
    card, tensors = load_weights(work / f"{recipe.name}.safetensors")
    counts = {source: len(paths) for source, paths in files.items()}
    described = tuple(TrainingData(s.name, s.licence, s.url, volumes=count) for s, count in counts.items())
    save_weights(args.output, tensors, replace(card, training_data=described), half=True)
    return Path(args.output) / f"{recipe.name}.safetensors"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--only", help=", ".join(recipe.name for recipe in RECIPES))
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "contrastive-seg-starter")
    parser.add_argument("--output", type=Path, default=MODELS)
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else [recipe.name for recipe in RECIPES]
    if unknown := set(wanted) - {recipe.name for recipe in RECIPES}:
        parser.error(f"there are no weights called {', '.join(sorted(unknown))}")
    for recipe in RECIPES:
        if recipe.name in wanted:
            path = make(recipe, args)
            print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
