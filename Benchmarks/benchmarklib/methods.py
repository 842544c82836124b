"""The methods that are compared: each reads IMAGE and LABELS (255 = not said) and writes a label map.

Run as ``python -m benchmarklib.methods METHOD IMAGE LABELS OUTPUT --axis 0``, in a child process:
slicer-core may crash when the interpreter exits, so the result is written first and the process
ends at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from benchmarklib.cases import IGNORE_IN_FILE
from benchmarklib.placement import IGNORE

USUAL = ("fill", "grow", "unet", "ours")
METHODS = (*USUAL, "mcsc")
OURS = ("ours", "mcsc")  # the product's own command line
TITLES = {
    "fill": "Fill between slices",
    "grow": "Grow from seeds",
    "unet": "Plain 2D U-Net",
    "ours": "ContrastiveSeg",
    "mcsc": "ContrastiveSeg with MCSC",
}


def child_arguments(
    method: str,
    image: Path,
    labels: Path,
    folder: Path,
    *,
    axis: int,
    budget: float,
    seed: int,
    threads: int,
    device: str,
) -> tuple[list[str], Path]:
    """What follows ``python`` to run a method, and the file it will write.

    ``ours`` is the product's own command line, the way a user's script would call it; ``mcsc`` the same,
    with the slices that nobody annotated for learning too.
    """
    if method in OURS:
        run = folder / "run"
        arguments = ["-m", "contrastive_seg.cli", "finetune", str(image), str(labels)]
        arguments += ["--ignore", str(IGNORE_IN_FILE), "--output", str(run), "--budget", f"{budget:g}"]
        arguments += ["--seed", str(seed), "--device", device]
        arguments += ["--semi-supervised", "mcsc"] if method == "mcsc" else []
        return arguments, run / "prediction.nii.gz"
    output = folder / "prediction.nii.gz"
    arguments = ["-m", "benchmarklib.methods", method, str(image), str(labels), str(output)]
    arguments += ["--axis", str(axis), "--budget", f"{budget:g}", "--seed", str(seed)]
    arguments += ["--threads", str(threads), "--device", device]
    return arguments, output


def main() -> None:
    """Runs one comparison method; prints the seconds that it took without imports and files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=[m for m in METHODS if m not in OURS])
    parser.add_argument("image")
    parser.add_argument("labels")
    parser.add_argument("output")
    parser.add_argument("--axis", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    image_file = sitk.ReadImage(options.image)
    image = sitk.GetArrayFromImage(image_file)
    stored = sitk.GetArrayFromImage(sitk.ReadImage(options.labels)).astype(np.int16)
    sparse = np.where(stored == IGNORE_IN_FILE, IGNORE, stored).astype(np.int16)
    begin = time.monotonic()
    if options.method == "unet":
        from plain_unet import segment

        result = segment(
            image,
            sparse,
            options.axis,
            budget=options.budget,
            seed=options.seed,
            threads=options.threads,
            device=options.device,
        )
    else:
        from slicer_baselines import fill_between_slices, grow_from_seeds

        begin = time.monotonic()
        if options.method == "fill":
            result = fill_between_slices(sparse, options.axis)
        else:
            result = grow_from_seeds(image, sparse)
    seconds = time.monotonic() - begin
    output = sitk.GetImageFromArray(np.asarray(result).astype(np.uint8))
    output.CopyInformation(image_file)
    sitk.WriteImage(output, options.output, useCompression=True)
    print(f"own_seconds {seconds:.3f}")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
