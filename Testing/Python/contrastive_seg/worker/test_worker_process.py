"""The worker as the application meets it: a real child process with the real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

Open = Callable[..., dict[str, Any]]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_run_from_open_to_result_and_a_second_round(
    a_worker: Any, open_command: Open, a_run_folder: Path
) -> None:
    hello = a_worker.wait_type("hello")
    assert a_worker.seen[0] == hello and hello["protocol"] == 1 and hello["pid"] == a_worker.process.pid
    assert hello["device"]["kind"] in ("cpu", "cuda", "mps") and hello["device"]["memory_gb"] > 0
    assert hello["engine"] and hello["torch"]

    a_worker.send(**open_command(steps=40))
    a_worker.send(command="train", id=2)
    opened = a_worker.wait_type("result", reply_to=1)
    assert opened["for"] == "open" and opened["cases"] == 1 and opened["step"] == 0
    preview = a_worker.wait_type("preview", reply_to=2)
    shown = np.load(a_run_folder / preview["prediction"])
    assert shown.dtype == np.uint8 and shown.shape == (24, 48, 48) and preview["case"] == 0
    result = a_worker.wait_type("result", reply_to=2)
    a_worker.wait_type("status", state="idle")

    assert result["for"] == "train" and result["case"] == 0 and result["stopped"] is False
    prediction = np.load(a_run_folder / result["prediction"])
    truth = np.load(a_run_folder / "truth.npy") > 0
    assert prediction.dtype == np.uint8 and prediction.shape == truth.shape
    assert dice(prediction == 1, truth) > 0.8
    for kind in ("probability", "uncertainty"):
        percent = np.load(a_run_folder / result[kind])
        assert percent.dtype == np.uint8 and percent.shape == truth.shape and percent.max() <= 100
    assert result["volume_ml"] == {"1": pytest.approx((prediction == 1).sum() * 2.0 / 1000)}
    assert set(result["volume_error_ml"]) == {"1"} and result["volume_error_ml"]["1"] >= 0
    for place in result["doubtful"]:
        assert len(place["index"]) == 3 and place["value"] in (0, 1) and place["ml"] > 0
    first_steps = [event["step"] for event in a_worker.of_type("metric")]
    assert first_steps and first_steps == sorted(first_steps)
    states = [event["state"] for event in a_worker.of_type("status")]
    assert states.index("opening") < states.index("ready") < states.index("training") < states.index("idle")

    a_worker.send(**open_command(labels="labels-2.npy", id=3, steps=40))
    reopened = a_worker.wait_type("result", reply_to=3)
    assert reopened["warm"] is True and reopened["step"] >= first_steps[-1]
    a_worker.send(command="train", id=4)
    assert a_worker.wait_type("metric", reply_to=4)["step"] > first_steps[-1]
    a_worker.wait_type("result", reply_to=4)
    a_worker.wait_type("status", state="idle")
    provenance = json.loads((a_run_folder / "provenance.json").read_text("utf-8"))
    assert len(provenance["rounds"]) == 2 and provenance["device"] == "cpu"
    assert [point["step"] for point in provenance["history"]][: len(first_steps)] == first_steps
    assert len(list(a_run_folder.glob("preview-*.npy"))) <= 2
    assert list(a_run_folder.glob(".part-*")) == []

    a_worker.send(command="predict", id=5, image="image.npy", ijk_to_ras=np.eye(4).tolist(), output="other")
    predicted = a_worker.wait_type("result", reply_to=5)
    assert predicted["for"] == "predict" and predicted["case"] is None
    assert predicted["prediction"] == "prediction-other.npy"
    assert np.load(a_run_folder / "prediction-other.npy").shape == truth.shape
    a_worker.send(command="predict", id=6, case=0)
    again = a_worker.wait_type("result", reply_to=6)
    assert dice(np.load(a_run_folder / again["prediction"]) == 1, truth) > 0.8
    a_worker.send(command="quit")
    assert a_worker.wait_end() == 0
    assert a_worker.not_events == []


def test_image_files_serve_as_well_as_arrays(
    a_worker: Any, open_command: Open, a_run_folder: Path, tmp_path: Path
) -> None:
    for name, suffix in (("image", ".nii.gz"), ("labels", ".nrrd")):
        image = sitk.GetImageFromArray(np.load(a_run_folder / f"{name}.npy"))
        image.SetSpacing((0.5, 0.5, 3.0))
        sitk.WriteImage(image, str(tmp_path / f"{name}{suffix}"))
    cases = [{"image": str(tmp_path / "image.nii.gz"), "labels": str(tmp_path / "labels.nrrd")}]
    a_worker.send(**open_command(cases=cases))
    a_worker.send(command="train", id=2, budget=3)
    result = a_worker.wait_type("result", reply_to=2)
    voxels = int((np.load(a_run_folder / result["prediction"]) == 1).sum())
    assert voxels > 0 and result["volume_ml"]["1"] == pytest.approx(voxels * 0.75 / 1000, rel=1e-3)


def test_stop_ends_training_with_a_result_and_the_worker_goes_on(
    a_worker: Any, open_command: Open, a_run_folder: Path
) -> None:
    a_worker.send(**open_command(budget=300))
    a_worker.send(command="train", id=2)
    a_worker.wait_type("preview")
    a_worker.send(command="stop", id=3)
    a_worker.wait_type("status", state="stopping", reply_to=3)
    result = a_worker.wait_type("result", reply_to=2)
    assert result["stopped"] is True
    assert np.load(a_run_folder / result["prediction"]).any()
    a_worker.wait_type("status", state="idle", reply_to=2)
    a_worker.send(command="stop", id=4)
    assert a_worker.wait_type("status", reply_to=4)["state"] == "idle"
    a_worker.send(command="predict", id=5, case=0)
    assert a_worker.wait_type("result", reply_to=5)["stopped"] is False


def test_a_train_that_was_stopped_before_it_began_does_not_begin(a_worker: Any, open_command: Open) -> None:
    a_worker.send(**open_command(budget=300))
    a_worker.send(command="train", id=2)
    a_worker.send(command="stop", id=3)
    ended = a_worker.wait_for(lambda event: event.get("reply_to") == 2)
    assert ended["type"] == "status" and ended["state"] == "idle"
    assert a_worker.of_type("preview") == []


def test_lines_that_are_no_commands_get_an_error_and_the_worker_goes_on(a_worker: Any) -> None:
    for line, code in [
        (b"not json\n", "bad-command"),
        (b"\xff\xfe\x00\n", "bad-command"),
        (b'"a text"\n', "bad-command"),
        (b"[" * 50_000 + b"\n", "bad-command"),
        (b"x" * 10_000_000 + b"\n", "bad-command"),
        (b'{"command": "dance", "id": "e"}\n', "unknown-command"),
        (b'{"command": "train", "id": 7}\n', "bad-command"),
        (b'{"command": "predict", "id": 8, "case": 0}\n', "bad-command"),
        (b'{"command": "open", "id": 9, "run": "x", "cases": [{"image": 1}]}\n', "bad-job"),
    ]:
        a_worker.send_raw(b"\n \n" + line)
        error = a_worker.wait_type("error")
        assert error["code"] == code and error["message"].endswith(".")
    assert a_worker.seen[0]["type"] == "hello"
    assert [error.get("reply_to") for error in a_worker.of_type("error")][-4:] == ["e", 7, 8, 9]
    a_worker.send(command="quit")
    assert a_worker.wait_end() == 0


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda f: (f / "image.npy").unlink(), "unreadable-file"),
        (lambda f: (f / "image.npy").write_bytes((f / "image.npy").read_bytes()[:5000]), "unreadable-file"),
        (lambda f: (f / "image.npy").write_bytes(b""), "unreadable-file"),
        (lambda f: np.save(f / "image.npy", np.array([{"a": 1}]), allow_pickle=True), "unreadable-file"),
        (lambda f: np.save(f / "image.npy", np.zeros((2, 3, 4, 5))), "unreadable-file"),
        (lambda f: np.save(f / "image.npy", np.zeros((2, 3, 4), complex)), "unreadable-file"),
        (lambda f: np.save(f / "image.npy", np.zeros((0, 48, 48), np.int16)), "empty-volume"),
        (lambda f: np.save(f / "image.npy", np.full((24, 48, 48), np.nan, np.float32)), "nonfinite-voxels"),
        (lambda f: np.save(f / "image.npy", np.full((24, 48, 48), 7, np.int16)), "constant-image"),
        (lambda f: np.save(f / "labels.npy", np.zeros((24, 48, 47), np.int16)), "grid-mismatch"),
        (lambda f: np.save(f / "labels.npy", np.full((24, 48, 48), -1, np.int16)), "no-annotation"),
        (lambda f: np.save(f / "labels.npy", np.ones((24, 48, 48), np.int16)), "one-class"),
        (lambda f: np.save(f / "labels.npy", np.full((24, 48, 48), 40000, np.int32)), "unreadable-file"),
        (lambda f: np.save(f / "labels.npy", np.full((24, 48, 48), 0.5)), "unreadable-file"),
    ],
)
def test_a_job_that_cannot_be_done_is_told_in_a_sentence(
    spoil: Callable[[Path], Any], code: str, open_command: Open, a_run_folder: Path, a_host: Any
) -> None:
    spoil(a_run_folder)
    assert a_host(open_command()).code == code


def test_a_device_that_is_not_there_is_told(open_command: Open, a_host: Any) -> None:
    assert a_host(open_command(settings={"device": "cuda:99"})).code == "unknown-device"


def test_after_a_failed_open_nothing_is_trained_on_older_labels(
    a_worker: Any, open_command: Open, a_run_folder: Path
) -> None:
    a_worker.send(**open_command())
    a_worker.wait_type("status", state="ready")
    a_worker.send(**open_command(labels="missing.npy", id=2))
    a_worker.send(command="train", id=3)
    error = a_worker.wait_type("error", reply_to=2)
    assert error["code"] == "unreadable-file" and "missing.npy" in error["message"]
    assert a_worker.wait_type("error", reply_to=3)["code"] == "bad-command"
    a_worker.send(**open_command(id=4))
    assert a_worker.wait_type("result", reply_to=4)["warm"] is True


def test_a_run_folder_that_cannot_be_written_is_told(
    a_worker: Any, open_command: Open, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    a_worker.send(**open_command(run=str(tmp_path / "file" / "run")))
    error = a_worker.wait_type("error", reply_to=1)
    assert error["code"] == "no-write-permission" and "run" in error["message"]
    a_worker.wait_type("status", state="idle")
