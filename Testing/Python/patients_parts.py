"""What the tests of other patients have in common: a run that has learnt, and volumes to apply it to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from command_line import QUICK, SLICES, run_command, write_pair
from contrastive_seg_phantom import two_organs
from scene_parts import add_segmentation, add_volume, only_slices, paint, wait_until

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)
SHAPE = (20, 40, 48)


def make_run(folder: Path, others: bool = False) -> Path:
    """A run that the command line has really made, on the phantom; its values are 1 and 7.

    With ``others`` it has segmented another patient already, and learnt to do so.
    """
    pair = write_pair(folder / "learnt on")
    run = folder / "run"
    done = run_command(
        "finetune", pair["image"], pair["labels"], "--ignore", 255, "--output", run, "--name", "1=Liver",
        "--name", "7=Kidney", "--json", *QUICK, "--steps", "60",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if others:
        image = write_pair(folder / "another", SHAPE, seed=9)["image"]
        mask = folder / "another mask.nii.gz"
        done = run_command("predict", run, image, "--output", mask, "--device", "cpu")
        assert done.returncode == 0, done.stderr
    return run


def learnt_nodes(run: Path, name: str = "Phantom") -> tuple[Any, Any]:
    """A volume and its painting whose run is a copy of one that has learnt."""
    from ContrastiveSegLib.RunFolder import RunFolder

    image, truth = two_organs()
    volume = add_volume(image.array, np.diag([-0.8, -0.8, 1.5, 1.0]), name=name)
    segmentation = add_segmentation(volume, ["Liver", "Kidney"], name="Organs")
    for value, segment, color in ((1, "Liver", RED), (7, "Kidney", BLUE)):
        paint(segmentation, segment, only_slices(truth == value, 0, list(SLICES)), volume)
        segmentation.GetSegmentation().GetSegment(segment).SetColor(*color)
    folder = RunFolder.of(volume, segmentation).create()
    shutil.copytree(run, folder.path, dirs_exist_ok=True)
    job = json.loads((run / "job.json").read_text("utf-8"))
    for case in job["cases"]:
        for key in ("image", "labels"):
            case[key] = str((run / case[key]).resolve())
    (folder.path / "job.json").write_text(json.dumps(job), "utf-8")
    (folder.path / "panel.json").write_text(json.dumps({"values": {"Liver": 1, "Kidney": 7}}), "utf-8")
    return volume, segmentation


def another(seed: int, name: str, shape: tuple[int, int, int] = SHAPE) -> tuple[Any, np.ndarray]:
    """Another patient: a volume node, and where the organs are (1 and 7)."""
    image, truth = two_organs(shape, seed)
    return add_volume(image.array, np.diag([-0.8, -0.8, 1.5, 1.0]), name=name), truth


def section_of(widget: Any) -> Any:
    """The section Other patients of the panel."""
    from ContrastiveSegLib.Panels.OtherPatientsSection import OtherPatientsSection

    return next(one for one in widget.panel.sections if type(one).__name__ == OtherPatientsSection.__name__)


def wait_for_end(logic: Any, seconds: float = 250) -> None:
    """Until all cases are done, failed or stopped."""
    wait_until(lambda: not logic.isRunning, seconds)


def states(logic: Any) -> list[Any]:
    """Of its cases."""
    return [one.state for one in logic.cases]


def labels_of(node: Any, volume: Any) -> np.ndarray:
    """A result as label map on the grid of its volume."""
    from ContrastiveSegLib.SegmentResampler import SegmentResampler
    from ContrastiveSegLib.VolumeGrid import VolumeGrid

    return SegmentResampler(node, VolumeGrid(volume)).labels({"Liver": 1, "Kidney": 7}).whole()
