"""``contrastive-seg reproduce``: runs are really repeated; equal bit for bit, or it says why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import QUICK, array_of, call, run_command, write_pair

SMALL = (14, 40, 44)


@pytest.fixture(scope="module")
def a_pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_pair(tmp_path_factory.mktemp("reproduce") / "Bilder ü", SMALL)


@pytest.fixture(scope="module")
def a_finished_run(a_pair: dict[str, Path]) -> Path:
    """A run of 12 steps, made by the real command in a process of its own."""
    run = a_pair["image"].parent / "ein Lauf"
    done = run_command(
        "finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run, "--seed", 3,
        "--name", "1=Left organ", "--json", *QUICK,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def a_run(a_finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the run with its inputs, to be changed."""
    folder = tmp_path / "copy"
    shutil.copytree(a_finished_run.parent, folder)
    return folder / a_finished_run.name


def provenance_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "provenance.json").read_text("utf-8"))


def change_image(path: Path) -> None:
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array[0, 0, 0] += 1
    changed = sitk.GetImageFromArray(array)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def test_the_provenance_says_what_is_needed_to_repeat_the_run(a_finished_run: Path) -> None:
    stored = provenance_of(a_finished_run)
    (round_,) = stored["rounds"]
    assert round_["number"] == 1 and round_["settings"]["seed"] == 3 and round_["settings"]["steps"] == 12
    assert round_["images"] == [stored["cases"][0]["image_sha256"]]
    assert round_["labels"] == [stored["cases"][0]["labels_sha256"]]
    assert len(round_["schedule"]["fractions"].split()) == 12 and round_["threads"] == 1
    assert len(round_["network_sha256"]) == len(stored["results"][0]["prediction_sha256"]) == 64
    assert stored["architecture"]["values"] == [0, 1, 7] and stored["hardware"]["threads"] == 1
    assert len(stored["cases"][0]["ijk_to_ras"]) == 4
    text = (a_finished_run / "provenance.json").read_text("utf-8")
    assert str(a_finished_run.parent) not in text and "image.nii" not in text


