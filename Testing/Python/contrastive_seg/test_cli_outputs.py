"""What the command line writes to: never what it reads, other files only when told, checked early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import QUICK, call, expect_error, write_pair

from contrastive_seg.finetuning.session import FinetuningSession
from contrastive_seg.runs import RunFolder

Files = dict[str, Path]


@pytest.fixture(scope="module")
def a_pair(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Image, sparse labels and truth; the tests write beside them, never over them."""
    return write_pair(tmp_path_factory.mktemp("outputs") / "with spaces and ü")


def test_predict_never_writes_over_what_it_reads(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    image, labels = a_pair["image"], a_pair["labels"]
    before = {path: path.read_bytes() for path in (image, labels)}
    link = tmp_path / "link.nii.gz"
    link.symlink_to(image)
    mask = tmp_path / "mask.nii.gz"
    with_labels = ["--labels", labels, "--ignore", 255]
    for options, said in (
        (["--output", image], ["--output", "is the image itself"]),
        (["--output", link], ["is the image itself"]),
        (["--output", image.parent / ".." / image.parent.name / image.name], ["is the image itself"]),
        (["--output", labels, *with_labels], ["is the label map itself"]),
        (["--output", mask, "--uncertainty", image], ["--uncertainty", "is the image itself"]),
        (["--output", mask, "--uncertainty", labels, *with_labels], ["is the label map itself"]),
        (["--output", mask, "--uncertainty", mask], ["are the same file"]),
    ):
        for more in ([], ["--overwrite"]):
            outcome = call(capsys, "predict", tmp_path, image, *options, *more, "--json")
            expect_error(outcome, "bad-output", said)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not mask.exists()


def test_predict_replaces_files_only_when_told(a_pair: Files, tmp_path: Path, capsys: Any) -> None:
    mask = tmp_path / "mask.nii.gz"
    mask.write_text("somebody's work", "utf-8")
    command = ["predict", tmp_path, a_pair["image"], "--output", mask, "--json"]
    expect_error(call(capsys, *command), "files-exist", ["mask.nii.gz", "exists already", "--overwrite"])
    doubt = ["--output", tmp_path / "new.nii.gz", "--uncertainty", mask]
    expect_error(call(capsys, *command, *doubt), "files-exist", ["mask.nii.gz"])
    expect_error(call(capsys, *command, "--overwrite"), "no-checkpoint", [str(tmp_path)])  # it went on
    assert mask.read_text("utf-8") == "somebody's work"
    folder = tmp_path / "a folder.nii.gz"
    folder.mkdir()
    wrong = ["--output", folder, "--overwrite"]
    expect_error(call(capsys, *command, *wrong), "bad-output", ["is a folder"])


def test_a_run_is_replaced_only_when_told_and_then_as_a_whole(
    a_pair: Files, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run, "--json"]
    status, _, err = call(capsys, *command, *QUICK)
    assert status == 0, err
    (run / "others").mkdir()
    (run / "others" / "checkpoint.safetensors").write_bytes(b"of the first patient")
    (run / "others" / "origin.json").write_text("{}", "utf-8")
    (run / "my notes.txt").write_text("mine", "utf-8")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    words = ["holds an earlier run", "--overwrite", "--resume"]
    expect_error(call(capsys, *command, *QUICK), "files-exist", words)
    both = ["--resume", "--overwrite"]
    expect_error(call(capsys, *command, *QUICK, *both), "usage", ["--resume excludes --overwrite"])
    mask = ["finetune", a_pair["image"], run / "prediction.nii.gz", "--output", run, "--overwrite", "--json"]
    expect_error(call(capsys, *mask), "bad-output", ["prediction.nii.gz", "would be replaced"])
    (tmp_path / "cut short.nii.gz").write_bytes(a_pair["image"].read_bytes()[:20000])
    broken = ["finetune", tmp_path / "cut short.nii.gz", *command[2:], "--overwrite"]
    expect_error(call(capsys, *broken), "unreadable-file", ["cut short"])
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    def ended(self: RunFolder, job: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_job", ended)
        assert call(capsys, *command, *QUICK, "--overwrite")[0] == 130
    assert [path.name for path in run.iterdir()] == ["my notes.txt"]
    expect_error(call(capsys, *command, *QUICK), "files-exist", ["is not empty"])
    status, _, err = call(capsys, *command, *QUICK, "--overwrite")
    assert status == 0 and (run / "prediction.nii.gz").is_file(), err
    assert (run / "my notes.txt").read_text("utf-8") == "mine" and not (run / "others").exists()


def test_predict_finds_out_that_its_results_cannot_be_written_before_it_learns(
    a_pair: Files, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    command = ["finetune", a_pair["image"], a_pair["labels"], "--ignore", 255, "--output", run]
    assert call(capsys, *command, *QUICK)[0] == 0
    monkeypatch.setattr(FinetuningSession, "predict", lambda *arguments: pytest.fail("It was too late."))
    (tmp_path / "a file").write_text("no folder", "utf-8")
    mask = tmp_path / "mask.nii.gz"
    for options, code, words in (
        (["--output", tmp_path / "y.png"], "bad-output", ["y.png' can hold one slice", "has 24", ".nii.gz"]),
        (["--output", mask, "--uncertainty", tmp_path / "y.tif"], "bad-output", ["can hold one slice"]),
        (["--output", mask, "--uncertainty", tmp_path / "y.png"], "bad-output", ["whole numbers", ".tif"]),
        (["--output", tmp_path / "a file" / "m.nii.gz"], "no-write-permission", ["a file"]),
    ):
        expect_error(call(capsys, "predict", run, a_pair["image"], *options, "--json"), code, words)
    if Path("/proc/self").is_dir():
        for output in (Path("/proc/m.nii.gz"), Path("/proc/masks")):  # where nobody can make a file
            source = a_pair["image"] if output.suffix else a_pair["image"].parent
            outcome = call(capsys, "predict", run, source, "--output", output, "--json")
            expect_error(outcome, "no-write-permission", ["/proc"])
    assert not (run / "others").exists() and not mask.exists()
