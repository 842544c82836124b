"""Runs that the panel's worker made, with several rounds, a kill and a stop, are repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import call

Open = Callable[..., dict[str, Any]]


def round_(worker: Any, number: int) -> None:
    worker.send(command="train", id=number)
    worker.wait_type("result", reply_to=number, **{"for": "train"})
    worker.wait_type("status", state="idle")


def test_two_rounds_of_a_warm_worker_against_the_clock_are_repeated(
    a_worker: Any, open_command: Open, a_run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_worker.send(**open_command(budget=4))
    round_(a_worker, 2)
    a_worker.send(**open_command(labels="labels-2.npy", id=3, budget=3))
    round_(a_worker, 4)
    a_worker.send(command="quit")
    a_worker.process.wait(60)
    for name in ("labels.npy", "labels-2.npy"):  # the panel writes over them
        (a_run_folder / name).unlink(missing_ok=True)
    provenance = json.loads((a_run_folder / "provenance.json").read_text("utf-8"))
    assert [one["from_checkpoint"] for one in provenance["rounds"]] == [False, False]
    status, out, err = call(capsys, "reproduce", a_run_folder, "--json")
    told = json.loads(out)
    assert told["rounds"] == 2 and told["equal"] and status == 0, err


@pytest.mark.slow
def test_a_round_that_was_killed_and_resumed_is_repeated_without_the_kill(
    start_worker: Any, open_command: Open, a_run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = start_worker()
    first.send(**open_command(steps=100_000))
    first.send(command="train", id=2)
    first.wait_for(lambda event: (a_run_folder / "checkpoint.json").exists())
    first.process.kill()
    first.process.wait(60)
    done = json.loads((a_run_folder / "checkpoint.json").read_text("utf-8"))["step"]
    second = start_worker()
    second.send(**open_command(steps=done + 12, resume=True))
    round_(second, 2)
    (only,) = json.loads((a_run_folder / "provenance.json").read_text("utf-8"))["rounds"]
    assert only["schedule"]["resumed_at"] == [done] and done > 0
    assert len(only["schedule"]["fractions"].split()) == done + 12
    status, out, err = call(capsys, "reproduce", a_run_folder, "--json")
    told = json.loads(out)
    assert told["equal"] and status == 0, err


@pytest.mark.slow
def test_a_stopped_run_is_repeated_and_says_where_its_mask_was_a_preview(
    a_worker: Any, open_command: Open, a_run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_worker.send(**open_command(budget=60))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("metric")
    a_worker.send(command="stop")
    a_worker.wait_type("result", reply_to=2)
    a_worker.wait_type("status", state="idle")
    (only,) = json.loads((a_run_folder / "provenance.json").read_text("utf-8"))["rounds"]
    assert only["stopped"]
    status, out, _ = call(capsys, "reproduce", a_run_folder, "--json")
    told = json.loads(out)
    assert told["network_equal"]
    assert told["equal"] or only["from_preview"]
    assert bool(told["reasons"]) == only["from_preview"] and status == (0 if told["equal"] else 1)
