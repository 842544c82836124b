import hashlib
import json

import pytest
import SimpleITK as sitk
from command_line import run_command
from pretraining_volumes import write_volumes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contrastive_seg.commands.console import Output
from contrastive_seg.commands.pretrain import About, draft_card, pretrain
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.unet import UNet
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.settings import settings_for
from contrastive_seg.weights.files import load_weights
from contrastive_seg.weights.load import load_into

SMALL = ("--width", "4", "--size", "64", "--batch", "8", "--steps", "4", "--device", "cpu", "--json")


def test_a_folder_of_volumes_becomes_weights_that_fit_the_network(a_folder_of_volumes, tmp_path):
    done = run_command(
        "pretrain", "--data", a_folder_of_volumes, "--output", tmp_path, "--method", "macl", *SMALL,
        "--name", "small", "--modality", "MR", "--anatomy", "phantom", "--licence", "CC0-1.0",
        "--tensorboard",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["complete"] and found["steps"] == 4 and found["volumes"] == 3 and found["slices"] == 30
    card, tensors = load_weights(tmp_path / "small.safetensors")
    assert (card.method, card.width, card.modality, set(card.parts)) == (
        "macl",
        4,
        "MR",
        {"encoder", "decoder"},
    )
    network = UNet(3, 2, 4)
    load_into(network, card, tensors, image_channels=3)
    same = network.state_dict()["encoder.levels.1.0.weight"] == tensors["encoder.levels.1.0.weight"]
    assert bool(same.all())
    assert not (tmp_path / "pretraining.safetensors").exists()
    assert len(json.loads((tmp_path / "history.json").read_text())["losses"]) > 0
    text = (tmp_path / "small.provenance.json").read_text("utf-8")
    stored = json.loads(text)
    assert stored["weights"]["sha256"] == card.sha256 and stored["settings"]["seed"] == card.seed
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in a_folder_of_volumes.iterdir()}
    assert {one["sha256"] for one in stored["volumes"]} == hashes and stored["losses"]
    assert str(a_folder_of_volumes) not in text and ".nii" not in text
    assert (tmp_path / "pretraining.png").read_bytes().startswith(b"\x89PNG")
    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scalars = set(log.Tags()["scalars"])
    assert {"loss/loss", "loss/dense", "learning_rate", "images_per_second"} <= scalars
    assert [point.step for point in log.Scalars("features/effective_rank")] == [1, 2, 3, 4]


@pytest.mark.parametrize("said", [{"name": "bad/name"}, {"name": "con"}, {"name": "x ."}, {"anatomy": " "}])
def test_what_cannot_stand_in_a_card_is_told_before_the_training(said):
    about = About(**{"name": "x", "modality": "MR", "anatomy": "x", "licence": "x", "command": "", **said})
    with pytest.raises(ContrastiveSegError, match=f"'{next(iter(said))}'") as caught:
        draft_card(about, settings_for("pcl"))
    assert caught.value.code == "bad-setting" and f"--{next(iter(said))}" in caught.value.what_to_do


def test_card_and_provenance_say_how_the_weights_were_made(a_folder_of_volumes, tmp_path):
    chosen = (
        "--learning-rate 0.002 --optimizer adam --temperature 0.2 --threshold 6.5 --positions mm --half "
        "--views spatial --plane sagittal --window -10.5 300.0 --neighbours 2 --context 3"
    )
    done = run_command(
        "pretrain",
        *SMALL,
        "--data",
        a_folder_of_volumes,
        "--output",
        tmp_path,
        "--seed",
        "3",
        *chosen.split(),
    )
    assert done.returncode == 0, done.stderr
    card, _ = load_weights(tmp_path / "pcl-unet.safetensors")
    asked = set(card.command.split(" --")[1:])
    assert {one.strip() for one in f" {chosen}".split(" --")[1:]} <= asked
    assert {"method pcl", "steps 4", "batch 8", "width 4", "size 64", "seed 3"} <= asked
    assert not {one.split()[0] for one in asked} & {"data", "output", "device", "json"}
    prepared = card.preprocessing
    assert (prepared.window, prepared.clip_percentiles, prepared.plane) == ((-10.5, 300), None, "sagittal")
    assert prepared.pixel_mm == 1.0  # 40 x 40 mm fit into 64 pixels; no finer than the image
    stored = json.loads((tmp_path / "pcl-unet.provenance.json").read_text("utf-8"))
    assert stored["slices"]["neighbours"] == 2 and stored["slices"]["context"] == 3


