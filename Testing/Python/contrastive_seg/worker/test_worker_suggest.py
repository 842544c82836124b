"""The next slices to annotate, and beginning anew, as the application asks the worker for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Open = Callable[..., dict[str, Any]]


def test_after_a_learning_the_worker_suggests_slices_and_again_with_new_labels(
    a_worker: Any, open_command: Open
) -> None:
    hello = a_worker.wait_type("hello")
    assert hello["devices"][0]["id"] == "cpu" and hello["devices"][0]["memory_gb"] > 0
    a_worker.send(command="suggest", id=7)
    assert a_worker.wait_type("error", reply_to=7)["code"] == "bad-command"  # no run is open
    a_worker.send(**open_command(steps=2))
    a_worker.send(command="suggest", id=8)
    assert a_worker.wait_type("error", reply_to=8)["code"] == "no-checkpoint"

    a_worker.send(command="train", id=2)
    a_worker.send(command="suggest", id=3, count=2)
    answer = a_worker.wait_type("result", reply_to=3)
    assert answer["for"] == "suggest" and answer["case"] == 0
    found = [one["index"] for one in answer["suggestions"]]
    assert len(set(found)) == 2 and not set(found) & {2, 8, 16}
    first = answer["suggestions"][0]
    assert first["axis"] == 0 and first["plane"] == "axial" and first["value"] in (1, None)
    assert first["reason"] in ("change", "unsure", "far", "end")
    assert first["distance_mm"] == 2.0 * first["distance"]
    a_worker.wait_type("status", reply_to=3, state="idle")

    a_worker.send(**open_command(labels="labels-2.npy", id=4, steps=2))
    a_worker.send(command="suggest", id=5)
    later = a_worker.wait_type("result", reply_to=5)["suggestions"]
    assert later and not {one["index"] for one in later} & {2, 5, 8, 12, 16}
    a_worker.send(command="suggest", id=6, case=3)
    assert "no case 3" in a_worker.wait_type("error", reply_to=6)["message"]


def test_a_run_taken_up_again_suggests_without_learning_first(
    start_worker: Callable[..., Any], open_command: Open
) -> None:
    first = start_worker()
    first.send(**open_command(steps=2))
    first.send(command="train", id=2)
    first.wait_type("result", reply_to=2)
    first.send(command="quit")
    first.wait_end()
    second = start_worker()
    second.send(**open_command(steps=2, resume=True))
    second.send(command="suggest", id=2)
    assert second.wait_type("result", reply_to=2)["suggestions"]


def test_anew_forgets_what_was_learnt_also_in_a_warm_worker(
    a_worker: Any, open_command: Open, a_run_folder: Path
) -> None:
    a_worker.send(**open_command(steps=3))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("result", reply_to=2)
    assert (a_run_folder / "checkpoint.safetensors").is_file()
    a_worker.send(**open_command(id=3, steps=2, anew=True))
    opened = a_worker.wait_type("result", reply_to=3)
    assert opened["step"] == 0 and not opened["warm"] and not opened["resumed"]
    assert not (a_run_folder / "checkpoint.safetensors").exists()
    a_worker.send(command="train", id=4)
    a_worker.wait_type("result", reply_to=4)
    a_worker.wait_type("status", reply_to=4, state="idle")
    assert json.loads((a_run_folder / "checkpoint.json").read_text("utf-8"))["step"] == 2
    provenance = json.loads((a_run_folder / "provenance.json").read_text("utf-8"))
    assert len(provenance["rounds"]) == 1 and max(p["step"] for p in provenance["history"]) == 2
