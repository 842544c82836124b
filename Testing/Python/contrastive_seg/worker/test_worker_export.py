"""The worker's command ``export``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrastive_seg.worker.protocol import BadMessage, Export, parse_command

Opening = Callable[..., dict[str, Any]]


def test_a_trained_run_is_exported_with_progress_and_the_comparison(
    a_worker, a_run_folder: Path, open_command: Opening
):
    a_worker.send(**open_command(steps=2))
    a_worker.send(command="train", id=2)
    a_worker.send(command="export", id=3, format="torchscript", output="handed on")
    done = a_worker.wait_for(lambda event: event.get("reply_to") == 3 and event["type"] == "result")
    assert done["for"] == "export" and done["format"] == "torchscript" and done["case"] is None
    assert done["slices"] == 4 and done["max_abs_difference"] < 1e-3 and done["same_labels"] > 0.999
    assert Path(done["output"]) == a_run_folder / "handed on"
    assert (a_run_folder / "handed on" / done["model"]).is_file()
    a_worker.wait_type("status", reply_to=3, state="idle")
    stages = [one["stage"] for one in a_worker.of_type("progress") if one.get("reply_to") == 3]
    assert stages and set(stages) == {"exporting"}

    a_worker.send(command="export", id=4, format="torchscript", output="handed on")
    told = a_worker.wait_type("error", reply_to=4)
    assert told["code"] == "output-exists"
    a_worker.send(command="export", id=5, format="torchscript", output="again", run=str(a_run_folder))
    a_worker.send(command="stop", id=6)
    a_worker.wait_type("status", reply_to=5, state="idle")
    assert not (a_run_folder / "again").exists()
    assert not list(a_run_folder.glob(".part-*"))


def test_without_a_run_there_is_nothing_to_export(a_worker, tmp_path: Path):
    a_worker.send(command="export", id=1, format="onnx", output="model")
    assert a_worker.wait_type("error", reply_to=1)["code"] == "bad-command"
    a_worker.send(command="export", id=2, format="onnx", output="model", run=str(tmp_path))
    assert a_worker.wait_type("error", reply_to=2)["code"] == "no-checkpoint"
    assert not list(tmp_path.iterdir())


def test_an_export_command_is_checked_before_anything_is_loaded():
    line = {"command": "export", "id": 7, "format": "onnx", "output": "model"}
    assert parse_command(json.dumps(line).encode()) == Export(7, "onnx", "model", None)
    for change in ({"format": "keras"}, {"format": 3}, {"output": ""}, {"run": 5}):
        with pytest.raises(BadMessage) as told:
            parse_command(json.dumps(line | change).encode())
        assert next(iter(change)) in told.value.sentence and told.value.id == 7
