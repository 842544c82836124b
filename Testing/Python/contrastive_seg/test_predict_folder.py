"""``contrastive-seg predict`` on a folder of patients, and the process that the panel asks for it."""

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
from command_line import ENGINE, array_of, call, same_grid, write_pair
from contrastive_seg_phantom import dice
from patients_parts import make_run

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import load_state
from contrastive_seg.patients.commands import parse_request
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
