"""How the worker ends, and that nothing of it stays: quit, end of stdin, signals, kills, a dead parent."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

Open = Callable[..., dict[str, Any]]
PATIENCE = 30.0

PARENT = """
import json, os, subprocess, sys, time
holder = None
os.environ["CONTRASTIVE_SEG_PARENT_PID"] = str(os.getpid())
worker = subprocess.Popen([sys.executable, "-m", "contrastive_seg.worker"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
if sys.argv[1] == "with a process that holds the pipes":
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"],
                              pass_fds=(worker.stdin.fileno(), worker.stdout.fileno()))
print(json.dumps([worker.pid, holder.pid if holder else None]), flush=True)
if sys.argv[2] == "training":
    worker.stdin.write((sys.stdin.readline() + sys.stdin.readline()).encode())
    worker.stdin.flush()
    while b'"preview"' not in worker.stdout.readline():
        pass
    print("reached", flush=True)
time.sleep(300)
"""


def wait_until(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.1)
    return False


def has_ended(process: psutil.Process) -> bool:
    """Gone, or only waiting for the system's init to collect its status."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_quit_while_torch_is_being_loaded_ends_the_process(a_worker: Any) -> None:
    a_worker.send(command="quit")
    assert a_worker.wait_end() == 0
    assert a_worker.of_type("status") == []


def test_quit_ends_training_and_leaves_a_checkpoint(
    a_worker: Any, open_command: Open, a_run_folder: Path
) -> None:
    a_worker.send(**open_command(budget=300))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("progress", stage="training")
    a_worker.send(command="quit")
    assert a_worker.wait_end() == 0
    assert (a_run_folder / "checkpoint.safetensors").is_file()


def test_the_end_of_stdin_ends_the_worker(a_worker: Any) -> None:
    a_worker.wait_type("hello")
    a_worker.process.stdin.close()
    assert a_worker.wait_end() == 0


def test_the_end_of_stdin_ends_training_too(a_worker: Any, open_command: Open) -> None:
    a_worker.send(**open_command(budget=300))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("preview")
    a_worker.process.stdin.close()
    assert a_worker.wait_end() == 0


def test_a_reader_of_events_that_has_gone_ends_the_worker(an_environment: dict[str, str]) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "contrastive_seg.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=an_environment,
    )
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdout.close()
    assert worker.wait(timeout=PATIENCE) == 0
    worker.stdin.close()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to send.")
def test_sigterm_is_quit_with_a_checkpoint(a_worker: Any, open_command: Open, a_run_folder: Path) -> None:
    a_worker.send(**open_command(budget=300))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("progress", stage="training")
    a_worker.process.send_signal(signal.SIGTERM)
    assert a_worker.wait_end() == 0
    assert (a_run_folder / "checkpoint.safetensors").is_file()


@pytest.mark.skipif(os.name != "posix", reason="Passing on descriptors works so on POSIX only.")
@pytest.mark.parametrize("others", ["alone", "with a process that holds the pipes"])
@pytest.mark.parametrize("moment", ["loading", "training"])
def test_no_worker_outlives_a_killed_parent(
    moment: str, others: str, an_environment: dict[str, str], open_command: Open
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, others, moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=an_environment,
        text=True,
        encoding="utf-8",
    )
    assert parent.stdout is not None and parent.stdin is not None
    worker_pid, holder_pid = json.loads(parent.stdout.readline())
    worker = psutil.Process(worker_pid)
    try:
        if moment == "training":
            for command in (open_command(budget=300), {"command": "train", "id": 2}):
                parent.stdin.write(json.dumps(command) + "\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == "reached\n"
        parent.kill()
        parent.wait()
        assert wait_until(lambda: has_ended(worker))
    finally:
        for pid in (worker_pid, holder_pid):
            if pid is not None and psutil.pid_exists(pid):
                psutil.Process(pid).kill()
        for stream in (parent.stdin, parent.stdout):
            stream.close()


def test_the_worker_ends_with_the_application_even_if_a_launcher_stands_between(
    start_worker: Callable[..., Any], an_environment: dict[str, str]
) -> None:
    application = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        worker = start_worker(CONTRASTIVE_SEG_PARENT_PID=str(application.pid))
        worker.wait_type("hello")
        assert worker.process.poll() is None
    finally:
        application.kill()
        application.wait()
    assert worker.wait_end() == 0


def test_a_launcher_that_leaves_does_not_end_the_worker(an_environment: dict[str, str]) -> None:
    launcher = (
        "import os, subprocess, sys\nsubprocess.Popen([sys.executable, '-m', 'contrastive_seg.worker'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", launcher],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=an_environment | {"CONTRASTIVE_SEG_PARENT_PID": str(os.getpid())},
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.wait(timeout=PATIENCE) == 0
    hello = json.loads(process.stdout.readline())
    worker = psutil.Process(hello["pid"])
    time.sleep(2.5)  # longer than between two looks at the parent
    assert not has_ended(worker)
    process.stdin.close()
    assert wait_until(lambda: has_ended(worker))
    process.stdout.close()


@pytest.mark.slow
def test_a_worker_killed_at_any_moment_can_be_resumed(
    start_worker: Callable[..., Any], open_command: Open, a_run_folder: Path
) -> None:
    moments = random.Random(1)
    steps = 0
    for attempt in range(4):
        worker = start_worker()
        worker.send(**open_command(budget=60, resume=attempt > 0))
        opened = worker.wait_type("result", reply_to=1)
        assert opened["step"] >= steps
        steps = opened["step"]
        worker.send(command="train", id=2)
        worker.wait_type("preview")
        if attempt == 1:
            assert wait_until((a_run_folder / "checkpoint.safetensors").is_file)
        time.sleep(moments.uniform(0, 5))
        worker.kill()
    assert steps > 0
    last = start_worker()
    last.send(command="open", id=1, run=str(a_run_folder), resume=True)
    opened = last.wait_type("result", reply_to=1)
    assert opened["resumed"] is True and opened["step"] >= steps
    last.send(command="train", id=2)
    assert last.wait_type("metric")["step"] > opened["step"]
    last.send(command="stop")
    last.wait_type("result", reply_to=2)
    points = [json.loads(line)["step"] for line in (a_run_folder / "history.jsonl").read_text().splitlines()]
    assert points == sorted(set(points))


def test_a_worker_killed_before_its_first_checkpoint_begins_anew(
    start_worker: Callable[..., Any], open_command: Open, a_run_folder: Path
) -> None:
    first = start_worker()
    first.send(**open_command())
    first.wait_type("status", state="ready")
    first.kill()
    assert not (a_run_folder / "checkpoint.safetensors").exists()
    second = start_worker()
    second.send(command="open", id=1, run=str(a_run_folder), resume=True)
    assert second.wait_type("note")["code"] == "no-checkpoint"
    assert second.wait_type("result", reply_to=1)["resumed"] is False


def test_a_spoilt_checkpoint_is_told(a_worker: Any, open_command: Open, a_run_folder: Path) -> None:
    (a_run_folder / "checkpoint.safetensors").write_bytes(b"half of it")
    a_worker.send(**open_command(resume=True))
    assert a_worker.wait_type("error")["code"] == "bad-checkpoint"
