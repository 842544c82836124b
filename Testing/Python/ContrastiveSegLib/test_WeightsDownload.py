"""Downloading weights from the panel's side: the real child process and a real server."""

import json
import os
import sys
from pathlib import Path

import pytest
import qt
import slicer
import torch
from scene_parts import is_alive, python_program, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contrastive_seg" / "weights"))

from catalogue_parts import entry_of, write_manifest
from weight_parts import card_for, tensors_of
from weight_server import serving

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.files import save_weights
from contrastive_seg.weights.store import Store
from ContrastiveSegLib.PlainText import PlainText
from ContrastiveSegLib.UserError import UserError
from ContrastiveSegLib.WeightsDownload import WeightsDownload

PATIENCE = 100


@pytest.fixture
def a_server():
    with serving() as server:
        yield server


@pytest.fixture
def a_models_folder(tmp_path, monkeypatch):
    folder = tmp_path / "Models ü"
    monkeypatch.setenv("CONTRASTIVE_SEG_MODELS", str(folder))
    return folder


@pytest.fixture
def questions(monkeypatch):
    """What was asked; the answer is in ``questions.answer``."""

    class Questions(list):
        answer = True

    asked = Questions()

    def ask(text, windowTitle=None, parent=None, **kwargs):
        asked.append(text)
        return asked.answer

    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", ask)
    return asked


@pytest.fixture
def a_manifest(tmp_path, a_server):
    """Writes the manifest of some weights that the server gives away in a certain way."""
    torch.manual_seed(0)
    path = tmp_path / "source" / "small.safetensors"
    save_weights(path, tensors_of(UNet(1, 2, 4)), card_for())
    a_server.files["small.safetensors"] = path.read_bytes()

    def write(way):
        manifest = tmp_path / "manifest ü.json"
        WeightsDownload.setManifest(str(manifest))
        return write_manifest(manifest, entry_of(path, a_server.url(way, "small.safetensors")))

    yield write
    WeightsDownload.setManifest("")


@pytest.fixture
def a_download(a_scene, a_models_folder):
    logic = WeightsDownload()
    logic.told = {name: [] for name in ("listed", "progressed", "finished", "failed", "changed")}
    for name, told in logic.told.items():
        getattr(logic, name).connect(lambda *values, told=told: told.append(values))
    yield logic
    logic.close()


def look(logic):
    logic.look()
    assert logic.isBusy
    wait_until(lambda: not logic.isBusy, PATIENCE)
    return logic.told["listed"][-1][0]


def test_the_catalogue_that_comes_with_the_extension_is_read_without_blocking(a_download):
    assert isinstance(look(a_download), list) and a_download.told["failed"] == []
    assert a_download.told["changed"] == [(True,), (False,)]


def test_a_model_is_downloaded_after_consent_and_can_be_deleted_again(
    a_download, a_manifest, a_server, a_models_folder, questions
):
    a_manifest("good")
    (entry,) = look(a_download)
    assert entry["id"] == "small" and not entry["here"]
    questions.answer = False
    assert not a_download.start(entry) and sum(a_server.asked.values()) == 0
    questions.answer = True
    assert a_download.start(entry) and a_download.name == "small" and "small" in a_download.whyNot
    for word in ("small", "MB", "127.0.0.1", "CC-BY-4.0"):
        assert word in questions[-1]
    with pytest.raises(UserError, match="small"):
        a_download.start(entry)
    wait_until(lambda: not a_download.isBusy, PATIENCE)
    assert a_download.told["finished"] == [("small",)] and a_download.told["failed"] == []
    assert a_download.told["progressed"][-1][0] == 1.0
    assert Store().find("small").card is not None and WeightsDownload.downloaded() == ["small"]
    (entry,) = look(a_download)
    assert entry["here"]
    questions.answer = False
    assert a_download.deleteDownloaded() == "" and WeightsDownload.downloaded() == ["small"]
    questions.answer = True
    assert "small" in a_download.deleteDownloaded() and "small" in questions[-1]
    assert list(a_models_folder.iterdir()) == []
    assert "no downloaded" in a_download.deleteDownloaded()


