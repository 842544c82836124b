"""Real patients: learnt from a few slices of one cine MRI of the heart, applied to a folder of others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import QUICK, array_of, run_command, same_grid
from contrastive_seg_phantom import dice
from patients_parts import section_of, states, wait_for_end
from scene_parts import add_segmentation, add_volume, wait_until

from contrastive_seg.data.read import read_volume
from ContrastiveSegLib.PatientState import PatientState
from ContrastiveSegLib.RunFolder import RunFolder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "cardiac_cine"
LEARNT, OTHERS = "patient001_frame01", ("patient002_frame01", "patient003_frame01")
NAMES = {1: "Right ventricle", 2: "Myocardium", 3: "Left ventricle"}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("a_scene")]


@pytest.fixture
def hearts(tmp_path):
    """A run that has learnt one heart, and a folder with two others, one of them in a sub-folder."""
    if not DATA.is_dir():
        pytest.skip("The data set 'cardiac_cine' is not beside the project (../shared/data/cardiac_cine).")
    image, labels = (DATA / kind / f"{LEARNT}.nii.gz" for kind in ("images", "labels"))
    slices = array_of(labels).shape[0]
    names = [part for value, name in NAMES.items() for part in ("--name", f"{value}={name}")]
    done = run_command(
        "finetune", image, labels, "--annotated", f"axial:{','.join(map(str, range(0, slices, 2)))}",
        "--output", tmp_path / "run", "--json", *names, *QUICK, "--steps", "30",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for number, name in enumerate(OTHERS):
        place = tmp_path / "others" / str(number) / "heart.nii.gz"
        place.parent.mkdir(parents=True)
        shutil.copy(DATA / "images" / f"{name}.nii.gz", place)
    return image, tmp_path


def test_a_heart_that_was_learnt_is_found_in_other_patients(a_panel, hearts):
    image, folder = hearts
    stored = read_volume(image)
    volume = add_volume(np.asarray(stored.array), stored.ijk_to_ras, name="Heart")
    segmentation = add_segmentation(volume, list(NAMES.values()), name="Hearts")
    run = RunFolder.of(volume, segmentation).create()
    for name in ("checkpoint.safetensors", "checkpoint.json", "provenance.json", "job.json"):
        shutil.copy(folder / "run" / name, run.path / name)
    values = {name: value for value, name in NAMES.items()}
    (run.path / "panel.json").write_text(json.dumps({"values": values}), "utf-8")
    a_panel.enter()
    section, ui = section_of(a_panel), a_panel.ui
    section.logic.settings = {"device": "cpu", "threads": 1}
    ui.patientsCollapsibleButton.collapsed = False
    ui.patientsSourceBox.setCurrentIndex(1)
    ui.patientsTargetBox.setCurrentIndex(2)
    section.setFolder(folder / "others")
    section.setMasksFolder(folder / "masks")
    ui.patientsStartButton.click()
    wait_for_end(section.logic, 280)
    assert states(section.logic) == [PatientState.Done] * 2, [one.reason for one in section.logic.cases]
    for number, name in enumerate(OTHERS):
        mask = folder / "masks" / str(number) / "heart_predicted.nii.gz"
        assert same_grid(mask, folder / "others" / str(number) / "heart.nii.gz")
        truth = array_of(DATA / "labels" / f"{name}.nii.gz")
        overlap = dice(array_of(mask), truth, 3)
        assert overlap > 0.2  # after 60 steps on one patient; a transposed mask has none
        voxel = np.prod(sitk.ReadImage(str(mask)).GetSpacing()) / 1000
        expected = (array_of(mask) == 3).sum() * voxel
        assert section.logic.cases[number].volumes()[3] == pytest.approx(expected, rel=1e-3)
    assert (folder / "masks" / "labels.csv").read_text("utf-8").count("ventricle") == 2
    section.logic.saveReport(folder / "report.html")
    wait_until((folder / "report.html").is_file, 60)
    assert (folder / "report.html").read_text("utf-8").count("data:image/png") == 6
