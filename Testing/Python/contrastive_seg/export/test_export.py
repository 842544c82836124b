"""What is exported gives what the original gives, and says how it is to be called."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from command_line import array_of, call, same_grid
from contrastive_seg_phantom import dice, keep_slices, two_organs
from exported_runs import SHAPE, SLICES, trained_run

from contrastive_seg.data.read import read_volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.export import run as run_module
from contrastive_seg.export.formats import FORMATS
from contrastive_seg.export.run import export_run
from contrastive_seg.finetuning.checkpoint import load_network, load_state
from contrastive_seg.finetuning.events import Event, Note, Progress
from contrastive_seg.finetuning.kept_labels import keep_labels
from contrastive_seg.finetuning.samples import pack_prior
from contrastive_seg.finetuning.session import FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.scores import Stopped, network_scores
from contrastive_seg.runs import RunFolder


def engines_scores(run: Path, slices: torch.Tensor) -> np.ndarray:
    """What the engine's network says of slices of a volume of which nothing is annotated."""
    state, network = load_network(run)
    classes = len(state.architecture.values)
    prior = pack_prior(None, classes, (slices.shape[-2], slices.shape[-1]))
    inputs = torch.cat([slices, prior.expand(len(slices), -1, -1, -1)], dim=1)
    with torch.inference_mode():
        found = network_scores(network(inputs))
    return torch.cat([torch.zeros_like(found[:, :1]), found], dim=1).numpy()


@pytest.mark.parametrize("network", ["unet", "echo-unet", pytest.param("deeplabv3", marks=pytest.mark.slow)])
def test_each_network_in_each_format_gives_what_the_engine_gives(network: str, tmp_path: Path):
    run = trained_run(tmp_path, network, 2)
    slices = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    wanted = engines_scores(run, slices)
    for kind in FORMATS:
        done = export_run(run, kind, tmp_path / kind)
        assert done.compared.max_difference < 1e-3 and done.compared.slices == 4
        assert done.compared.same_labels > 0.999
        path = tmp_path / kind / done.model
        if kind == "onnx":
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            found = session.run(None, {"slices": slices.numpy()})[0]
        else:
            found = torch.jit.load(str(path))(slices).detach().numpy()
        assert found.shape == (3, 3, 64, 96)
        assert np.abs(found - wanted).max() < 1e-3


def test_what_is_exported_is_what_segments_other_volumes(tmp_path: Path):
    run = trained_run(tmp_path, "unet", 2)
    state = load_state(run)
    job = RunFolder(run).read_job()
    RunFolder(run).write_job(replace(job, settings={"steps": 3, "budget": 60.0}))
    keep_labels(run, state.round, [keep_slices(two_organs(SHAPE)[1], SLICES)])
    told: list[float] = []
    done = export_run(run, "torchscript", tmp_path / "model", on_event=lambda e: told.append(e.fraction))  # type: ignore[union-attr]
    assert load_state(run / "others").step == state.step + 3
    assert told == sorted(told) and len([one for one in told if 0 < one < 0.3]) > 1
    slices = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    found = torch.jit.load(str(tmp_path / "model" / done.model))(slices).detach().numpy()
    assert np.abs(found - engines_scores(run / "others", slices)).max() < 1e-3
    assert np.abs(found - engines_scores(run, slices)).max() > 1e-2


def test_the_card_says_how_to_call_it_and_where_it_comes_from(a_run: Path, tmp_path: Path):
    export_run(a_run, "torchscript", tmp_path / "model", name="Two organs")
    card = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert card["name"] == "Two organs" and card["input"]["orientation"] == "SAR"
    assert card["input"]["shape"] == ["batch", 3, "height", "width"] and card["prior"]["built_in"]
    assert [one["name"] for one in card["output"]["channels"]] == ["Background", "Liver", "Kidney, left"]
    assert [one["value"] for one in card["output"]["channels"]] == [0, 1, 7]
    assert len(card["provenance"]["checkpoint_sha256"]) == 64
    assert len(card["provenance"]["cases"][0]["image_sha256"]) == 64
    assert card["compared"]["slices"] == 4
    text = (tmp_path / "model" / "README.txt").read_text("utf-8")
    assert "Kidney, left (label value 7)" in text and "zip archive" in text and "not a medical device" in text
    assert str(tmp_path) not in text + json.dumps(card) and "phantom" not in text
    with zipfile.ZipFile(tmp_path / "model" / "model.ts") as archive:
        inside = [name for name in archive.namelist() if name.endswith("model.json")]
        assert json.loads(archive.read(inside[0]))["name"] == "Two organs"