def test_the_advice_for_voxels_that_are_no_numbers_can_be_followed(a_folder_of_volumes, tmp_path):
    data = write_volumes(tmp_path / "data", count=2)
    image = sitk.ReadImage(str(data / "volume1.nii.gz"))
    image[3, 4, 5] = float("nan")
    sitk.WriteImage(image, str(data / "volume1.nii.gz"))
    command = ("pretrain", *SMALL, "--data", data, "--output")
    found = json.loads(run_command(*command, tmp_path / "out").stdout)
    assert found["volumes"] == 1 and "--replace-nonfinite" in found["skipped"][0]["reason"]
    found = json.loads(run_command(*command, tmp_path / "all", "--replace-nonfinite").stdout)
    assert found["volumes"] == 2 and not found["skipped"]


def test_a_pretraining_that_diverges_ends_with_a_sentence(a_folder_of_volumes, tmp_path):
    done = run_command(
        "pretrain", *SMALL, "--steps", "30", "--data", a_folder_of_volumes, "--output", tmp_path,
        "--optimizer", "sgd", "--learning-rate", "1e4",
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "diverged" and "--learning-rate than 10000" in error["what_to_do"]
    assert not (tmp_path / "pcl-unet.safetensors").exists()


def test_an_unfinished_pretraining_is_not_written_over(a_folder_of_volumes, tmp_path):
    checkpoint = tmp_path / "pretraining.safetensors"
    checkpoint.write_bytes(b"hours of work")
    done = run_command("pretrain", *SMALL, "--data", a_folder_of_volumes, "--output", tmp_path)
    assert done.returncode == 2 and checkpoint.read_bytes() == b"hours of work"
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "unfinished-pretraining" and "--resume" in error["what_to_do"]


def test_finished_weights_are_replaced_only_when_told(a_folder_of_volumes, tmp_path):
    command = ("pretrain", *SMALL, "--data", a_folder_of_volumes, "--output", tmp_path, "--name", "mine")
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"days of work")
    done = run_command(*command)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2 and error["code"] == "weights-exist" and "--overwrite" in error["what_to_do"]
    assert weights.read_bytes() == b"days of work"
    done = run_command(*command, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert load_weights(weights)[0].name == "mine" and "overwrite" not in load_weights(weights)[0].command


def test_a_picture_that_cannot_be_drawn_costs_no_weights(a_folder_of_volumes, tmp_path, monkeypatch):
    def broken(*_):
        raise ImportError("matplotlib was built for another numpy")

    monkeypatch.setattr("contrastive_seg.commands.pretrain.draw_history", broken)
    settings = settings_for("pcl", width=4, batch=8, steps=2, device="cpu", threads=1)
    about = About("mine", "MR", "phantom", "CC0-1.0", "")
    with pytest.raises(ImportError):
        pretrain(SliceData(a_folder_of_volumes, size=64), settings, tmp_path, about, False, False, Output())
    assert load_weights(tmp_path / "mine.safetensors")[0].metrics["steps"] == 2
    assert (tmp_path / "history.json").is_file() and not (tmp_path / "pretraining.safetensors").exists()


def test_mistakes_end_with_a_sentence_and_status_2(a_folder_of_volumes, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    a_file = tmp_path / "a file"
    a_file.touch()
    for arguments, word in (
        (("--data", empty), "empty"),
        (("--data", a_folder_of_volumes, "--method", "dino"), "dino"),
        (("--data", a_folder_of_volumes, "--batch", "64"), "batch"),
        (("--data", a_folder_of_volumes, "--threshold", "0"), "threshold"),
        (("--data", tmp_path / "none", "--resume"), "holds no interrupted pretraining"),
        (("--data", tmp_path / "none", "--output", a_file / "out"), "cannot be written"),
        (("--data", tmp_path / "none", "--method", "macl", "--size", "96"), "multiple of 64"),
        (("--data", tmp_path / "none", "--name", "../evil"), "--name"),
        (("--data", tmp_path / "none", "--positions", "mm"), "--threshold 5"),
        (("--data", tmp_path / "none", "--device", "cuda:63"), "cuda:63"),
        (("--data", tmp_path / "none", "--resume", "--overwrite"), "--resume excludes --overwrite"),
    ):
        done = run_command("pretrain", *SMALL, "--output", tmp_path / "out", *arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert word in done.stderr
