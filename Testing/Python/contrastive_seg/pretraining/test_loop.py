import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from pretraining_volumes import write_volumes
from safetensors import safe_open
from safetensors.torch import load_file, save

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.losses import PositionalContrastiveLoss
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.pretraining.settings import METHODS, settings_for


def pretraining(data: Path, folder: Path, method: str = "pcl", **changes) -> Pretraining:
    folder.mkdir(exist_ok=True)
    settings = settings_for(
        method, width=4, batch=8, device="cpu", threads=1, **{"steps": 6, "learning_rate": 0.02, **changes}
    )
    return Pretraining(SliceData(data, size=64), settings, folder)


def test_the_loss_falls(a_folder_of_volumes, tmp_path):
    job = pretraining(a_folder_of_volumes, tmp_path, steps=40)
    losses = [job.train_step()["loss"] for _ in range(40)]
    assert sum(losses[-8:]) < sum(losses[:8])


@pytest.mark.parametrize("method", ["pcl", "byol", "moco-local-decorrelated", "macl"])
def test_an_interrupted_pretraining_ends_as_if_it_had_not_been(a_folder_of_volumes, tmp_path, method):
    whole = pretraining(a_folder_of_volumes, tmp_path / "whole", method)
    assert whole.run()
    first = pretraining(a_folder_of_volumes, tmp_path / "parts", method)
    assert not first.run(should_stop=lambda: first.step >= 3)
    second = pretraining(a_folder_of_volumes, tmp_path / "parts", method)
    assert second.resume() == 3
    assert second.run()
    ours, theirs = second.method.state_dict(), whole.method.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_progress_says_loss_speed_and_time_left(a_folder_of_volumes, tmp_path):
    told = []
    pretraining(a_folder_of_volumes, tmp_path).run(told.append)
    assert told[-1].step == told[-1].steps == 6
    assert told[-1].seconds_left == 0
    assert all(t.losses["loss"] > 0 and t.images_per_second > 0 for t in told)
    assert told[-1].spectrum is not None and told[-1].spectrum.effective_rank >= 1


def test_positions_stay_where_there_is_float64(a_folder_of_volumes, tmp_path):
    """MPS has no float64: only the mask of positives goes to the device ('meta' stands for it here)."""
    job = pretraining(a_folder_of_volumes, tmp_path)
    job.compute = type(job.compute)(torch.device("meta"))
    batch = job._share(job.data.batch(0, 8, 0))
    assert batch.images.device.type == "meta"
    assert (batch.positions.device.type, batch.positions.dtype) == ("cpu", torch.float64)
    mask = PositionalContrastiveLoss().close(batch.positions, batch.images[:, None])
    assert mask.device.type == "cpu"


def test_what_is_transferred_is_the_trained_part(a_folder_of_volumes, tmp_path):
    weights = pretraining(a_folder_of_volumes, tmp_path).weights()
    assert weights and all(key.startswith("encoder.") for key in weights)
    both = pretraining(a_folder_of_volumes, tmp_path, "macl").weights()
    assert {key.split(".")[0] for key in both} == {"encoder", "decoder"}


@pytest.mark.parametrize("method", ["pcl", "gcl", "macl"])
def test_single_images_have_no_place_to_compare(tmp_path, method):
    (tmp_path / "images").mkdir()
    for number in range(8):
        picture = np.random.default_rng(number).integers(0, 255, (64, 64)).astype(np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(picture), str(tmp_path / "images" / f"{number}.png"))
    with pytest.raises(ContrastiveSegError) as caught:
        pretraining(tmp_path / "images", tmp_path / "out", method)
    assert caught.value.code == "no-positions"
    assert "--method simclr" in str(caught.value)
    write_volumes(tmp_path / "images", count=1)  # one volume does not give the other images a place
    with pytest.raises(ContrastiveSegError, match="8 of the 9 images"):
        pretraining(tmp_path / "images", tmp_path / "out", method)
    assert pretraining(tmp_path / "images", tmp_path / "out", "simclr").train_step()["loss"] > 0


def test_a_batch_larger_than_the_data_is_refused(a_folder_of_volumes, tmp_path):
    with pytest.raises(ContrastiveSegError) as caught:
        Pretraining(SliceData(a_folder_of_volumes, size=64), settings_for("pcl", batch=64), tmp_path)
    assert caught.value.code == "batch-too-large"
    assert "30 slices" in str(caught.value)