def test_cancel_ends_the_child_and_keeps_what_was_received(
    a_download, a_manifest, a_models_folder, questions
):
    a_manifest("slow")
    (entry,) = look(a_download)
    a_download.start(entry)
    wait_until(lambda: bool(a_download.told["progressed"]), PATIENCE)
    pid = a_download._process.pid
    a_download.cancel()
    wait_until(lambda: not a_download.isBusy, PATIENCE)
    assert not is_alive(pid) and a_download.told["finished"] == []
    assert len(a_download.told["failed"]) == 1 and "stopped" in a_download.told["failed"][0][0]
    (part,) = a_models_folder.iterdir()
    assert part.name.startswith(".download-") and part.stat().st_size > 0
    a_manifest("good")
    a_download.start(look(a_download)[0])
    wait_until(lambda: not a_download.isBusy, PATIENCE)
    assert a_download.told["finished"] == [("small",)]


@pytest.mark.parametrize(("way", "words"), [("gone", "404"), ("other-bytes", "SHA256")])
def test_what_went_wrong_is_told_in_a_sentence(a_download, a_manifest, questions, way, words):
    a_manifest(way)
    a_download.start(look(a_download)[0])
    wait_until(lambda: not a_download.isBusy, PATIENCE)
    assert len(a_download.told["failed"]) == 1 and words in a_download.told["failed"][0][0]
    assert "Traceback" not in a_download.told["failed"][0][0]


def test_a_catalogue_that_is_not_there_is_told(a_download, tmp_path):
    WeightsDownload.setManifest(str(tmp_path / "nothing.json"))
    try:
        a_download.look()
        wait_until(lambda: not a_download.isBusy, PATIENCE)
    finally:
        WeightsDownload.setManifest("")
    assert "nothing.json" in a_download.told["failed"][0][0] and a_download.told["listed"] == []


def test_a_child_that_dies_is_told(a_scene, a_models_folder):
    logic = WeightsDownload([python_program(), "-c", "import os, signal; os.kill(os.getpid(), 9)"])
    told = []
    logic.failed.connect(told.append)
    logic.look()
    wait_until(lambda: not logic.isBusy, PATIENCE)
    assert len(told) == 1 and "unexpectedly" in told[0]


def test_a_model_comes_from_a_folder_where_there_is_no_network(
    a_download, a_manifest, a_models_folder, tmp_path, questions
):
    a_manifest("gone")
    a_download.start(look(a_download)[0], str(tmp_path / "source"))
    wait_until(lambda: not a_download.isBusy, PATIENCE)
    assert a_download.told["finished"] == [("small",)] and str(tmp_path / "source") in questions[-1]
    record = json.loads((a_models_folder / "small.download.json").read_text("utf-8"))
    assert record["source"] == "folder"


def test_the_child_needs_no_package_that_is_installed_later(tmp_path):
    """Weights can be had before PyTorch is."""
    import subprocess

    program = (
        "import sys\n"
        "for name in ('torch', 'numpy', 'monai', 'psutil', 'typer', 'rich', 'safetensors', 'scipy'):\n"
        "    sys.modules[name] = None\n"
        "from contrastive_seg.weights import child\n"
        "child.main(['list'])"
    )
    engine = Path(__file__).resolve().parents[3] / "ContrastiveSeg"
    done = subprocess.run(
        [python_program(), "-c", program],
        env={**os.environ, "PYTHONPATH": str(engine)}, stdin=subprocess.PIPE, capture_output=True, text=True,
        check=False, input=None,
    )  # fmt: skip
    assert done.returncode in (0, 2) and json.loads(done.stdout.splitlines()[-1])["type"] in (
        "result",
        "error",
    )
    assert "Traceback" not in done.stderr


CARD_TEXT = 'A <b>bold</b> heart & <img src="file:///x.png"> <a href="x">lie</a>'


def test_text_of_a_card_is_shown_as_it_is_in_questions_and_tooltips(a_scene):
    entry = {"id": "x", "version": "1", "size": 10**6, "hosts": ["example.org"], "licence": CARD_TEXT}
    shown = PlainText.shown(WeightsDownload.question(entry))
    assert "<b>" not in shown and "<img" not in shown
    document = qt.QTextDocument() if hasattr(qt, "QTextDocument") else None
    if document is None:
        from PySide6.QtGui import QTextDocument

        document = QTextDocument()
    document.setHtml(shown)
    assert CARD_TEXT in document.toPlainText()
    assert PlainText.shown("Licence: CC-BY 4.0.") == "Licence: CC-BY 4.0."
