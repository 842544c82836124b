"""What goes wrong inside the engine reaches the user as a sentence, and the worker stays usable."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., dict[str, Any]]

TROUBLED = """
import os, sys, warnings
from contrastive_seg.worker import __main__ as worker
from contrastive_seg.finetuning import session
import torch
train = session.FinetuningSession.train
troubles = [{troubles}]
def troubled(self, *arguments, **named):
    print("a library prints"); os.write(1, b"so does C\\n"); warnings.warn("and warns")
    assert sys.stdin.read() == ""
    if troubles:
        raise troubles.pop(0)
    return train(self, *arguments, **named)
session.FinetuningSession.train = troubled
worker.main()
"""


def test_running_out_of_memory_is_told_and_the_next_training_works(
    start_worker: Callable[..., Any], open_command: Open
) -> None:
    troubles = (
        "MemoryError(), torch.OutOfMemoryError('CUDA out of memory'), RuntimeError(\"can't allocate memory\")"
    )
    worker = start_worker(code=TROUBLED.format(troubles=troubles))
    worker.send(**open_command())
    for number in (2, 3, 4):
        worker.send(command="train", id=number)
        error = worker.wait_type("error", reply_to=number)
        assert error["code"] == "out-of-memory" and error["what_to_do"]
        worker.wait_type("status", state="idle")
    worker.send(command="train", id=5, budget=3)
    assert worker.wait_type("result", reply_to=5)["for"] == "train"


def test_what_nobody_foresaw_is_told_with_a_log_and_prints_do_not_disturb_the_events(
    start_worker: Callable[..., Any], open_command: Open
) -> None:
    worker = start_worker(code=TROUBLED.format(troubles="KeyError('surprise')"))
    worker.send(**open_command())
    worker.send(command="train", id=2)
    error = worker.wait_type("error", reply_to=2)
    assert error["code"] == "internal-error" and "surprise" in error["message"]
    worker.wait_type("status", state="idle")
    worker.send(command="quit")
    assert worker.wait_end() == 0
    log = "".join(worker.log)
    assert worker.not_events == []
    assert all(words in log for words in ("a library prints", "so does C", "and warns", "Traceback"))


def test_an_engine_that_cannot_be_loaded_is_told(start_worker: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('DLL load failed')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from contrastive_seg.worker.__main__ import main; main()"
    )
    worker = start_worker(code=code)
    assert worker.wait_type("hello")["torch"] is None
    error = worker.wait_type("error")
    assert error["code"] == "bad-installation" and "DLL load failed" in error["message"]
    assert worker.wait_end() == 1


def test_a_full_disk_ends_training_with_a_sentence(
    a_worker: Any, open_command: Open, a_run_folder: Path, a_small_disk: Path
) -> None:
    case = open_command()["cases"][0]
    case = case | {name: str(a_run_folder / case[name]) for name in ("image", "labels")}
    a_worker.send(**open_command(run=str(a_small_disk / "run"), cases=[case]))
    a_worker.wait_type("status", state="ready")
    a_worker.send(command="train", id=2, budget=3)
    error = a_worker.wait_type("error", reply_to=2)
    assert error["code"] == "disk-full" and str(a_small_disk) in error["message"]
    assert [path for path in (a_small_disk / "run").iterdir() if path.name.startswith(".part-")] == []
    a_worker.wait_type("status", state="idle")


@pytest.mark.skipif(shutil.which("chattr") is None, reason="Needs chattr to keep even root from writing.")
def test_a_run_folder_that_became_read_only_is_told(
    a_worker: Any, open_command: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    if subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("This file system does not let a folder be made immutable.")
    try:
        a_worker.send(**open_command(run=str(folder)))
        error = a_worker.wait_type("error", reply_to=1)
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)
    assert error["code"] == "no-write-permission" and str(folder) in error["message"]
