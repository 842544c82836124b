"""The command line, as a shell and a script meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import (
    ENGINE,
    QUICK,
    SLICES,
    array_of,
    call,
    expect_error,
    run_command,
    same_grid,
    write_pair,
)
from contrastive_seg_phantom import dice


@pytest.fixture(scope="module")
def a_pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Image, sparse labels and truth in a folder whose name has spaces and letters beyond ASCII."""
    return write_pair(tmp_path_factory.mktemp("cli") / "Bilder für müde Ärzte 脳")


@pytest.fixture(scope="module")
def a_finished_run(a_pair: dict[str, Path]) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run made by the real command in a process of its own, and what that printed."""
    run = a_pair["image"].parent / "ein Lauf ✓"
    done = run_command(
        "finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run,
        "--name", "1=Left organ", "--seed", 3, "--json", *QUICK,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return run, done


def test_finetune_writes_mask_uncertainty_and_provenance_on_the_grid_of_the_image(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any]
) -> None:
    run, _ = a_finished_run
    for name in ("prediction.nii.gz", "uncertainty.nii.gz"):
        assert same_grid(run / name, a_pair["image"]), name
    prediction, truth = array_of(run / "prediction.nii.gz"), array_of(a_pair["truth"])
    assert set(np.unique(prediction)) <= {0, 1, 7}
    assert dice(prediction, truth, 1) > 0.75 and dice(prediction, truth, 7) > 0.75
    uncertainty = array_of(run / "uncertainty.nii.gz")
    assert uncertainty.dtype.kind == "f" and 0 <= uncertainty.min() < uncertainty.max() <= 1
    provenance = json.loads((run / "provenance.json").read_text("utf-8"))
    assert provenance["seed"] == 3 and provenance["device"] == "cpu"
    assert provenance["cases"][0]["annotated_slices"]["axial"] == list(SLICES)
    assert {"value": 1, "name": "Left organ"} in provenance["segments"]
    assert provenance["history"][-1]["step"] == 12


def test_json_is_one_object_on_stdout_and_nothing_else(a_finished_run: tuple[Path, Any]) -> None:
    run, done = a_finished_run
    told = json.loads(done.stdout)
    assert told["run"] == str(run) and told["steps"] == 12 and not told["stopped"]
    case = told["cases"][0]
    assert set(case["volume_ml"]) == {"1", "7"} and min(case["volume_ml"].values()) > 0
    assert Path(case["files"]["prediction"]) == run / "prediction.nii.gz"
    assert "Traceback" not in done.stderr


def test_predict_segments_another_image_on_its_own_grid(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], tmp_path: Path, capsys: Any
) -> None:
    other = write_pair(tmp_path / "other patient", (20, 44, 50), seed=1)
    mask, doubt = tmp_path / "mask ü.nrrd", tmp_path / "doubt.mha"
    status, out, err = call(
        capsys, "predict", a_finished_run[0], other["image"], "--output", mask, "--uncertainty", doubt,
        "--labels", other["labels"], "--ignore", 255, "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["files"] == {"prediction": str(mask), "uncertainty": str(doubt)}
    assert same_grid(mask, other["image"]) and same_grid(doubt, other["image"])
    assert dice(array_of(mask), array_of(other["truth"]), 1) > 0.75


def test_painted_structures_that_were_not_learnt_keep_their_values(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], tmp_path: Path, capsys: Any
) -> None:
    painted = array_of(a_pair["labels"]).astype(np.int16)
    painted[painted == 7] = 300
    image = sitk.GetImageFromArray(painted)
    image.CopyInformation(sitk.ReadImage(str(a_pair["labels"])))
    sitk.WriteImage(image, str(tmp_path / "labels.nii.gz"))
    mask = tmp_path / "mask.nii.gz"
    status, _out, err = call(
        capsys, "predict", a_finished_run[0], a_pair["image"], "--output", mask, "--device", "cpu",
        "--labels", tmp_path / "labels.nii.gz", "--ignore", 255,
    )  # fmt: skip
    assert status == 0 and "The run has not learnt 300 of 'labels.nii.gz'" in err, err
    found = array_of(mask)
    assert np.array_equal(found == 300, painted == 300) and set(np.unique(found)) <= {0, 1, 7, 300}


def test_predict_works_without_any_labels_of_the_image(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], tmp_path: Path, capsys: Any
) -> None:
    command = ["predict", a_finished_run[0], a_pair["image"], "--output", tmp_path / "mask.nii.gz"]
    status, out, err = call(capsys, *command)
    assert status == 0, err
    assert "Left organ" in out and "mask.nii.gz" in out
    (tmp_path / "mask.nii.gz").write_bytes(b"an older one")
    status, _out, err = call(capsys, *command, "--overwrite")
    assert status == 0, err
    assert set(np.unique(array_of(tmp_path / "mask.nii.gz"))) <= {0, 1, 7}


def test_predict_says_when_an_image_differs_much_from_those_learnt_on(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], tmp_path: Path, capsys: Any
) -> None:
    other = sitk.ReadImage(str(a_pair["image"]))
    other.SetSpacing([3 * mm for mm in other.GetSpacing()])
    sitk.WriteImage(other, str(tmp_path / "coarse.nii.gz"))
    notes = {}
    for image in (a_pair["image"], tmp_path / "coarse.nii.gz"):
        mask = tmp_path / f"mask of {image.name}"
        status, out, err = call(capsys, "predict", a_finished_run[0], image, "--output", mask, "--json")
        assert status == 0, err
        notes[image] = json.loads(out)["differences"]
        assert ("differs much from those learnt on" in err) == bool(notes[image])
    assert notes[a_pair["image"]] == []
    assert "Voxels of" in notes[tmp_path / "coarse.nii.gz"][0]


def test_evaluate_scores_a_label_map_and_counts_nothing_where_the_truth_is_unknown(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], capsys: Any
) -> None:
    mask = a_finished_run[0] / "prediction.nii.gz"
    status, out, err = call(capsys, "evaluate", mask, a_pair["truth"], "--json")
    assert status == 0, err
    told = json.loads(out)
    expected = dice(array_of(mask), array_of(a_pair["truth"]), 1)
    assert told["volumes"][0] == pytest.approx(
        {"volume": mask.name, "label": 1, "dice": expected, **_distances(told["volumes"][0])}, abs=1e-5
    )
    assert all(row["hd95_mm"] > 0 and row["surface_distance_mm"] > 0 for row in told["volumes"])
    assert [row["label"] for row in told["mean"]] == [1, 7, "all"]
    _, known, _ = call(capsys, "evaluate", mask, a_pair["labels"], "--ignore", 255, "--json")
    assert json.loads(known)["mean"][-1]["dice"] == 1.0  # the annotated slices are kept as they are
    status, table, _ = call(capsys, "evaluate", mask, a_pair["truth"])
    assert status == 0 and f"{expected:.4f}" in table and "HD95" in table


def test_evaluate_pairs_what_predict_has_written_with_the_truth(
    a_pair: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    truth = a_pair["truth"].read_bytes()
    for name in ("masks/a/scan_predicted.nii.gz", "masks/b/scan_predicted.nii.gz", "masks/c.nii.gz"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(truth)
        other = tmp_path / name.replace("masks", "truth").replace("_predicted", "")
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(truth)
    for name in ("results.json", "labels.csv", "report.html"):
        (tmp_path / "masks" / name).write_text("", "utf-8")
    status, out, err = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth", "--json")
    assert status == 0, err
    rows = json.loads(out)["volumes"]
    assert [(row["volume"], row["label"]) for row in rows] == [
        (name, label) for name in ("a/scan", "b/scan", "c") for label in (1, 7)
    ]
    assert all(row["dice"] == 1 for row in rows)
    (tmp_path / "masks" / "a" / "scan.nii.gz").write_bytes(truth)
    status, _, err = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth")
    assert status == 2 and "have the same name" in err
    (tmp_path / "masks" / "a" / "scan.nii.gz").rename(tmp_path / "masks" / "d.nii.gz")
    status, _, err = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth")
    assert status == 2 and "no truth" in err and "'d.nii.gz'" in err


def test_evaluate_takes_segmentations_that_were_cropped_when_they_were_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = np.zeros((10, 20, 24), np.uint8)
    whole[3:7, 5:15, 6:18] = 1
    image = sitk.GetImageFromArray(whole)
    image.SetSpacing((0.7, 0.8, 2.0))
    paths = [tmp_path / name for name in ("a.nii.gz", "b.seg.nrrd", "c.seg.nrrd")]
    for path, part in zip(paths, (image, image[4:20, 3:17, 2:8], image[6:18, 5:10, 3:7]), strict=True):
        sitk.WriteImage(part, str(path))
    for first, second, expected in ((0, 1, 1.0), (1, 0, 1.0), (1, 2, 2 / 3), (2, 1, 2 / 3), (2, 0, 2 / 3)):
        status, out, err = call(capsys, "evaluate", paths[first], paths[second], "--json")
        assert status == 0, err
        assert json.loads(out)["mean"][0]["dice"] == pytest.approx(expected, abs=1e-5)


def test_evaluate_tells_in_a_line_what_the_truth_does_not_have(
    a_pair: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    paths = {}
    for name, change in (
        ("many", lambda a: np.where(a == 0, np.arange(a.size).reshape(a.shape) % 300 + 1, a)),
        ("one", lambda a: np.where(a == 1, a, 0)),
        ("empty", np.zeros_like),
    ):
        image = sitk.GetImageFromArray(change(array_of(a_pair["truth"])).astype(np.int16))
        image.CopyInformation(sitk.ReadImage(str(a_pair["truth"])))
        paths[name] = tmp_path / f"{name}.nii.gz"
        sitk.WriteImage(image, str(paths[name]))
    status, out, err = call(capsys, "evaluate", paths["many"], paths["one"])
    assert status == 0 and "The truth has no label 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...: left out." in out, err
    _, out, _ = call(capsys, "evaluate", paths["many"], paths["one"], "--json")
    told = json.loads(out)
    assert [row["label"] for row in told["volumes"]] == [1] and len(told["not_in_truth"]) == 299
    assert [row["label"] for row in told["mean"]] == [1]
    status, out, err = call(capsys, "evaluate", paths["empty"], paths["empty"], "--json")
    assert status == 0 and "Neither" in err and "holds a structure" in err
    assert json.loads(out) == {"volumes": [], "mean": [], "not_in_truth": []}
    for folder, contents in (("masks", ("many", "many")), ("truth", ("one", "many"))):
        (tmp_path / folder).mkdir()
        for name, content in zip("ab", contents, strict=True):
            (tmp_path / folder / f"{name}.nii.gz").write_bytes(paths[content].read_bytes())
    _, out, _ = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth", "--json")
    missed = [row for row in json.loads(out)["volumes"] if row["volume"] == "a" and row["label"] == 7]
    assert missed == [{"volume": "a", "label": 7, "dice": 0.0, "hd95_mm": None, "surface_distance_mm": None}]


def test_evaluate_names_volumes_of_the_truth_without_a_prediction_and_brackets_are_text(
    a_pair: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    for place in ("masks/a [left].nii.gz", "truth/a [left].nii.gz", "truth/b.nii.gz", "truth/c.nii.gz"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(a_pair["truth"].read_bytes())
    status, out, err = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth", "--json")
    told = json.loads(out)
    assert status == 0 and told["not_predicted"] == ["b", "c"], err
    assert {row["volume"] for row in told["volumes"]} == {"a [left]"}
    _, out, _ = call(capsys, "evaluate", tmp_path / "masks", tmp_path / "truth")
    assert "a [left]" in out and "Of 2 volumes of the truth there is no prediction" in out
    assert "they do not count: 'b', 'c'." in out


def _distances(row: dict[str, Any]) -> dict[str, float]:
    return {key: row[key] for key in ("hd95_mm", "surface_distance_mm")}


def test_info_tells_about_the_installation_an_image_and_a_run(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], capsys: Any
) -> None:
    told = []
    for path in ([], [a_pair["image"]], [a_finished_run[0]]):
        status, out, err = call(capsys, "info", *path, "--device", "cpu", "--json")
        assert status == 0, err
        told.append(json.loads(out))
    assert told[0]["device"]["kind"] == "cpu" and told[0]["versions"]["torch"]
    assert told[1]["size_ijk"] == [56, 48, 24] and told[1]["spacing_ijk_mm"] == pytest.approx(
        [0.8, 0.81, 1.52], abs=0.02
    )
    assert told[2]["segments"]["1"] == "Left organ" and told[2]["steps"] == 12
    status, out, _ = call(capsys, "info", a_pair["image"])
    assert status == 0 and "56, 48, 24" in out
    status, out, _ = call(capsys, "info", a_finished_run[0])
    volume = told[2]["results"][0]["volume_ml"]["1"]
    assert status == 0 and f"{volume:.2f}" in out and "Estimated Dice" in out and "Left organ" in out
    assert "{" not in out and "None" not in out and "sha256" not in out


def test_a_folder_of_images_is_learnt_from_and_segmented_as_one_run(tmp_path: Path, capsys: Any) -> None:
    for number, name in enumerate(("first", "second", "third without labels")):
        pair = write_pair(tmp_path / "parts" / name, (16, 36, 40), seed=number)
        for kind in ("image", "labels"):
            if kind == "image" or number < 2:
                place = tmp_path / "data" / f"{kind.rstrip('s')}s" / f"{name}.nii.gz"
                place.parent.mkdir(parents=True, exist_ok=True)
                pair[kind].rename(place)
    run = tmp_path / "run"
    status, out, err = call(
        capsys, "finetune", "--data", tmp_path / "data", "--ignore", 255, "--output", run, "--json", *QUICK
    )
    assert status == 0, err
    assert [case["image"] for case in json.loads(out)["cases"]] == ["first", "second", "third without labels"]
    for name in ("first", "second", "third without labels"):
        image = tmp_path / "data" / "images" / f"{name}.nii.gz"
        for kind in ("predictions", "uncertainty"):
            assert same_grid(run / kind / f"{name}.nii.gz", image)
    assert len(json.loads((run / "provenance.json").read_text("utf-8"))["cases"]) == 2


def test_an_image_without_labels_that_cannot_be_read_costs_nothing_but_itself(
    tmp_path: Path, capsys: Any
) -> None:
    pair = write_pair(tmp_path / "parts", (16, 36, 40))
    for kind, folder in (("image", "images"), ("labels", "labels")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        pair[kind].rename(tmp_path / "data" / folder / "b.nii.gz")
    (tmp_path / "data" / "images" / "a.nii.gz").write_bytes(b"\x1f\x8bno")
    run = tmp_path / "run"
    status, out, err = call(
        capsys, "finetune", "--data", tmp_path / "data", "--ignore", 255, "--output", run, "--json", *QUICK,
        "--name", "1=Liver", "--name", "11=Spleen",
    )  # fmt: skip
    assert status == 0 and "--name names 11, which no label map shows." in err, err
    told = json.loads(out)
    assert [case["image"] for case in told["cases"]] == ["b"]
    assert told["failures"][0]["image"] == "a" and "'a' is left out" in err
    assert len(json.loads((run / "provenance.json").read_text("utf-8"))["rounds"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--network", "deeplabv3"], "network 'unet'"), (["--weights", "us-fetal-head"], "without pretrained")],
)
def test_resume_refuses_another_start_than_the_runs(
    a_pair: dict[str, Path], a_finished_run: tuple[Path, Any], capsys: Any, options: list[str], said: str
) -> None:
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", a_finished_run[0]]
    before = (a_finished_run[0] / "job.json").read_bytes()
    outcome = call(capsys, *command, "--resume", *options, "--json", *QUICK)
    expect_error(outcome, "other-settings", [said, " ".join(options)])
    assert (a_finished_run[0] / "job.json").read_bytes() == before


def test_resume_goes_on_from_the_last_state(a_pair: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", tmp_path / "run"]
    for steps, more in ((12, []), (24, ["--resume"])):
        status, out, err = call(capsys, *command, *more, "--json", *QUICK)
        assert status == 0, err
        assert json.loads(out)["steps"] == steps
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text("utf-8"))
    assert len(provenance["rounds"]) == 2 and provenance["history"][-1]["step"] == 24


def test_the_slices_that_show_a_label_are_taken_as_annotated_when_nobody_says_otherwise(
    a_pair: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    painted = array_of(a_pair["labels"])
    plain = tmp_path / "painted.nii.gz"
    image = sitk.GetImageFromArray(np.where(painted == 255, 0, painted))
    image.CopyInformation(sitk.ReadImage(str(a_pair["labels"])))
    sitk.WriteImage(image, str(plain))
    run = tmp_path / "run"
    status, out, err = call(capsys, "finetune", a_pair["image"], plain, "--output", run, *QUICK)
    assert status == 0, err
    assert "Structure 7" in out and "prediction" in str(list(run.iterdir()))
    provenance = json.loads((run / "provenance.json").read_text("utf-8"))
    shown = [k for k in SLICES if (painted[k] > 0).any()]
    assert provenance["cases"][0]["annotated_slices"]["axial"] == shown


def test_a_small_budget_is_enough_for_a_mask(a_pair: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    status, _out, err = call(
        capsys, "finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", tmp_path / "run",
        "--budget", "2", "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0, err
    assert dice(array_of(tmp_path / "run" / "prediction.nii.gz"), array_of(a_pair["truth"]), 1) > 0.6


def test_help_and_version_need_no_heavy_package() -> None:
    program = (
        "import sys\nfrom contrastive_seg.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as e:\n    assert not e.code\n"
        "assert not {'torch', 'monai', 'SimpleITK'} & set(sys.modules)"
    )
    for arguments, expected in ((["--help"], "finetune"), (["--version"], "contrastive-seg 0.")):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(ENGINE), "PYTHONIOENCODING": "utf-8"},
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode == 0 and expected in done.stdout, done.stderr
