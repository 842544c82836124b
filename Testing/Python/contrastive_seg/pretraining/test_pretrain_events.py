"""Pretraining for a program that has started it: events, the clock, Stop, and what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from command_line import ENGINE, run_command

from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.pretraining.settings import settings_for
from contrastive_seg.weights.files import load_weights

SMALL = ("--width", "4", "--size", "64", "--device", "cpu", "--threads", "1")


def start(data: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": "1"}
    environment["CONTRASTIVE_SEG_MODELS"] = str(output.parent / "Models")
    command = [sys.executable, "-m", "contrastive_seg.cli", "pretrain", "--data", str(data)]
    command += ["--output", str(output), *SMALL, "--events", "--into-store", "--name", "ours", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        env=environment,
        stdin=pipe,
        stdout=pipe,
        text=True,
        encoding="utf-8",
        stderr=subprocess.DEVNULL,
    )


def events_until(process: subprocess.Popen[str], kind: str, count: int = 1) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    assert process.stdout is not None
    for line in process.stdout:
        seen.append(json.loads(line))
        if sum(one["type"] == kind for one in seen) >= count:
            return seen
    raise AssertionError(f"it ended before the {count}. {kind}: {seen}")


def test_stop_keeps_checkpoint_and_weights_and_resume_tells_the_whole_curve(
    a_folder_of_volumes: Path, tmp_path: Path
):
    output = tmp_path / "out"
    running = start(a_folder_of_volumes, output, "--batch", "8", "--minutes", "60")
    seen = events_until(running, "metric", 2)
    assert seen[0]["type"] == "hello" and seen[0]["pid"]
    assert {"step", "loss", "effective_rank"} <= set(next(one for one in seen if one["type"] == "metric"))
    assert running.stdin is not None
    running.stdin.write('{"command": "stop", "id": 1}\n')
    running.stdin.flush()
    rest = events_until(running, "result")
    assert running.wait(timeout=60) == 0
    result = rest[-1]
    assert result["for"] == "pretrain" and not result["complete"] and result["name"] == "ours"
    assert (output / "pretraining.safetensors").is_file()
    stored = tmp_path / "Models" / "ours.safetensors"
    assert Path(result["weights"]) == stored
    assert load_weights(stored)[0].metrics["steps"] == result["steps"]

    resumed = start(
        a_folder_of_volumes, output, "--batch", "8", "--steps", str(result["steps"] + 2), "--resume"
    )
    again = events_until(resumed, "result")
    assert resumed.wait(timeout=60) == 0
    points = [one for one in again if one["type"] == "metric"]
    earlier = [one for one in points if one.get("earlier")]
    assert earlier and earlier[0]["step"] == 1 and "effective_rank" in earlier[0]
    assert points[-1]["step"] == result["steps"] + 2
    assert again[-1]["complete"] and load_weights(stored)[0].sha256 == again[-1]["sha256"]
    assert not (output / "pretraining.safetensors").exists()


def test_other_weights_of_that_name_are_not_touched(a_folder_of_volumes: Path, tmp_path: Path):
    models = tmp_path / "Models"
    done = run_command("weights", "export", "us-fetal-head", "--output", models / "ours.safetensors")
    assert done.returncode == 0, done.stderr
    before = (models / "ours.safetensors").read_bytes()
    process = start(a_folder_of_volumes, tmp_path / "out", "--steps", "2", "--batch", "8")
    told = events_until(process, "error")[-1]
    assert process.wait(timeout=60) == 2
    assert told["code"] == "weights-exist" and told["what_to_do"]
    assert (models / "ours.safetensors").read_bytes() == before


def test_a_program_that_goes_away_leaves_a_checkpoint_and_no_process(
    a_folder_of_volumes: Path, tmp_path: Path
):
    running = start(a_folder_of_volumes, tmp_path / "out", "--batch", "8", "--minutes", "60")
    events_until(running, "metric")
    assert running.stdin is not None and running.stdout is not None
    running.stdin.close()
    running.stdout.close()
    running.wait(timeout=60)
    assert (tmp_path / "out" / "pretraining.safetensors").is_file()


def test_few_slices_get_a_small_batch_unless_one_is_asked_for(a_folder_of_volumes: Path, tmp_path: Path):
    process = start(a_folder_of_volumes, tmp_path / "out", "--steps", "1", "--method", "moco")
    result = events_until(process, "result")[-1]
    assert process.wait(timeout=60) == 0 and result["slices"] == 30
    assert "--batch 28" in load_weights(tmp_path / "Models" / "ours.safetensors")[0].command


def test_by_the_clock_it_ends_when_the_time_is_up_and_goes_on_where_it_was(
    a_folder_of_volumes: Path, tmp_path: Path
):
    settings = settings_for("pcl", width=4, batch=8, device="cpu", threads=1, minutes=1e-9)
    job = Pretraining(SliceData(a_folder_of_volumes, size=64), settings, tmp_path)
    told = []
    assert job.run(told.append)
    assert job.step == 1, "one step is done however short the time"
    assert told[-1].fraction == 1 and told[-1].seconds_left == 0

    long = settings_for("pcl", width=4, batch=8, device="cpu", threads=1, minutes=60)
    again = Pretraining(SliceData(a_folder_of_volumes, size=64), long, tmp_path)
    assert again.resume() == 1
    assert again.elapsed == job.elapsed > 0
    assert [step for step, _ in again.spectra] == [step for step, _ in job.spectra] == [1]
    assert again.spectra[0][1] == job.spectra[0][1]
    assert again.learning_rate(1) < long.learning_rate  # in the warm-up, as hardly any time has passed
    assert not again.run(should_stop=lambda: again.step >= 3)
    assert again.elapsed > job.elapsed and again.share < 1
