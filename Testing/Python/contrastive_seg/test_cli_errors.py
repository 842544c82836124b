"""What a user can get wrong on the command line ends with a sentence and exit status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import ENGINE, QUICK, call, expect_error, run_command, write_pair

Files = dict[str, Path]


@pytest.fixture(scope="module")
def a_pair(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Image, sparse labels and truth; the tests write beside them, never over them."""
    return write_pair(tmp_path_factory.mktemp("errors") / "with spaces and ü")


def changed(source: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """A copy of an image with other voxels on the same grid."""
    image = sitk.ReadImage(str(source))
    result = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image)))
    result.CopyInformation(image)
    path = source.parent / name
    sitk.WriteImage(result, str(path))
    return path


def cut_short(pair: Files) -> Files:
    path = pair["image"].parent / "cut short.nii.gz"
    path.write_bytes(pair["image"].read_bytes()[:20000])
    return {**pair, "image": path}


def no_image(pair: Files) -> Files:
    path = pair["image"].parent / "notes.nii.gz"
    path.write_text("This is not an image.", encoding="utf-8")
    return {**pair, "image": path}


def with_nan(pair: Files) -> Files:
    def spoil(array: np.ndarray) -> np.ndarray:
        array[3, 4, 5:8] = (np.nan, np.inf, -np.inf)
        return array

    return {**pair, "image": changed(pair["image"], "nan.nrrd", spoil)}


def constant(pair: Files) -> Files:
    return {**pair, "image": changed(pair["image"], "constant.nii.gz", lambda a: np.full_like(a, 7))}


def on_another_grid(pair: Files) -> Files:
    image = sitk.ReadImage(str(pair["labels"]))
    image.SetOrigin([o + 3 for o in image.GetOrigin()])
    path = pair["labels"].parent / "shifted labels.nii.gz"
    sitk.WriteImage(image, str(path))
    return {**pair, "labels": path}


def of_another_size(pair: Files) -> Files:
    path = pair["labels"].parent / "smaller labels.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(pair["labels"]))[2:, :, :], str(path))
    return {**pair, "labels": path}


def outside_the_image(pair: Files) -> Files:
    """As 3D Slicer saves a segmentation: cropped to what is painted, on the image's lattice."""
    labels = sitk.ReadImage(str(pair["truth"]))
    padded = sitk.ConstantPad(labels, (0, 0, 0), (6, 0, 0), 1)
    path = pair["labels"].parent / "outside.seg.nrrd"
    sitk.WriteImage(padded, str(path))
    return {**pair, "labels": path}


def nothing_said(pair: Files) -> Files:
    return {**pair, "labels": changed(pair["labels"], "nothing.nii.gz", lambda a: np.full_like(a, 255))}


def only_background(pair: Files) -> Files:
    return {
        **pair,
        "labels": changed(pair["labels"], "background.nii.gz", lambda a: np.where(a == 255, a, 0 * a)),
    }


def only_one_class(pair: Files) -> Files:
    return {
        **pair,
        "labels": changed(pair["labels"], "one.nii.gz", lambda a: np.where(a == 1, a, 255).astype(a.dtype)),
    }


def with_fractions(pair: Files) -> Files:
    return {**pair, "labels": changed(pair["labels"], "fractions.nii.gz", lambda a: a * np.float32(0.3))}


def no_such_image(pair: Files) -> Files:
    return {**pair, "image": pair["image"].parent / "no such image.nii.gz"}


def no_such_labels(pair: Files) -> Files:
    return {**pair, "labels": pair["labels"].parent / "no such labels.nii.gz"}


