"""Ten thousand damaged inputs: each ends in a clear error or in a right result, in little memory, and
nothing is written outside the folder it belongs to.

``CONTRASTIVE_SEG_FUZZ=20`` makes twenty times as many.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import as_bytes, byte_mutants, json_mutants

sys.path.insert(0, str(Path(__file__).parent / "weights"))

from catalogue_parts import entry_of, manifest_values
from weight_parts import card_for, tensors_of

from contrastive_seg.compute import choose_compute
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import RunState, load_state, load_tensors, save_checkpoint
from contrastive_seg.finetuning.kept_labels import keep_labels, kept_labels
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.replay import plan
from contrastive_seg.finetuning.schedule import Schedule
from contrastive_seg.finetuning.trainer import Trainer
from contrastive_seg.networks.unet import UNet
from contrastive_seg.runs import Job, JobCase, RunFolder, Segment
from contrastive_seg.weights import catalogue
from contrastive_seg.weights.archive import import_weights
from contrastive_seg.weights.card import WeightCard
from contrastive_seg.weights.files import load_weights, save_weights
from contrastive_seg.weights.layout import check_layout
from contrastive_seg.worker.arrays import open_npy
from contrastive_seg.worker.protocol import parse_command

TIMES = max(1, int(os.environ.get("CONTRASTIVE_SEG_FUZZ", "1")))
MOST_MEMORY = 600
"""MB that may be needed beyond what is needed anyhow."""

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def _peak() -> float:
    """MB of memory that this process has needed so far; 0 where that cannot be asked."""
    if not sys.platform.startswith("linux"):
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    before = _peak()
    yield
    assert _peak() - before < MOST_MEMORY


def survives(work: Callable[[], Any]) -> bool:
    """Whether it worked; any other exception than the clear one fails the test."""
    try:
        work()
    except ContrastiveSegError as error:
        assert error.code and error.sentence
        str(error).encode("utf-8", "backslashreplace")
        return False
    return True


@pytest.fixture(scope="module")
def some_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest weights there are."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("fuzz") / "small.safetensors"
    save_weights(path, tensors_of(UNet(1, 2, 1), "encoder"), card_for(width=1, parts={"encoder": "encoder."}))
    return path


@pytest.fixture(scope="module")
def its_card(some_weights: Path) -> dict[str, Any]:
    return json.loads(some_weights.with_name("small.card.json").read_text("utf-8"))


def test_cards(its_card: dict[str, Any]) -> None:
    data = as_bytes(its_card)
    for one in byte_mutants(data, 700 * TIMES, 1):
        survives(lambda one=one: WeightCard.from_json(one.decode("utf-8", "surrogateescape")))
    for one in json_mutants(its_card, 800 * TIMES, 2):
        survives(lambda one=one: WeightCard.from_dict(one))


def test_headers_of_weights(some_weights: Path, its_card: dict[str, Any], tmp_path: Path) -> None:
    data = some_weights.read_bytes()
    worked = 0
    for one in byte_mutants(data, 1200 * TIMES, 3):
        worked += survives(lambda one=one: check_layout(tmp_path / "x.safetensors", one))
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    path = tmp_path / "small.safetensors"
    for index, one in enumerate(json_mutants(header, 900 * TIMES, 4)):
        text = as_bytes(one)
        whole = len(text).to_bytes(8, "little") + text + rest
        survives(lambda whole=whole: check_layout(path, whole))
        if index % 3 == 0:  # through all checks, with a card that vouches for the damage
            path.write_bytes(whole)
            card = {**its_card, "sha256": hashlib.sha256(whole).hexdigest()}
            path.with_name("small.card.json").write_text(json.dumps(card), "utf-8")
            survives(lambda: load_weights(path))
    assert worked > 0  # changes in the numbers themselves are the checksum's affair


def test_archives(some_weights: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (some_weights, some_weights.with_name("small.card.json")):
            archive.writestr(path.name, path.read_bytes())
    folder = tmp_path / "inner" / "mine"
    folder.mkdir(parents=True)
    for one in byte_mutants(buffer.getvalue(), 500 * TIMES, 5):
        path = tmp_path / "inner" / "x.zip"
        path.write_bytes(one)
        survives(lambda path=path: import_weights(path, folder, overwrite=True))
    assert {path.name for path in tmp_path.iterdir()} == {"inner"}
    assert {path.name for path in folder.parent.iterdir()} == {"mine", "x.zip"}
    assert all(path.name.startswith("small.") for path in folder.iterdir())


def test_manifests(some_weights: Path, tmp_path: Path) -> None:
    entry = entry_of(some_weights, "https://example.org/small.safetensors", "files/small.safetensors")
    values = manifest_values(entry)
    inputs = [*byte_mutants(as_bytes(values), 700 * TIMES, 6)]
    inputs += [as_bytes(one) for one in json_mutants(values, 900 * TIMES, 7)]
    for one in inputs:
        for base in (tmp_path, "https://example.org/manifest.json"):
            try:
                found = catalogue.parse(one, "the manifest", base)
            except ContrastiveSegError:
                continue
            for each in found:  # whatever gets through stays in its place
                assert Path(each.id).name == each.id and each.size <= catalogue.LARGEST_FILE
                assert all(url.startswith(("https://", tmp_path.as_uri() + "/")) for url in each.urls)


def test_jobs_provenance_and_learning_curves(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    matrix = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
    job = Job(
        (JobCase("image.npy", "labels.npy", matrix, corrected=((0, 3),)),),
        {"budget": 60.0, "seed": 0},
        (Segment(1, "Heart"),),
        (JobCase("a.npy", None, matrix), JobCase("b")),
    )
    path = folder.write_job(job)
    stored = json.loads(path.read_text("utf-8"))
    inputs = [*byte_mutants(path.read_bytes(), 500 * TIMES, 8)]
    inputs += [as_bytes(one) for one in json_mutants(stored, 500 * TIMES, 9)]
    for one in inputs:
        path.write_bytes(one)
        survives(folder.read_job)
        (folder.path / "history.jsonl").write_bytes(one + b'\n{"step": 1e999, "loss": 1, "dice": {"1": 2}}\n')
        folder.read_history()
    schedule = Schedule(0, [0.0, 0.5], [(0, 8, 160, "cpu", 2)]).to_dict()
    round_ = {
        **{"started": "2026", "seconds": 1.0, "budget": 60.0, "number": 1, "settings": {"seed": 1}},
        **{"device": "cpu", "threads": 1, "images": ["a"], "labels": ["b"], "schedule": schedule},
    }
    for one in json_mutants({"rounds": [round_]}, 600 * TIMES, 10):
        (folder.path / "provenance.json").write_bytes(as_bytes(one))
        survives(lambda: plan(folder.read_provenance(), None))


def test_messages_to_the_worker() -> None:
    case = {"image": "image.npy", "labels": "labels.npy", "name": "x", "ijk_to_ras": np.eye(4).tolist()}
    messages = [
        {
            **{"command": "open", "id": 1, "run": "run", "cases": [case], "resume": False},
            **{"settings": {"budget": "quick", "seed": 1}, "segments": [{"value": 1, "name": "Heart"}]},
        },
        {"command": "train", "id": 2, "budget": 60},
        {"command": "predict", "id": 3, "image": "i.npy", "ijk_to_ras": np.eye(4).tolist(), "output": "a"},
    ]
    for seed, message in enumerate(messages):
        for one in byte_mutants(as_bytes(message), 400 * TIMES, 20 + seed):
            survives(lambda one=one: parse_command(one))
        for one in json_mutants(message, 400 * TIMES, 30 + seed):
            survives(lambda one=one: parse_command(as_bytes(one)))


def test_events_from_the_worker() -> None:
    from ContrastiveSegLib.JsonLines import JsonLines

    event = as_bytes({"type": "progress", "fraction": 0.5, "seconds_left": 3, "stage": "training"}) + b"\n"
    lines = JsonLines()
    for one in byte_mutants(event * 3, 500 * TIMES, 40):
        for found in [*lines.feed(one), *lines.end()]:
            assert isinstance(found, str) or isinstance(found["type"], str)


def test_checkpoints(tmp_path: Path) -> None:
    architecture = Architecture((0, 1), 2, 1.0)
    compute = choose_compute("cpu", 1)
    trainer = Trainer(architecture, compute, 0)
    state = RunState(architecture, round=1, held_out=[[0, 0, 1]], trained=[[0, 0, 2]], dice={1: 0.5})
    state.schedules = [Schedule(0, [0.0, 0.5], [(0, 8, 160, "cpu", 2)])]
    save_checkpoint(tmp_path, trainer, state)
    path = tmp_path / "checkpoint.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    content = json.loads(header["__metadata__"]["state"])
    inputs = [*byte_mutants(data[: 8 + length], 400 * TIMES, 50)]
    inputs = [one + rest for one in inputs]
    for one in json_mutants(content, 500 * TIMES, 51):
        text = as_bytes({**header, "__metadata__": {"state": json.dumps(one)}})
        inputs.append(len(text).to_bytes(8, "little") + text + rest)
    for index, one in enumerate(inputs):
        path.write_bytes(one)
        try:
            found = load_state(tmp_path)
        except ContrastiveSegError:
            continue
        if index % 50 == 0:  # what gets through is built, and must fit into the memory
            survives(lambda found=found: load_tensors(tmp_path, Trainer(found.architecture, compute, 0)))


def test_arrays_and_kept_labels(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    np.save(path, np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    for one in byte_mutants(path.read_bytes(), 500 * TIMES, 60):
        path.write_bytes(one)
        survives(lambda: open_npy(path, "iuf"))
    labels = np.full((3, 4, 5), IGNORE, np.int16)
    labels[1] = 1
    keep_labels(tmp_path, 1, [SparseLabels(labels)])
    (kept,) = tmp_path.glob("labels-round*")
    packed = kept.read_bytes()
    for number, one in enumerate(byte_mutants(gzip.decompress(packed), 400 * TIMES, 61)):
        kept.write_bytes(gzip.compress(one, 1) if number % 2 else next(byte_mutants(packed, 1, number)))
        found = kept_labels(tmp_path, 1, 0, (3, 4, 5))
        assert found is None or found.array.shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 10**12),
        ("width", 0),
        ("values", list(range(10**5))),
        ("values", [0]),
        ("values", [0, 10**9]),
        ("axes", [7]),
        ("axes", []),
        ("pixel", 1e-400),
        ("network", "nothing"),
    ],
)
def test_a_checkpoint_of_a_network_that_cannot_be_is_refused_before_it_is_built(
    tmp_path: Path, field: str, value: Any
) -> None:
    from safetensors.torch import save_file

    architecture = {**Architecture((0, 1), 2, 1.0).to_dict(), field: value}
    state = {
        **{"version": 1, "architecture": architecture, "step": 1, "round": 1, "elapsed": 0.0},
        **{"held_out": [], "trained": [], "dice": {}},
    }
    save_file({"a": torch.zeros(1)}, tmp_path / "checkpoint.safetensors", {"state": json.dumps(state)})
    with pytest.raises(ContrastiveSegError) as told:
        load_state(tmp_path)
    assert told.value.code == "bad-checkpoint"


@settings(max_examples=150 * TIMES)
@given(_JSON)
def test_any_json_at_all(value: Any) -> None:
    data = json.dumps(value).encode()
    survives(lambda: parse_command(data))
    survives(lambda: catalogue.parse(data, "the manifest", Path()))
    survives(lambda: WeightCard.from_json(data.decode()))


@settings(max_examples=150 * TIMES)
@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    survives(lambda: parse_command(data))
    survives(lambda: catalogue.parse(data, "the manifest", Path()))
    survives(lambda: check_layout(Path("x.safetensors"), data))
