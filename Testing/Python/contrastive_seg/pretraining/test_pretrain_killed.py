"""A pretraining that is killed, or whose disk is full, loses nothing that was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import ENGINE, run_command
from safetensors.torch import load_file

ONE = """
import sys
from pathlib import Path
from contrastive_seg.pretraining.checkpoint import NAME as CHECKPOINT
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.pretraining.settings import settings_for

settings = settings_for("moco-local-decorrelated", width=4, batch=8, device="cpu", threads=1, steps=60)
folder = Path(sys.argv[2])
job = Pretraining(SliceData(Path(sys.argv[1]), size=64), settings, folder, save_every=0.0)
if (folder / CHECKPOINT).exists():
    job.resume()
job.run(lambda progress: print(progress.step, flush=True))
"""


def start(script: Path, data: Path, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ENGINE)}
    command = [sys.executable, str(script), str(data), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="There is no SIGKILL on Windows.")
def test_killed_three_times_it_ends_with_the_weights_of_a_run_that_was_left_alone(
    a_folder_of_volumes: Path, tmp_path: Path
):
    script = tmp_path / "script.py"
    script.write_text(ONE, encoding="utf-8")
    whole = start(script, a_folder_of_volumes, tmp_path / "whole")
    assert whole.wait(timeout=200) == 0
    folder = tmp_path / "parts"
    checkpoint = folder / "pretraining.safetensors"
    for wait in (0.05, 0.11, 0.17):
        killed = start(script, a_folder_of_volumes, folder)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        end = time.monotonic() + 100
        while not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            assert time.monotonic() < end
            time.sleep(0.005)
        time.sleep(wait)  # somewhere within a step, or while a checkpoint is written
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait(timeout=20) == -signal.SIGKILL
    last = start(script, a_folder_of_volumes, folder)
    assert last.wait(timeout=200) == 0
    ours, theirs = load_file(checkpoint), load_file(tmp_path / "whole" / "pretraining.safetensors")
    assert ours.keys() == theirs.keys() and len(ours) > 50
    assert all((ours[key] == theirs[key]).all() for key in theirs)


def test_a_full_disk_is_named_and_leaves_no_half_weights(a_folder_of_volumes: Path, a_small_disk: Path):
    done = run_command(
        "pretrain", "--data", a_folder_of_volumes, "--output", a_small_disk, "--width", "16", "--size", "64",
        "--batch", "8", "--steps", "2", "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "disk-full"
    assert not list(a_small_disk.glob("*.safetensors"))
