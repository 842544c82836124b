"""``contrastive-seg predict`` on a folder of patients, and the process that the panel asks for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import ENGINE, QUICK, array_of, call, same_grid, write_pair
from contrastive_seg_phantom import dice
from patients_parts import make_run

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import load_state
from contrastive_seg.finetuning.for_others import WORSE
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.patients.commands import parse_request
from contrastive_seg.patients.segmenter import Segmenter
from contrastive_seg.worker.protocol import BadMessage


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("folder run"))


@pytest.fixture
def a_folder(tmp_path: Path) -> Path:
    """Two patients with equal names, a DICOM-like sub-folder's worth of trouble, and labels to pass over."""
    folder = tmp_path / "Patienten ü"
    for number, place in enumerate(("a", "b 脳")):
        pair = write_pair(tmp_path / "pairs" / place, (20, 44, 50), seed=number + 1)
        (folder / place).mkdir(parents=True)
        pair["image"].rename(folder / place / "scan.nii.gz")
        (folder / place / "labels").mkdir()
        pair["truth"].rename(folder / place / "labels" / "scan.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"\x1f\x8bno")
    return folder


def test_a_folder_is_segmented_the_broken_file_is_named_and_the_report_is_there(
    a_run: Path, a_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    output, report = tmp_path / "masks", tmp_path / "new" / "report.html"
    status, out, err = call(
        capsys, "predict", a_run, a_folder, "--output", output, "--report", report, "--format", "seg.nrrd",
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0, err
    assert load_state(a_run / "others").step == 2 * load_state(a_run).step  # learnt once, from whole masks
    told = json.loads(out)
    assert [one["image"] for one in told["cases"]] == ["a/scan.nii.gz", "b 脳/scan.nii.gz"]
    assert told["failures"][0]["image"] == "broken.nii.gz" and "broken.nii.gz" in err
    for case in told["cases"]:
        mask = Path(case["file"])
        image = a_folder / case["image"]
        assert same_grid(mask, image) and mask.parent.parent == output
        truth = array_of(image.parent / "labels" / "scan.nii.gz")
        overlap = dice(array_of(mask), truth, 1)
        assert overlap > 0.6
        expected = (array_of(mask) == 1).sum() * np.prod(sitk.ReadImage(str(image)).GetSpacing()) / 1000
        assert case["volume_ml"]["1"] == pytest.approx(expected, rel=1e-3)
    page = report.read_text("utf-8")
    assert "steps for others" in page
    assert page.count("data:image/png;base64,") == 6 and "broken.nii.gz" in page and "Liver" in page
    assert json.loads((output / "results.json").read_text("utf-8"))["cases"] == told["cases"]

    status, out, err = call(capsys, "predict", a_run, a_folder, "--output", output, "--format", "seg.nrrd")
    assert status == 2 and "exist already" in err and "--resume" in err
    mask = Path(told["cases"][0]["file"])
    Path(told["cases"][1]["file"]).unlink()
    before = mask.stat().st_mtime_ns
    status, out, err = call(
        capsys, "predict", a_run, a_folder, "--output", output, "--report", report, "--format", "seg.nrrd",
        "--resume", "--device", "cpu", "--json",
    )  # fmt: skip
    assert status == 0, err
    again = json.loads(out)["cases"]
    assert [one["kept"] for one in again] == [True, False] and mask.stat().st_mtime_ns == before
    assert again[0]["volume_ml"] == told["cases"][0]["volume_ml"]
    assert again[0]["uncertainty"] == told["cases"][0]["uncertainty"]  # it is remembered


def test_what_was_said_of_masks_that_are_kept_is_remembered_also_when_it_is_stopped(
    a_run: Path, a_folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = tmp_path / "masks"
    command = ["predict", a_run, a_folder, "--output", masks, "--device", "cpu", "--json"]
    status, _out, err = call(capsys, *command)
    assert status == 0, err
    stored = json.loads((masks / "results.json").read_text("utf-8"))
    for one in stored["cases"]:
        one["notes"] = ["3 ml were left out."]
    (masks / "results.json").write_text(json.dumps(stored), "utf-8")

    def stop_before_the_second(*arguments: Any, **more: Any) -> Any:
        if len(seen) == 1:
            raise Stopped
        seen.append(arguments)
        return original(*arguments, **more)

    seen: list[Any] = []
    original = Segmenter.segment
    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "segment", stop_before_the_second)
        status, out, err = call(capsys, *command, "--resume")
    assert status == 0 and json.loads(out)["stopped"] and len(json.loads(out)["cases"]) == 1, err
    status, out, err = call(capsys, *command, "--resume")
    told = json.loads(out)["cases"]
    assert [one["uncertainty"] for one in told] == [one["uncertainty"] for one in stored["cases"]]
    assert None not in [one["uncertainty"] for one in told]
    assert [one["notes"] for one in told] == [["3 ml were left out."]] * 2


def test_a_folder_in_which_nothing_can_be_read_ends_with_a_sentence(
    a_run: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii.gz").write_bytes(b"no")
    status, _out, err = call(capsys, "predict", a_run, tmp_path / "in", "--output", tmp_path / "out")
    assert status == 2 and "None of the 1 volumes could be segmented" in err and "Traceback" not in err
    status, _out, err = call(
        capsys, "predict", a_run, tmp_path / "in", "--output", tmp_path / "m", "--format", "png"
    )
    assert status == 2 and "no format for masks" in err
    status, _out, err = call(
        capsys, "predict", a_run, tmp_path / "in" / "a.nii.gz", "--output", tmp_path / "m.nii.gz", "--resume"
    )
    assert status == 2 and "for folders" in err
    report = tmp_path / "in" / "a.nii.gz"
    status, _out, err = call(
        capsys,
        "predict",
        a_run,
        tmp_path / "in",
        "--output",
        tmp_path / "m",
        "--report",
        report,
        "--overwrite",
    )
    assert status == 2 and "ends with .html" in err and report.read_bytes() == b"no"


@pytest.fixture
def a_fresh_run(a_run: Path, tmp_path: Path) -> Path:
    """A copy of the run and of what it learnt from, before anything was learnt for others."""
    shutil.copytree(a_run.parent / "learnt on", tmp_path / "somewhere" / "learnt on")
    run = tmp_path / "somewhere" / "run"
    shutil.copytree(a_run, run, ignore=shutil.ignore_patterns("others"))
    return run


def test_an_image_that_was_exchanged_since_is_never_learnt_from(
    a_fresh_run: Path, a_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    learnt_on = a_fresh_run.parent / "learnt on" / "image.nii.gz"
    image = sitk.ReadImage(str(learnt_on))
    flipped = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[:, ::-1])
    flipped.CopyInformation(image)
    sitk.WriteImage(flipped, str(learnt_on))
    one = a_folder / "a" / "scan.nii.gz"
    for source, output in ((one, tmp_path / "mask.nii.gz"), (a_folder, tmp_path / "masks")):
        status, out, err = call(capsys, "predict", a_fresh_run, source, "--output", output, "--json")
        assert status == 2 and json.loads(out)["error"]["code"] == "input-changed"
        assert str(learnt_on) in err and "not those that the run learnt from" in err
        assert not output.exists()
    process = _Process()
    begun = process.ask("begin", run=str(a_fresh_run), work=str(tmp_path / "work"), device="cpu")
    assert begun["type"] == "error" and begun["code"] == "input-changed"
    assert process.end() == 0
    assert not (a_fresh_run / "others").exists()


def test_a_run_whose_image_is_not_there_says_so_in_everything_that_it_makes(
    a_fresh_run: Path, a_folder: Path, tmp_path: Path, capsys: Any
) -> None:
    learnt_on = a_fresh_run.parent / "learnt on" / "image.nii.gz"
    learnt_on.rename(tmp_path / "elsewhere.nii.gz")
    one, masks = a_folder / "a" / "scan.nii.gz", tmp_path / "masks"
    command = ["predict", a_fresh_run, one, "--output", tmp_path / "mask.nii.gz", "--json"]
    status, out, err = call(capsys, *command)
    assert status == 0, err
    assert f"'{learnt_on}', is not there" in err and "segmented worse" in err
    assert json.loads(out)["notes"] == [WORSE]
    report = masks / "report.html"
    status, out, err = call(
        capsys, "predict", a_fresh_run, a_folder, "--output", masks, "--report", report, "--json"
    )
    assert status == 0 and f"'{learnt_on}', is not there" in err
    stored = json.loads((masks / "results.json").read_text("utf-8"))
    assert stored["notes"] == json.loads(out)["notes"] == [WORSE]
    assert report.read_text("utf-8").count(WORSE) == 1 and "learnt on/image" not in report.read_text("utf-8")
    process = _Process()
    process.ask("begin", run=str(a_fresh_run), work=str(tmp_path / "work"), device="cpu", threads=1)
    assert WORSE in process.ask("segment", case="1", image=str(one))["notes"]
    process.end()

    (tmp_path / "elsewhere.nii.gz").rename(learnt_on)
    status, out, err = call(capsys, *command, "--overwrite")
    assert status == 0 and json.loads(out)["notes"] == [] and "is not there" not in err
    assert "Learning once how to segment other patients" in err  # also where there is no terminal
    assert (a_fresh_run / "others").is_dir()


def test_what_was_labelled_completely_is_not_needed_again(tmp_path: Path, capsys: Any) -> None:
    pair = write_pair(tmp_path / "learnt on", (16, 36, 40))
    run, image = tmp_path / "run", write_pair(tmp_path / "other", (16, 36, 40), seed=1)["image"]
    command = [
        "finetune",
        pair["image"],
        pair["truth"],
        "--annotated",
        "axial:" + ",".join(map(str, range(16))),
    ]
    status, _out, err = call(capsys, *command, "--output", run, *QUICK)
    assert status == 0, err
    pair["image"].unlink()
    status, out, err = call(capsys, "predict", run, image, "--output", tmp_path / "mask.nii.gz", "--json")
    assert status == 0 and json.loads(out)["notes"] == [] and "worse" not in err, err


@pytest.mark.parametrize("lost", ["provenance.json", "labels-round1-case0.safetensors.gz"])
def test_a_learning_that_did_not_end_is_told_as_well(
    a_fresh_run: Path, a_folder: Path, tmp_path: Path, capsys: Any, lost: str
) -> None:
    (a_fresh_run / lost).unlink()
    image = a_folder / "a" / "scan.nii.gz"
    status, out, err = call(
        capsys, "predict", a_fresh_run, image, "--output", tmp_path / "mask.nii.gz", "--json"
    )
    assert status == 0 and json.loads(out)["notes"] == [WORSE] and "segmented worse" in err
    assert not (a_fresh_run / "others").exists()


class _Process:
    """The panel's side of the process, without a panel."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "contrastive_seg.patients"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Sends a command and gives its result or error."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps({"command": command, "id": command, **fields}) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        for answer in self._process.stdout:
            event: dict[str, Any] = json.loads(answer)
            if event["type"] in ("result", "error") and event.get("reply_to") == command:
                return event
        raise AssertionError("the process has ended")

    def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(30)


def test_the_process_answers_errors_with_sentences_and_goes_on(
    a_run: Path, a_folder: Path, tmp_path: Path
) -> None:
    process = _Process()
    work = tmp_path / "work"
    assert process.ask("segment", image="a.nii.gz", case="1")["code"] == "bad-command"
    assert process.ask("begin", run=str(tmp_path / "none"), work=str(work))["code"] == "bad-job"
    begun = process.ask("begin", run=str(a_run), work=str(work), device="cpu", threads=1)
    assert [one["name"] for one in begun["structures"]] == ["Liver", "Kidney"] and begun["compared"]
    shutil.copytree(a_run, a_folder / "b 脳" / "run")  # its masks are no patients
    found = process.ask("find", folder=str(a_folder))["cases"]
    assert [one["name"] for one in found] == ["broken.nii.gz", "a/scan.nii.gz", "b 脳/scan.nii.gz"]
    broken = process.ask("segment", case="0001", image=found[0]["image"])
    assert broken["type"] == "error" and "broken.nii.gz" in broken["message"]
    assert process.ask("report", file=str(tmp_path / "r.html"))["type"] == "error"
    done = process.ask("segment", case="0002", image=found[1]["image"], name="a/scan.nii.gz")
    labels = np.load(work / done["labels"], allow_pickle=False)
    whole = np.zeros(done["size"][::-1], np.uint8)
    whole[tuple(slice(s, s + n) for s, n in zip(done["start"], labels.shape, strict=True))] = labels
    truth = array_of(a_folder / "a" / "labels" / "scan.nii.gz")
    overlap = dice(whole, truth, 1)
    assert overlap > 0.6 and (work / done["thumbnail"]).is_file()
    loaded = process.ask("load", image=found[1]["image"], output=str(work / "image.npy"))
    assert np.load(work / "image.npy").shape == truth.shape and len(loaded["window"]) == 2
    assert process.ask("report", file=str(tmp_path / "r.html"))["cases"] == 1
    assert process.end() == 0


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"command": "nonsense"}', b'{"command": "find", "id": 1.5}', b"\xff"],
)
def test_lines_that_are_no_commands_are_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_request(line)


@pytest.mark.parametrize("place", ["/etc/x", "../x", "a/../../x", "C:\\x", "a\\b", 7])
def test_masks_never_leave_their_folder(place: object) -> None:
    request = parse_request(json.dumps({"command": "segment", "place": place}).encode())
    with pytest.raises(ContrastiveSegError):
        request.place()


@pytest.mark.parametrize(
    "reviewed", [7, ["mask.npy"], [{"image": "image.npy"}], [{"image": "image.npy", "labels": 7}]]
)
def test_patients_to_learn_from_need_an_image_and_a_mask(reviewed: object) -> None:
    line = {"command": "begin", "run": "run", "work": "work", "reviewed": reviewed}
    with pytest.raises(ContrastiveSegError):
        parse_request(json.dumps(line).encode()).reviewed()


def test_nobody_is_learnt_from_where_nobody_is_named() -> None:
    assert parse_request(b'{"command": "begin", "run": "run", "work": "work"}').reviewed() == []