def test_resuming_with_other_settings_names_the_one_that_differs(a_folder_of_volumes, tmp_path):
    pretraining(a_folder_of_volumes, tmp_path).save()
    with pytest.raises(ContrastiveSegError, match="threshold") as caught:
        pretraining(a_folder_of_volumes, tmp_path, threshold=0.3).resume()
    assert caught.value.code == "other-settings"


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 96},
        {"plane": "sagittal"},
        {"pixel": 2.0},
        {"neighbours": 2},
        {"window": (0.0, 100.0)},
        {"positions": "mm"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_resuming_with_other_slices_names_what_differs(a_folder_of_volumes, tmp_path, changes):
    pretraining(a_folder_of_volumes, tmp_path).save()
    job = pretraining(a_folder_of_volumes, tmp_path)
    job.data = SliceData(a_folder_of_volumes, **{"size": 64, **changes})
    with pytest.raises(ContrastiveSegError, match=f"--{next(iter(changes))} ") as caught:
        job.resume()
    assert caught.value.code == "other-settings"


def test_resuming_with_other_volumes_is_refused(a_folder_of_volumes, tmp_path):
    pretraining(a_folder_of_volumes, tmp_path / "out").save()
    for name, others in (("fewer", {"count": 2}), ("longer", {"slices": 11})):
        with pytest.raises(ContrastiveSegError, match="30 slices") as caught:
            pretraining(write_volumes(tmp_path / name, **others), tmp_path / "out").resume()
        assert caught.value.code == "other-data"
    moved = write_volumes(tmp_path / "moved")  # the same ones in another place
    assert pretraining(moved, tmp_path / "out").resume() == 0


def test_a_checkpoint_of_an_earlier_version_is_resumed_with_a_word(a_folder_of_volumes, tmp_path):
    pretraining(a_folder_of_volumes, tmp_path).save()
    path = tmp_path / "pretraining.safetensors"
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    del metadata["data"]
    path.write_bytes(save(load_file(path), metadata))
    notes = []
    assert pretraining(a_folder_of_volumes, tmp_path).resume(notes.append) == 0
    assert len(notes) == 1 and "earlier version" in notes[0] and "--data" in notes[0]


@pytest.mark.parametrize(("content", "code"), [(None, "no-checkpoint"), (b"half a file", "bad-checkpoint")])
def test_a_missing_or_broken_checkpoint_is_told(a_folder_of_volumes, tmp_path, content, code):
    if content is not None:
        (tmp_path / "pretraining.safetensors").write_bytes(content)
    with pytest.raises(ContrastiveSegError) as caught:
        pretraining(a_folder_of_volumes, tmp_path).resume()
    assert caught.value.code == code


def test_a_loss_that_is_no_number_ends_with_a_sentence(a_folder_of_volumes, tmp_path):
    job = pretraining(a_folder_of_volumes, tmp_path)
    with torch.no_grad():
        job.method.projector[0].weight.fill_(float("nan"))
    with pytest.raises(ContrastiveSegError) as caught:
        job.train_step()
    assert caught.value.code == "diverged"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), RuntimeError("x")])
def test_too_little_memory_ends_with_a_sentence(a_folder_of_volumes, tmp_path, error):
    job = pretraining(a_folder_of_volumes, tmp_path)

    def no_room(batch, views):
        raise error

    job.method.loss = no_room
    with pytest.raises(RuntimeError if str(error) == "x" else ContrastiveSegError) as caught:
        job.run()
    if str(error) != "x":
        assert caught.value.code == "out-of-memory" and "64 x 64 pixels" in caught.value.sentence
        assert "--batch" in caught.value.what_to_do


def test_weights_that_are_no_numbers_are_never_written_over_good_ones(a_folder_of_volumes, tmp_path):
    job = pretraining(a_folder_of_volumes, tmp_path)
    job.train_step()
    job.save()
    good = (tmp_path / "pretraining.safetensors").read_bytes()
    with torch.no_grad():
        job.method.backbone.encoder.levels[0][0].weight[0].fill_(float("inf"))
    for act in (job.save, job.monitor):
        with pytest.raises(ContrastiveSegError, match="smaller --learning-rate than") as caught:
            act()
        assert caught.value.code == "diverged"
    assert (tmp_path / "pretraining.safetensors").read_bytes() == good


@pytest.mark.parametrize("method", ["pcl", "byol"])
@pytest.mark.parametrize("steps", [1, 7, 9, 30, 37, 50, 100])
def test_the_learning_rate_rises_and_falls_and_never_exceeds_its_maximum(
    a_folder_of_volumes, tmp_path, method, steps
):
    settings = settings_for(method, batch=8, width=4, device="cpu", threads=1, steps=steps)
    job = Pretraining(SliceData(a_folder_of_volumes, size=64), settings, tmp_path)
    rates = [job.learning_rate(step) for step in range(steps)]
    assert 0 < max(rates) <= settings.learning_rate
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:])[::-1]


TWO = """
import json, sys
from pathlib import Path
import torch
from contrastive_seg.pretraining.data.slices import SliceData
from contrastive_seg.pretraining.loop import Pretraining
from contrastive_seg.pretraining.settings import METHODS, settings_for

data, found = SliceData(Path(sys.argv[1]), size=64), {}
for method in METHODS:
    settings = settings_for(method, width=4, batch=8, device="cpu", threads=1, steps=20)
    job = Pretraining(data, settings, Path(sys.argv[2]))
    # In float64: the rounding of sums in another order soon changes which pixel a max pool takes.
    job.compute = type(job.compute)(job.compute.device)
    job.method.double()
    losses = [job.train_step()["loss"] for _ in range(20)]
    state = {name: value.double().abs().sum().item() for name, value in job.method.state_dict().items()}
    found[method] = {"losses": losses, "state": state}
Path(f"{sys.argv[3]}-{job.processes.rank}").write_text(json.dumps(found))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_whatever_the_method(a_folder_of_volumes, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TWO, encoding="utf-8")
    for count in (1, 2):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command = [sys.executable, *(launcher if count > 1 else []), str(script)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [*command, str(a_folder_of_volumes), str(tmp_path), str(tmp_path / f"of{count}")],
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=280,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    one, first, second = (json.loads((tmp_path / name).read_text()) for name in ("of1-0", "of2-0", "of2-1"))
    assert first.keys() == one.keys() == set(METHODS)
    for method in one:
        for rank in (first, second):
            assert rank[method]["losses"] == pytest.approx(one[method]["losses"], rel=1e-6), method
            # A bias before a batch norm has no gradient but rounding.
            assert rank[method]["state"] == pytest.approx(one[method]["state"], rel=1e-6, abs=1e-8), method
