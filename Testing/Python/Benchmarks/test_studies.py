"""Pretraining and testing never share a patient, and shipped weights come from data that allows it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "Benchmarks"))
import other_patients
from benchmarklib import starts
from benchmarklib.starts import SCRATCH
from benchmarklib.studies import STUDIES, UNSAID, Study, cases_of, patient_of, split
from starter_weights import RECIPES, WIDTH, files_of

from contrastive_seg.data.sparse_labels import IGNORE
from contrastive_seg.pretraining.settings import settings_for


@pytest.fixture
def a_data_folder(tmp_path: Path) -> Path:
    """Eight hearts of two frames each, and three more images that nobody labelled."""
    for kind in ("images", "labels"):
        (tmp_path / "cardiac_cine" / kind).mkdir(parents=True)
        for patient in range(8):
            for frame in ("01", "12"):
                (tmp_path / "cardiac_cine" / kind / f"patient{patient:03d}_frame{frame}.nii.gz").touch()
    (tmp_path / "cardiac_cine" / "unlabelled").mkdir()
    for number in range(3):
        (tmp_path / "cardiac_cine" / "unlabelled" / f"other{number}.nii.gz").touch()
    (tmp_path / "cardiac_cine" / "images" / "patient099_frame01.nii.gz").touch()  # nobody labelled it
    return tmp_path


@pytest.fixture
def a_study() -> Study:
    return replace(STUDIES["cardiac_cine"], tested=3)


def test_no_patient_is_on_both_sides(a_data_folder: Path, a_study: Study):
    files = split(a_study, a_data_folder)
    tested = {patient_of(path) for path in files.tested}
    others = {patient_of(path) for path in files.pretrained_on}
    assert len(tested) == 3 and len(files.tested) == 6 and not tested & others
    assert len(files.patients) == 5 and len(files.pretrained_on) == 5 * 2 + 3
    assert "patient099" not in tested | others


def test_other_patients_are_not_pretrained_on_either(
    a_data_folder: Path, a_study: Study, monkeypatch: pytest.MonkeyPatch
):
    seen: list[Path] = []
    monkeypatch.setattr(other_patients, "pretrained", lambda start, study, files, *more: seen.extend(files))
    args = argparse.Namespace(data=a_data_folder)
    painted, tested, further = other_patients.files_of(replace(a_study, tested=0), a_data_folder, 2)
    patients = [{patient_of(path) for path in files} for files in (painted, tested, further)]
    assert not (patients[0] & patients[2] or patients[1] & patients[2] or patients[0] & patients[1])
    assert other_patients.weights_of(SCRATCH, a_study, tested, args) is None and not seen
    other_patients.weights_of("pcl", replace(a_study, tested=0), tested, args)
    unseen = {patient_of(path) for path in tested}
    assert len(unseen) == 6 and not unseen & {patient_of(path) for path in seen}
    assert len(seen) == 2 * 2 + 3


def test_all_methods_learn_from_the_same_patients(a_data_folder: Path, a_study: Study):
    first, second = (split(a_study, a_data_folder).labelled(2, seed=4) for _ in range(2))
    assert first == second and len(first) == 4 and len({patient_of(path) for path in first}) == 2
    assert first != split(a_study, a_data_folder).labelled(2, seed=5)


def test_a_folder_without_labels_is_named(tmp_path: Path, a_study: Study):
    with pytest.raises(FileNotFoundError, match="cardiac_cine"):
        split(a_study, tmp_path)


def test_scribbles_leave_open_what_nobody_said(tmp_path: Path):
    for kind in ("images", "scribbles"):
        (tmp_path / kind).mkdir()
    said = np.full((4, 6, 5), UNSAID, np.uint8)
    said[1, 2, 1:4], said[2, 3, 2] = 0, 3
    for kind, array in (("images", np.arange(120, dtype=np.float32).reshape(4, 6, 5)), ("scribbles", said)):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / kind / "heart.nii.gz"))
    (case,) = cases_of([tmp_path / "images" / "heart.nii.gz"], scribbles=True)
    assert case.labels.values == (0, 3)
    assert (case.labels.array == IGNORE).sum() == 120 - 4 and (case.labels.array == 0).sum() == 3


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("patient003_frame15.nii.gz", "patient003"),
        ("hippocampus_099.nii.gz", "hippocampus_099"),
        ("010_HC.png", "010"),
        ("010_2HC.png", "010"),
    ],
)
def test_images_of_one_patient_stay_together(name: str, patient: str):
    assert patient_of(Path("images") / name) == patient


def test_weights_to_ship_are_made_from_data_whose_licence_allows_it():
    used = {source.folder for recipe in RECIPES for source in recipe.sources}
    assert used <= {"hippocampus", "brain_ms", "fetal_head_ultrasound", "ct_examples"}
    assert {recipe.modality for recipe in RECIPES} == {"MR", "CT", "US"}
    for recipe in RECIPES:
        # Who shares alike must be shared alike.
        if any("-SA-" in source.licence for source in recipe.sources):
            assert "-SA-" in recipe.licence
        chosen = settings_for(recipe.method, width=WIDTH, in_channels=recipe.context, **recipe.settings)
        assert chosen.method == recipe.method


def test_images_for_starter_weights_are_found_without_their_labels(a_data_folder: Path):
    source = replace(RECIPES[0].sources[0], folder="cardiac_cine")
    found = files_of(source, a_data_folder)
    assert len(found) == 8 * 2 + 1 + 3 and not any("labels" in path.parts for path in found)


def test_images_given_by_a_relative_path_are_found_when_they_are_pretrained_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = []

    def run(command, **_options):
        tables.append(Path(command[command.index("--data") + 1]).read_text("utf-8").splitlines())
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(starts.subprocess, "run", run)
    args = SimpleNamespace(work=tmp_path / "work", pretraining_steps=1, device="cpu", width=8, threads=1)
    study = STUDIES["hippocampus"]
    starts.pretrained(starts.Start("unet", "pcl"), study, [Path("a folder/one.nii.gz")], args, "one")
    assert tables == [["image", str(tmp_path / "a folder" / "one.nii.gz")]]