@pytest.mark.parametrize(
    ("prepare", "code", "said"),
    [
        (no_such_image, "unreadable-file", ["no such image.nii.gz"]),
        (no_such_labels, "unreadable-file", ["no such labels.nii.gz"]),
        (cut_short, "unreadable-file", ["cut short.nii.gz", "end is missing"]),
        (no_image, "unreadable-file", ["notes.nii.gz"]),
        (with_nan, "nonfinite-voxels", ["3 of the", "nan.nrrd", "--replace-nonfinite"]),
        (constant, "constant-image", ["constant.nii.gz", "value 7"]),
        (on_another_grid, "grid-mismatch", ["shifted labels.nii.gz", "image.nii.gz", "origin"]),
        (of_another_size, "grid-mismatch", ["smaller labels.nii.gz", "56 x 48 x 24", "54 x 48 x 24"]),
        (outside_the_image, "label-outside-image", ["outside.seg.nrrd", "outside 'image.nii.gz'"]),
        (nothing_said, "no-annotation", ["Paint at least one structure"]),
        (only_background, "no-annotation", ["Paint at least one structure"]),
        (only_one_class, "one-class", ["Only one class (1)", "background"]),
        (with_fractions, "bad-labels", ["fractions.nii.gz", "not whole numbers"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_files_that_cannot_be_used_are_refused_in_a_sentence(
    a_pair: Files, tmp_path: Path, capsys: Any, prepare: Callable[[Files], Files], code: str, said: list[str]
) -> None:
    pair = prepare(a_pair)
    command = ["finetune", pair["image"], pair["labels"], "--ignore", 255, "--output", tmp_path / "run"]
    expect_error(call(capsys, *command, "--json", *QUICK), code, said)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--device", "tpu"], "unknown-device", ["'tpu' is not a device", "auto, cpu"]),
        (["--device", "cuda:63"], "unknown-device", ["cuda:63", "not there"]),
        (["--budget", "soon"], "bad-budget", ["'soon'", "quick, balanced, best"]),
        (["--budget", "0"], "bad-budget", ["'0'"]),
        (["--budget", "nan"], "bad-budget", ["'nan'"]),
        (["--budget=-5"], "bad-budget", ["'-5'"]),
        (["--annotated", "diagonal:3"], "bad-annotated", ["diagonal:3", "axial:3,5,9"]),
        (["--annotated", "axial:99"], "bad-annotated", ["no axial slice 99", "it has 24"]),
        (["--plane", "oblique"], None, ["'oblique' is not a plane"]),
        (["--name", "Liver"], "usage", ["'Liver'", "1=Liver"]),
        (["--resume"], "no-checkpoint", ["run"]),
        (["--seed", "-1"], "bad-setting", ["The seed is -1"]),
        (["--seed", "99999999999999999999"], "bad-setting", ["The seed is 99999999999999999999"]),
        (["--freeze-encoder", "0.5"], "usage", ["--freeze-encoder is given without --weights"]),
        (["--network", "deeplabv3", "--weights", "mr-brain"], "usage", ["--network is for a start without"]),
        (["--annotated", "axial:2", "--plane", "axial"], "usage", ["--plane beside --ignore or --annotated"]),
        (["--weights", "no such weights"], None, ["no such weights"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].startswith("--") else None,
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(
    a_pair: Files, tmp_path: Path, capsys: Any, options: list[str], code: str | None, said: list[str]
) -> None:
    labels = ["--ignore", 255] if options[0] != "--plane" else []
    command = ["finetune", a_pair["image"], a_pair["labels"], *labels, "--output", tmp_path / "run"]
    expect_error(call(capsys, *command, "--json", *QUICK, *options), code, said)
    if code == "no-checkpoint":
        assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_to_is_named_before_anything_is_learnt(
    a_pair: Files, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "a file").write_text("no folder", encoding="utf-8")
    run = tmp_path / "a file" / "run"
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run]
    expect_error(call(capsys, *command, "--json", *QUICK), "no-write-permission", [str(run), "may write"])


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="the administrator may write everywhere",
)
def test_a_folder_without_permission_is_named(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    tmp_path.chmod(0o500)
    try:
        command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255]
        outcome = call(capsys, *command, "--output", tmp_path / "run", "--json", *QUICK)
    finally:
        tmp_path.chmod(0o700)
    expect_error(outcome, "no-write-permission", [str(tmp_path)])


def test_a_full_disk_is_told_in_a_sentence(a_pair: Files, a_small_disk: Path, capsys: Any) -> None:
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255]
    outcome = call(capsys, *command, "--output", a_small_disk / "run", "--json", *QUICK)
    expect_error(outcome, "disk-full", [str(a_small_disk)])


def test_arguments_that_are_missing_are_asked_for(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    run = ["--output", tmp_path / "run", "--json"]
    image = a_pair["image"]
    expect_error(call(capsys, "finetune", image, a_pair["labels"], "--json"), "usage", ["--output RUN"])
    expect_error(call(capsys, "finetune", image, *run), "usage", ["label map is missing"])
    expect_error(call(capsys, "finetune", *run), "usage", ["--data FOLDER"])
    both = ["finetune", image, a_pair["labels"], "--data", tmp_path]
    expect_error(call(capsys, *both, *run), "usage", ["Both"])


def test_a_folder_of_data_must_hold_images_and_labels_that_belong_together(
    a_pair: Files, tmp_path: Path, capsys: Any
) -> None:
    command = ["finetune", "--data", tmp_path, "--output", tmp_path / "run", "--json"]
    expect_error(call(capsys, *command), "unreadable-file", [str(tmp_path / "images")])
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    expect_error(call(capsys, *command), "unreadable-file", ["holds no image"])
    (tmp_path / "images" / "one.nii.gz").write_bytes(a_pair["image"].read_bytes())
    expect_error(call(capsys, *command), "no-annotation", ["labels/"])
    (tmp_path / "labels" / "two.nii.gz").write_bytes(a_pair["labels"].read_bytes())
    expect_error(call(capsys, *command), "missing-image", ["two.nii.gz"])


def test_predict_names_what_is_wrong_with_the_run_or_the_mask(
    a_pair: Files, tmp_path: Path, capsys: Any
) -> None:
    mask = ["--output", tmp_path / "mask.nii.gz", "--json"]
    expect_error(call(capsys, "predict", tmp_path / "no run", a_pair["image"], *mask), "bad-job", ["no run"])
    words = [str(tmp_path), "Nothing has been learnt", "Name the folder of a run"]
    expect_error(call(capsys, "predict", tmp_path, a_pair["image"], *mask), "no-checkpoint", words)
    wrong = ["--output", tmp_path / "mask.docx", "--json"]
    expect_error(
        call(capsys, "predict", tmp_path, a_pair["image"], *wrong), "bad-output", ["mask.docx", ".nii.gz"]
    )


def test_evaluate_refuses_label_maps_on_different_grids(a_pair: Files, capsys: Any) -> None:
    shifted = on_another_grid(a_pair)["labels"]
    expect_error(call(capsys, "evaluate", shifted, a_pair["truth"], "--json"), "grid-mismatch", ["origin"])


def test_info_refuses_what_is_no_image(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    expect_error(call(capsys, "info", tmp_path / "nothing", "--json"), "unreadable-file", ["nothing"])
    expect_error(call(capsys, "info", "--device", "tpu", "--json"), "unknown-device", ["tpu"])


def test_in_a_process_of_its_own_the_sentence_goes_to_stderr_and_the_status_is_2(
    a_pair: Files, tmp_path: Path
) -> None:
    done = run_command(
        "finetune", no_such_image(a_pair)["image"], a_pair["labels"], "--output", tmp_path / "run"
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and "no such image.nii.gz" in done.stderr
    assert "Traceback" not in done.stderr
    assert run_command("finetune", "--no-such-option").returncode == 2


def test_a_forgotten_ignore_is_noticed(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    run = ["--output", tmp_path / "run", "--json", *QUICK]
    words = ["Whole slices of 'labels.nii.gz'", "--ignore 255", "--name 255=NAME"]
    expect_error(call(capsys, "finetune", a_pair["image"], a_pair["labels"], *run), "bad-labels", words)
    minus = changed(a_pair["labels"], "minus.nii.gz", lambda a: np.where(a == 255, -1, a.astype(np.int16)))
    expect_error(call(capsys, "finetune", a_pair["image"], minus, *run), "bad-labels", ["--ignore -1"])
    for options in (["--annotated", "axial:2,7,11,15,21"], ["--name", "255=Everything else"]):
        status, _, err = call(
            capsys, "finetune", a_pair["image"], a_pair["labels"], *run, *options, "--overwrite"
        )
        assert status == 0, err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ignore", 255], "--labels is to be read, which is not given"),
        (["--annotated", "axial:3"], "--labels is to be read, which is not given"),
        (["--plane", "axial"], "--labels is to be read, which is not given"),
        (["--format", "seg.nrrd"], "--format is for folders"),
    ],
)
def test_predict_refuses_options_that_it_would_not_heed(
    a_pair: Files, tmp_path: Path, capsys: Any, options: list[object], said: str
) -> None:
    command = ["predict", tmp_path, a_pair["image"], "--output", tmp_path / "mask.nii.gz", "--json", *options]
    expect_error(call(capsys, *command), "usage", [said])
    if options[0] == "--ignore":
        folder = ["predict", tmp_path, tmp_path, "--output", tmp_path / "masks", "--json", *options]
        expect_error(call(capsys, *folder), "usage", ["--ignore, --plane and --annotated are for one image"])


def test_too_little_memory_is_a_sentence(a_pair: Files, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("contrastive_seg.commands.info.read_volume", no_room)
    expect_error(call(capsys, "info", a_pair["image"], "--json"), "out-of-memory", ["not enough memory"])


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl+C there")
def test_ctrl_c_anywhere_ends_with_a_sentence() -> None:
    """The signal comes while an image is read."""
    program = (
        "import os, signal, sys\n"
        # whoever starts the tests in the background ignores it, and children inherit that
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from contrastive_seg.commands import info\n"
        "from contrastive_seg.cli import main\n"
        "info.read_volume = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT) or signal.pause()\n"
        "main(['info', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, __file__],
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
        capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert done.returncode == 130 and done.stdout == ""
    assert done.stderr.startswith("Interrupted.") and "nothing is half written" in done.stderr
    assert "Traceback" not in done.stderr
