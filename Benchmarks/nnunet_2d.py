"""nnU-Net v2 in 2D for a given time: trains on some files, segments others. Run by few_patients.py.

Needs the package nnunetv2. Planning, preprocessing, network, augmentation, loss, optimiser and test-time
mirroring are nnU-Net's own. Changed is what a few minutes on a processor ask for, in its favour: batches
of at most 16 patches (its plan for small images has hundreds, of which it would do a dozen steps), no
validation between epochs, and the polynomial decay of its learning rate over the time that there is
instead of over 1000 epochs. Time is that of the process, so that other processes do not count.

    python Benchmarks/nnunet_2d.py JOB.json

JOB: work (folder), images, labels, tested (lists of files), output (folder), seconds, seed, values.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

LARGEST_BATCH = 16
NAME = "Dataset001_Few"
PLANS = "nnUNetPlans"
_FIRST_STEPS = 3


def main(path: str) -> None:
    """Does what the job says."""
    job = json.loads(Path(path).read_text("utf-8"))
    work = Path(job["work"])
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(work / name)
    os.environ.update(nnUNet_n_proc_DA="1", nnUNet_compile="false")
    _write_dataset(job, work / "raw" / NAME)

    import numpy as np
    import torch
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    torch.set_num_threads(1)
    random.seed(job["seed"])
    np.random.seed(job["seed"])  # noqa: NPY002 - what nnU-Net draws from
    torch.manual_seed(job["seed"])
    begun = time.process_time()
    api.extract_fingerprints([1], num_processes=1, check_dataset_integrity=False)
    api.plan_experiments([1])
    api.preprocess([1], PLANS, configurations=["2d"], num_processes=[1])
    os.environ.update(nnUNet_n_proc_DA="0")  # patches are made in this process, whose time is measured
    trainer = _trainer(work)
    steps = _train(trainer, begun, float(job["seconds"]))
    spent = time.process_time() - begun
    _predict(trainer, job)
    print(f"steps {steps}\nown_seconds {spent:.1f}")


def _write_dataset(job: dict[str, Any], folder: Path) -> None:
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number, (image, labels) in enumerate(zip(job["images"], job["labels"], strict=True)):
        shutil.copyfile(image, folder / "imagesTr" / f"case{number:03d}_0000.nii.gz")
        shutil.copyfile(labels, folder / "labelsTr" / f"case{number:03d}.nii.gz")
    about = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, **{f"class {v}": v for v in job["values"]}},
        "numTraining": len(job["images"]),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about), "utf-8")


def _trainer(work: Path) -> Any:
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    folder = work / "preprocessed" / NAME
    plans = json.loads((folder / f"{PLANS}.json").read_text("utf-8"))
    plans["continue_training"] = False
    batch = plans["configurations"]["2d"]["batch_size"]
    plans["configurations"]["2d"]["batch_size"] = min(batch, LARGEST_BATCH)
    about = json.loads((folder / "dataset.json").read_text("utf-8"))

    class Quiet(nnUNetTrainer):  # type: ignore[misc]
        def plot_network_architecture(self) -> None:
            pass

        def print_to_log_file(self, *args: Any, **kwargs: Any) -> None:
            pass

    trainer = Quiet(
        plans=plans, configuration="2d", fold="all", dataset_json=about, device=torch.device("cpu")
    )
    trainer.on_train_start()
    return trainer


def _train(trainer: Any, begun: float, seconds: float) -> int:
    """Steps until the time is used, at a rate that falls to zero by then."""
    trainer.network.train()
    steps = 0
    while True:
        share = (time.process_time() - begun) / seconds
        if share >= 1 and steps >= _FIRST_STEPS:
            return steps
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * max(0.0, 1 - share) ** 0.9
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1


def _predict(trainer: Any, job: dict[str, Any]) -> None:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(
        device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False
    )
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        "nnUNetTrainer",
        trainer.inference_allowed_mirroring_axes,
    )
    output = Path(job["output"])
    output.mkdir(parents=True, exist_ok=True)
    names = [str(output / Path(one).name.removesuffix(".nii.gz")) for one in job["tested"]]
    predictor.predict_from_files_sequential([[one] for one in job["tested"]], names)


if __name__ == "__main__":
    main(sys.argv[1])
