"""The run folder: job, learning curve, provenance."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.session import Case
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.provenance import Round, array_sha256, read_rounds, versions, write_provenance
from contrastive_seg.runs import History, HistoryPoint, Job, JobCase, RunFolder, Segment

MATRIX = ((0.5, 0.0, 0.0, -7.0), (0.0, 0.5, 0.0, 3.0), (0.0, 0.0, 2.0, 0.0), (0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def a_folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "lauf é 1").create()


@pytest.fixture
def a_case() -> Case:
    labels = np.full((4, 5, 6), -1, np.int16)
    labels[1] = 0
    labels[1, 2:4, 2:4] = 3
    array = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    return Case(Volume(array, np.array(MATRIX), "Doe^Jane"), SparseLabels(labels))


def test_a_job_comes_back_as_it_was_stored_without_names_of_patients(a_folder: RunFolder) -> None:
    inside, outside = a_folder.path / "image.npy", a_folder.path.parent / "scan.nii.gz"
    cases = (JobCase(str(inside), "labels.npy", MATRIX, "Doe^Jane"), JobCase(str(outside), "l.nrrd"))
    path = a_folder.write_job(Job(cases, {"budget": 60.0, "weights": None}, (Segment(3, "Föhn"),)))
    assert "Doe" not in path.read_text("utf-8") and str(a_folder.path.parent) not in path.read_text("utf-8")
    job = a_folder.read_job()
    assert job.settings == {"budget": 60.0, "weights": None} and job.segments == (Segment(3, "Föhn"),)
    assert job.cases[0] == JobCase("image.npy", "labels.npy", MATRIX, None)
    assert a_folder.resolve(job.cases[1].image).resolve() == outside


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"format": 99}', '{"format": 1, "cases": [{}]}', "\udcff"]
)
def test_a_folder_without_a_readable_job_is_told(a_folder: RunFolder, text: str | None) -> None:
    if text is not None:
        (a_folder.path / "job.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ContrastiveSegError) as told:
        a_folder.read_job()
    assert told.value.code == "bad-job" and "job.json" in told.value.sentence


def test_the_learning_curve_goes_on_and_drops_what_a_kill_made_void(a_folder: RunFolder) -> None:
    history = History(a_folder, proceed=False)
    for step in (10, 20, 30):
        history.add(HistoryPoint(step, 1 / step, {1: 0.5}))
    with (a_folder.path / "history.jsonl").open("ab") as file:
        file.write(b'{"step": 40, "lo')  # killed here
    resumed = History(a_folder, proceed=True)
    assert [point.step for point in resumed.points] == [10, 20, 30]
    resumed.add(HistoryPoint(25, 0.1, {}))
    assert [point.step for point in a_folder.read_history()] == [10, 20, 25]
    assert a_folder.read_history()[0] == HistoryPoint(10, 0.1, {1: 0.5})
    assert History(a_folder, proceed=False).points == [] == a_folder.read_history()


def test_provenance_repeats_the_run_but_names_nobody(a_folder: RunFolder, a_case: Case) -> None:
    settings = FinetuneSettings(budget=5, seed=7, weights="C:\\Doe Jane\\weights\\pcl-ct")
    rounds = [
        Round("2026-01-01T00:00:00+00:00", 5.5, 5.0),
        Round("2026-01-01T00:01:00+00:00", 2.0, 5.0, True),
    ]
    path = write_provenance(
        a_folder.path,
        cases=[a_case],
        settings=settings,
        device="cpu",
        history=[HistoryPoint(10, 0.5, {3: 0.9})],
        rounds=rounds,
        segments=[Segment(3, "Aorta")],
        results=[{"case": 0, "volume_ml": {"3": 1.25}}],
    )
    text = path.read_text("utf-8")
    stored = json.loads(text)
    assert "Doe" not in text and str(a_folder.path.parent) not in text
    assert stored["cases"][0]["image_sha256"] == hashlib.sha256(a_case.volume.array.tobytes()).hexdigest()
    assert stored["cases"][0]["annotated_slices"] == {"axial": [1], "coronal": [], "sagittal": []}
    assert stored["cases"][0]["label_values"] == [0, 3]
    assert stored["settings"]["weights"] == "pcl-ct" and stored["seed"] == 7
    assert stored["versions"]["numpy"] == np.__version__ and stored["versions"] == versions()
    assert stored["seconds"] == 7.5 and read_rounds(a_folder.read_provenance()) == rounds


def test_an_unreadable_provenance_counts_as_none(a_folder: RunFolder) -> None:
    (a_folder.path / "provenance.json").write_text("[1")
    assert a_folder.read_provenance() == {} and read_rounds({"rounds": [3]}) == []


def test_the_hash_of_an_array_does_not_depend_on_how_it_lies_in_memory(tmp_path: Path) -> None:
    array = np.arange(60, dtype="<i2").reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", array)
    same = [np.asfortranarray(array), array.astype(">i2"), np.load(tmp_path / "a.npy", mmap_mode="r")]
    assert {array_sha256(one) for one in same} == {hashlib.sha256(array.tobytes()).hexdigest()}
