"""Further volumes without labels: the worker learns from them where the method wants them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

from contrastive_seg.worker.protocol import BadMessage, parse_command
from contrastive_seg.worker.run import job_of

Open = Callable[..., dict[str, Any]]
IJK_TO_RAS = [[-1.0, 0, 0, 10], [0, 1.0, 0, 20], [0, 0, 2.0, -5], [0, 0, 0, 1]]
OTHER = {"image": "unlabelled-0001.npy", "ijk_to_ras": IJK_TO_RAS, "name": "another patient"}


@pytest.fixture
def mcsc(a_run_folder: Path, open_command: Open) -> Open:
    """Makes an ``open`` for learning from the unpainted slices of a second volume, too."""
    image = np.load(a_run_folder / "image.npy")
    np.save(a_run_folder / OTHER["image"], np.ascontiguousarray(image[::-1, :, 3:]))

    def make(**fields: Any) -> dict[str, Any]:
        command = open_command(steps=2, **({"unlabelled": [OTHER]} | fields))
        command["settings"]["semi_supervised"] = "mcsc"
        return command

    return make


def test_a_run_learns_from_a_second_volume_keeps_that_and_is_repeated(
    a_worker: Any, mcsc: Open, a_run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_worker.send(**mcsc())
    a_worker.send(command="train", id=2)
    a_worker.wait_type("result", reply_to=2, **{"for": "train"})
    a_worker.send(command="quit")
    a_worker.process.wait(60)
    stored = (a_run_folder / "job.json").read_text("utf-8")
    assert json.loads(stored)["unlabelled"] == [{"image": OTHER["image"], "ijk_to_ras": IJK_TO_RAS}]
    assert "another patient" not in stored
    assert len(json.loads((a_run_folder / "provenance.json").read_text("utf-8"))["unlabelled"]) == 1
    status, out, err = call(capsys, "reproduce", a_run_folder, "--json")
    assert json.loads(out)["equal"] and status == 0, err
    np.save(a_run_folder / OTHER["image"], np.load(a_run_folder / "image.npy") + 1)
    status, _out, err = call(capsys, "reproduce", a_run_folder)
    assert status == 2 and OTHER["image"] in err and "changed" in err


def test_a_run_that_goes_on_without_saying_so_keeps_its_volumes(mcsc: Open, a_run_folder: Path) -> None:
    from contrastive_seg.runs import RunFolder

    folder = RunFolder(a_run_folder)
    job, _settings = job_of(parse_command(json.dumps(mcsc()).encode()), folder)  # type: ignore[arg-type]
    folder.write_job(job)
    resume = {"command": "open", "run": str(a_run_folder), "resume": True}
    again, settings = job_of(parse_command(json.dumps(resume).encode()), folder)  # type: ignore[arg-type]
    assert [one.image for one in again.unlabelled] == [OTHER["image"]]
    assert settings.semi_supervised == "mcsc"
    without, _settings = job_of(parse_command(json.dumps(mcsc(unlabelled=[])).encode()), folder)  # type: ignore[arg-type]
    assert without.unlabelled == ()


def test_a_volume_that_cannot_be_used_is_left_out_and_named(
    a_worker: Any, mcsc: Open, a_run_folder: Path
) -> None:
    bad = np.full((4, 5, 6), np.nan, np.float32)
    np.save(a_run_folder / "nothing.npy", bad)
    others = [{**OTHER, "image": "nothing.npy"}, OTHER, {"image": "missing.npy", "ijk_to_ras": IJK_TO_RAS}]
    a_worker.send(**mcsc(unlabelled=others))
    a_worker.wait_type("result", reply_to=1, **{"for": "open"})
    notes = [one["message"] for one in a_worker.of_type("note")]
    assert len(notes) == 2 and "'another patient' is left out" in notes[0] and "missing.npy" in notes[1]


@pytest.mark.parametrize(
    ("unlabelled", "field"),
    [({"image": "a.npy"}, "'unlabelled'"), ([3], "unlabelled[0]"), ([{"image": "a.npy"}], "ijk_to_ras")],
)
def test_a_mistake_in_the_volumes_is_named(open_command: Open, unlabelled: Any, field: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_command(json.dumps(open_command(unlabelled=unlabelled)).encode())
    assert refused.value.code == "bad-job" and field in refused.value.sentence
