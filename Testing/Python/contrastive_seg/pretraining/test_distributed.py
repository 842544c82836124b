"""Several processes that pretrain together: which GPU each takes, and that they stop together."""

import os
import subprocess
import sys

import pytest
import torch

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.distributed import own_device


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def launched(count: int, place: int) -> None:
        for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            monkeypatch.setenv(name, str(count))
        monkeypatch.setenv("LOCAL_RANK", str(place))

    return launched


def test_each_process_takes_a_gpu_of_its_own(two_gpus):
    for place in (0, 1):
        two_gpus(2, place)
        assert own_device("auto") == own_device("cuda") == f"cuda:{place}"
        assert own_device("cpu") == "cpu"
    two_gpus(1, 0)
    assert own_device("auto") == "auto" and own_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize(("count", "device", "said"), [(2, "cuda:0", "--device cuda"), (4, "auto", "node 2")])
def test_processes_that_would_share_a_gpu_are_told(two_gpus, count: int, device: str, said: str):
    two_gpus(count, 0)
    with pytest.raises(ContrastiveSegError) as caught:
        own_device(device)
    assert caught.value.code == "unknown-device" and said in caught.value.what_to_do


@pytest.mark.parametrize(("processes", "kept"), [(1, True), (4, False)])
def test_processes_on_one_computer_share_its_memory(a_folder_of_volumes, monkeypatch, processes, kept):
    whole = SliceData(a_folder_of_volumes, size=64)
    needed = sum(stack.slices.nbytes for stack in whole._stacks)
    free = type("Memory", (), {"available": 3 * needed})
    monkeypatch.setattr("contrastive_seg.pretraining.data.slices.psutil.virtual_memory", lambda: free)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    data = SliceData(a_folder_of_volumes, size=64)
    assert all(stack is not None for stack in data._stacks) is kept


STOP = """
import sys
from pathlib import Path
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.pretraining.settings import settings_for

settings = settings_for("pcl", width=4, batch=8, device="cpu", threads=1, steps=1000)
job = Pretraining(SliceData(Path(sys.argv[1]), size=64), settings, Path(sys.argv[2]))
complete = job.run(should_stop=lambda: job.processes.rank == 1 and job.step == 3)
Path(f"{sys.argv[3]}-{job.processes.rank}").write_text(f"{complete} {job.step}")
"""


@pytest.mark.slow
def test_where_one_process_is_stopped_all_stop_at_the_same_step(a_folder_of_volumes, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(STOP, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, str(script), str(a_folder_of_volumes), str(tmp_path), str(tmp_path / "of")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [(tmp_path / f"of-{rank}").read_text() for rank in (0, 1)] == ["False 3", "False 3"]
    assert (tmp_path / "pretraining.safetensors").is_file()