def test_what_is_needed_to_repeat_the_run_lies_beside_the_model(a_run: Path, tmp_path: Path):
    for kind, place in (("torchscript", ""), ("monai-bundle", "docs")):
        export_run(a_run, kind, tmp_path / kind)
        kept = json.loads((tmp_path / kind / place / "provenance.json").read_text("utf-8"))
        assert kept == json.loads((a_run / "provenance.json").read_text("utf-8"))
        assert kept["cases"] and kept["settings"] and kept["versions"]
        assert str(a_run) not in json.dumps(kept)


def test_an_onnx_file_takes_any_size_and_carries_its_card(a_run: Path, tmp_path: Path):
    done = export_run(a_run, "onnx", tmp_path / "model")
    path = tmp_path / "model" / done.model
    written = onnx.load(str(path))
    onnx.checker.check_model(written, full_check=True)
    card = json.loads({one.key: one.value for one in written.metadata_props}["card"])
    assert card["output"]["name"] == "scores"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for size in ((1, 17, 33), (5, 100, 75)):
        slices = np.zeros((size[0], 3, *size[1:]), np.float32)
        assert session.run(None, {"slices": slices})[0].shape == (size[0], 3, *size[1:])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_monai_runs_the_bundle_and_finds_what_the_engine_finds(a_run: Path, tmp_path: Path):
    from monai.bundle import ConfigWorkflow, verify_net_in_out

    bundle = tmp_path / "two organs"
    export_run(a_run, "monai-bundle", bundle)
    (bundle / "images").mkdir()
    image = a_run.parent / "image.nii.gz"
    (bundle / "images" / "image.nii.gz").write_bytes(image.read_bytes())
    configs = bundle / "configs"
    workflow = ConfigWorkflow(
        str(configs / "inference.json"),
        str(configs / "metadata.json"),
        workflow_type="infer",
        bundle_root=str(bundle),
        logging_file=False,
    )
    try:
        workflow.initialize()
        workflow.run()
    finally:
        torch.set_grad_enabled(True)
    mask = bundle / "eval" / "image_seg.nii.gz"
    assert same_grid(mask, image)
    session = FinetuningSession.resume(a_run, FinetuneSettings(device="cpu", threads=1))
    ours = session.predict(read_volume(image)).labels
    theirs = array_of(mask)
    assert set(np.unique(theirs)) <= {0, 1, 7} and (ours == 1).sum() > 100
    assert dice(theirs, ours, 1) > 0.9
    assert (theirs == ours).mean() > 0.97

    verify_net_in_out(
        "network_def",
        str(configs / "metadata.json"),
        str(configs / "inference.json"),
        device="cpu",
        bundle_root=str(bundle),
    )


def test_the_metadata_of_a_bundle_have_what_the_specification_asks_for(a_run: Path, tmp_path: Path):
    export_run(a_run, "monai-bundle", tmp_path / "bundle")
    about = json.loads((tmp_path / "bundle" / "configs" / "metadata.json").read_text("utf-8"))
    asked = {"version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"}
    asked |= {"task", "description", "authors", "copyright", "network_data_format"}
    assert asked <= set(about)
    assert about["version"] in about["changelog"]
    data = about["network_data_format"]
    needed = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data"}
    for one in (data["inputs"]["image"], data["outputs"]["pred"]):
        assert needed | {"channel_def"} <= set(one)
        assert len(one["channel_def"]) == one["num_channels"] == 3