def test_a_run_that_is_repeated_in_another_process_is_equal(a_finished_run: Path) -> None:
    done = run_command("reproduce", a_finished_run, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["equal"] and told["network_equal"] and told["steps"] == 12 and told["differences"] == []
    assert told["cases"][0]["equal"] and told["cases"][0]["dice"] == {"1": 1.0, "7": 1.0}


@pytest.mark.slow
def test_semi_supervised_learning_from_a_folder_that_holds_the_case_too_is_equal(
    tmp_path: Path, capsys
) -> None:
    pair = write_pair(tmp_path / "scans", (16, 40, 44))
    labels = pair["labels"].rename(tmp_path / "labels.nii.gz")
    pair["truth"].unlink()
    write_pair(tmp_path / "other", (12, 40, 44), seed=1)["image"].rename(tmp_path / "scans" / "a.nii.gz")
    command = ["finetune", pair["image"], labels, "--ignore", 255, "--output", tmp_path / "run", *QUICK]
    mcsc = ["--semi-supervised", "mcsc", "--unlabelled", tmp_path / "scans", "--steps", 2]
    status, _, err = call(capsys, *command, *mcsc)
    assert status == 0, err
    assert len(provenance_of(tmp_path / "run")["unlabelled"]) == 2
    status, out, err = call(capsys, "reproduce", tmp_path / "run", "--json")
    assert status == 0 and json.loads(out)["equal"], err


def test_another_seed_is_not_equal_and_the_dice_between_both_is_told(a_finished_run: Path, capsys) -> None:
    status, out, _ = call(capsys, "reproduce", a_finished_run, "--seed", 4)
    assert status == 1 and "Not equal" in out and "Left organ" in out and "seed 3 (now 4)" in out
    status, out, _ = call(capsys, "reproduce", a_finished_run, "--seed", 4, "--json")
    told = json.loads(out)
    assert status == 1 and not told["network_equal"]
    assert 0.5 < told["cases"][0]["dice"]["1"] < 1


def test_a_repetition_replaces_nothing(a_finished_run: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "prediction-0.nii.gz").write_bytes(b"of somebody")
    status, out, _ = call(capsys, "reproduce", a_finished_run, "--output", tmp_path, "--json")
    assert status == 2 and "is not empty" in json.loads(out)["error"]["message"]
    assert [one.name for one in tmp_path.iterdir()] == ["prediction-0.nii.gz"]
    assert (tmp_path / "prediction-0.nii.gz").read_bytes() == b"of somebody"


def test_a_changed_image_is_named_and_nothing_is_trained(a_run: Path, capsys) -> None:
    change_image(a_run.parent / "image.nii.gz")
    status, out, err = call(capsys, "reproduce", a_run, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "input-changed"
    assert "image.nii.gz" in err and "has changed" in err and "--data" in err


def test_moved_images_are_found_in_a_folder_under_other_names(a_run: Path, a_pair, tmp_path, capsys) -> None:
    (a_run.parent / "image.nii.gz").unlink()
    status, out, _ = call(capsys, "reproduce", a_run, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "input-changed"
    archive = tmp_path / "archive"
    archive.mkdir()
    shutil.copy(a_pair["truth"], archive / "another.nii.gz")
    shutil.copy(a_pair["image"], archive / "renamed.nii.gz")
    status, out, err = call(capsys, "reproduce", a_run, "--data", archive, "--json")
    assert status == 0, err
    assert json.loads(out)["equal"]


def test_labels_are_those_of_the_run_even_if_the_file_was_painted_on_since(a_run: Path, capsys) -> None:
    (a_run.parent / "labels.nii.gz").unlink()
    status, out, err = call(capsys, "reproduce", a_run, "--json")
    assert status == 0 and json.loads(out)["equal"], err
    for kept in a_run.glob("labels-round*"):
        kept.write_bytes(b"\x1f\x8b damaged")
    status, out, _ = call(capsys, "reproduce", a_run, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "input-changed"


@pytest.mark.slow
def test_a_run_against_the_clock_is_repeated_step_by_step(a_pair, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    status, out, err = call(
        capsys, "finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run,
        "--budget", "15", "--device", "cpu", "--threads", 1, "--json",
    )  # fmt: skip
    assert status == 0, err
    steps = json.loads(out)["steps"]
    assert steps > 0
    status, out, err = call(capsys, "reproduce", run, "--output", tmp_path / "again", "--json")
    told = json.loads(out)
    assert told["steps"] == steps and told["equal"] and status == 0, err
    again = array_of(tmp_path / "again" / "prediction-0.nii.gz")
    assert np.array_equal(again, array_of(run / "prediction.nii.gz"))


def test_all_rounds_are_repeated_each_with_its_own_labels(a_pair, tmp_path: Path, capsys) -> None:
    run, labels = tmp_path / "run", tmp_path / "labels.nii.gz"
    painted = sitk.ReadImage(str(a_pair["labels"]))
    full, truth = sitk.GetArrayFromImage(painted), array_of(a_pair["truth"])
    command = ["finetune", a_pair["image"], labels, "--ignore", 255, "--output", run, *QUICK, "--json"]
    for more, options in (([], []), ([9], ["--resume"])):
        now = full.copy()
        for index in more:
            now[index] = truth[index]
        if not more:
            now[now == 7] = 0  # a structure that comes with the second round
        image = sitk.GetImageFromArray(now)
        image.CopyInformation(painted)
        sitk.WriteImage(image, str(labels))
        status, _, err = call(capsys, *command, *options)
        assert status == 0, err
    assert [one["number"] for one in provenance_of(run)["rounds"]] == [1, 2]
    assert provenance_of(run)["rounds"][0]["labels"] != provenance_of(run)["rounds"][1]["labels"]
    status, out, err = call(capsys, "reproduce", run, "--json")
    told = json.loads(out)
    assert told["rounds"] == 2 and told["steps"] == 24 and told["equal"], err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stored: stored.clear(), "holds no round"),
        (lambda stored: stored["rounds"][0].update(schedule=None), "not recorded"),
        (lambda stored: stored["rounds"][0].update(number=2), "not recorded"),
        (lambda stored: stored["rounds"][0]["schedule"].update(fractions="0.1 nan"), "damaged"),
        (lambda stored: stored["rounds"][0]["schedule"].update(fractions=[1]), "damaged"),
        (lambda stored: stored["rounds"][0]["schedule"].update(sizes=[[0, 10**9, 96, "cpu"]]), "damaged"),
        (lambda stored: stored["rounds"][0]["settings"].update(steps="x", budget="y"), "damaged"),
    ],
)
def test_a_run_that_cannot_be_repeated_says_why(a_run: Path, change: Any, words: str, capsys) -> None:
    stored = provenance_of(a_run)
    change(stored)
    (a_run / "provenance.json").write_text(json.dumps(stored), "utf-8")
    status, out, err = call(capsys, "reproduce", a_run, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "not-repeatable", err
    assert words in err and "Traceback" not in err


def test_other_versions_are_named(a_run: Path, capsys) -> None:
    stored = provenance_of(a_run)
    stored["versions"]["torch"], stored["results"][0]["prediction_sha256"] = "1.0", "0" * 64
    (a_run / "provenance.json").write_text(json.dumps(stored), "utf-8")
    status, out, _ = call(capsys, "reproduce", a_run)
    assert status == 1 and "torch 1.0 (now 2." in out.replace("\n", " ")


def test_a_folder_that_is_no_run_is_told(tmp_path: Path, capsys) -> None:
    status, out, _ = call(capsys, "reproduce", tmp_path, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "bad-job"