def test_a_model_that_differs_is_not_kept(a_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = run_module.LOADERS["torchscript"]

    def wrong(path: Path):
        run = real(path)
        return lambda slices: run(slices) + 0.01

    monkeypatch.setitem(run_module.LOADERS, "torchscript", wrong)
    with pytest.raises(ContrastiveSegError, match=r"differ by up to 0\.01") as told:
        export_run(a_run, "torchscript", tmp_path / "model")
    assert told.value.code == "export-differs" and not list(tmp_path.iterdir())


def test_a_stopped_export_leaves_nothing(a_run: Path, tmp_path: Path):
    seen: list[float] = []

    def tell(event: object) -> None:
        if isinstance(event, Note):
            return
        assert isinstance(event, Progress)
        seen.append(event.fraction)

    with pytest.raises(Stopped):
        export_run(a_run, "onnx", tmp_path / "model", on_event=tell, should_stop=lambda: len(seen) >= 3)
    assert len(seen) == 3 and not list(tmp_path.iterdir())


def test_what_a_killed_export_has_left_is_removed_by_the_next_one(a_run: Path, tmp_path: Path):
    left, young = tmp_path / ".part-1-model", tmp_path / ".part-2-model"
    for folder in (left, young, tmp_path / ".part-3-other"):
        folder.mkdir()
    os.utime(left, (0, 0))
    export_run(a_run, "torchscript", tmp_path / "model")
    assert {one.name for one in tmp_path.iterdir()} == {"model", young.name, ".part-3-other"}


def test_without_its_image_a_run_is_compared_on_another_one(tmp_path: Path):
    run = trained_run(tmp_path / "one", "unet", 2)
    image = run.parent / "image.nii.gz"
    keep_labels(run, 1, [keep_slices(two_organs(SHAPE)[1], SLICES)])
    other = image.rename(tmp_path / "other.nii.gz")
    events: list[Event] = []
    with pytest.raises(ContrastiveSegError) as told:
        export_run(run, "torchscript", tmp_path / "model", on_event=events.append)
    noted = [one.sentence for one in events if isinstance(one, Note)]
    assert len(noted) == 1 and f"'{image}', is not there" in noted[0] and "segmented worse" in noted[0]
    assert told.value.code == "no-image" and "--image" in told.value.what_to_do
    assert export_run(run, "torchscript", tmp_path / "model", image=other).compared.slices == 4


def test_the_command_prints_the_comparison_or_a_sentence(a_run: Path, tmp_path: Path, capsys):
    asked = ("export", a_run, "--format", "torchscript", "--output", tmp_path / "model", "--json")
    status, printed, _ = call(capsys, *asked)
    found = json.loads(printed)
    assert status == 0 and not found["stopped"] and found["slices"] == 4
    assert (tmp_path / "model" / found["model"]).is_file() and found["max_abs_difference"] < 1e-3
    status, printed, told = call(capsys, *asked)
    assert status == 2 and json.loads(printed)["error"]["code"] == "output-exists"
    assert "is there already" in told and "Traceback" not in told


def test_mistakes_are_told_in_a_sentence(a_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    for arguments, code in (
        ((a_run, "keras", tmp_path / "model"), "bad-setting"),
        ((a_run, "onnx", taken), "output-exists"),
        ((tmp_path / "nothing", "onnx", tmp_path / "model"), "no-checkpoint"),
    ):
        with pytest.raises(ContrastiveSegError) as told:
            export_run(*arguments)
        assert told.value.code == code and told.value.what_to_do
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ContrastiveSegError, match="onnx and onnxruntime are not installed"):
        export_run(a_run, "onnx", tmp_path / "model")


def test_a_full_disk_is_named_and_nothing_half_is_left(a_run: Path, a_small_disk: Path):
    for kind in FORMATS:
        with pytest.raises(ContrastiveSegError) as told:
            export_run(a_run, kind, a_small_disk / kind)
        assert told.value.code == "disk-full"
        assert not list(a_small_disk.iterdir())
