"""Downloading weights of the catalogue in the section Models: the real child process and a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
import slicer.util
import torch
from scene_parts import is_alive, tip_of, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parent / "contrastive_seg" / "weights"))

from catalogue_parts import entry_of, write_manifest
from weight_parts import card_for, tensors_of
from weight_server import serving

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.files import save_weights
from ContrastiveSegLib.Panels.DownloadSection import DownloadSection
from ContrastiveSegLib.WeightsDownload import WeightsDownload
from ContrastiveSegLib.WeightsFolders import SETTING

PATIENCE = 100
NOT_HERE = ["small", "1.2", "not downloaded yet"]


@pytest.fixture
def a_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's own weights: the setting of the application names the folder."""
    monkeypatch.delenv("CONTRASTIVE_SEG_MODELS", raising=False)
    monkeypatch.delenv("CONTRASTIVE_SEG_MANIFEST", raising=False)
    slicer.app.userSettings().setValue(SETTING, str(tmp_path / "Models ü"))
    yield tmp_path / "Models ü"
    slicer.app.userSettings().remove(SETTING)


@pytest.fixture
def a_server() -> Iterator[Any]:
    with serving() as server:
        yield server


@pytest.fixture
def a_manifest(tmp_path: Path, a_server: Any) -> Iterator[Any]:
    """Writes the manifest of some weights that the server gives away in a certain way, and chooses it."""
    torch.manual_seed(0)
    path = tmp_path / "source" / "small.safetensors"
    save_weights(path, tensors_of(UNet(1, 2, 4)), card_for())
    a_server.files["small.safetensors"] = path.read_bytes()

    def write(way: str) -> Path:
        manifest = tmp_path / "manifest ü.json"
        WeightsDownload.setManifest(str(manifest))
        return write_manifest(manifest, entry_of(path, a_server.url(way, "small.safetensors")))

    yield write
    WeightsDownload.setManifest("")


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What was asked; the answer is in ``questions.answer``."""

    class Questions(list[str]):
        answer = True

    asked = Questions()
    monkeypatch.setattr(
        slicer.util, "confirmYesNoDisplay", lambda text, *_: bool(asked.append(text)) or asked.answer
    )
    return asked


def section(widget: Any) -> DownloadSection:
    return next(one for one in widget.panel.sections if isinstance(one, DownloadSection))


def opened(widget: Any) -> DownloadSection:
    """The section, unfolded, with the catalogue read."""
    widget.ui.modelsCollapsibleButton.collapsed = False
    found = section(widget)
    wait_until(lambda: not found.download.isBusy, PATIENCE)
    return found


def rows(widget: Any) -> list[list[str]]:
    table = widget.ui.modelsTable
    return [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount)]


def choices(widget: Any) -> list[str]:
    box = widget.ui.weightsSelector
    return [str(box.itemData(index) or "") for index in range(box.count)]


def choose(widget: Any, row: list[str]) -> None:
    widget.ui.modelsTable.selectRow(rows(widget).index(row))


def test_an_empty_catalogue_disables_the_button_and_says_how_to_choose_another(a_models_folder, a_panel):
    opened(a_panel)
    button = a_panel.ui.downloadModelButton
    assert not button.enabled and button.text == "Download..."
    assert "no weights in the catalogue" in tip_of(button) and "ContrastiveSeg/Manifest" in tip_of(button)
    assert not a_panel.ui.deleteDownloadedButton.enabled
    assert "no downloaded weights" in tip_of(a_panel.ui.deleteDownloadedButton)
    assert a_panel.ui.modelDownloadProgressBar.isHidden() and a_panel.ui.modelDownloadLabel.isHidden()


def test_nothing_is_read_while_the_section_is_folded(a_models_folder, a_manifest, a_panel):
    a_manifest("good")
    a_panel.enter()
    assert not section(a_panel).download.isBusy and rows(a_panel) == []


def test_weights_are_downloaded_after_asking_used_at_once_and_deleted_again(
    a_models_folder, a_manifest, a_server, a_panel, questions
):
    a_manifest("good")
    opened(a_panel)
    ui, button = a_panel.ui, a_panel.ui.downloadModelButton
    assert NOT_HERE in rows(a_panel) and "small" not in choices(a_panel)
    assert not button.enabled and "Choose weights" in tip_of(button)
    choose(a_panel, NOT_HERE)
    details = ui.modelDetailsLabel.text
    assert "from: the catalogue" in details and "Licence: CC-BY-4.0" in details and "MR, Hippoc" in details
    questions.answer = False
    button.click()
    assert len(questions) == 1 and "127.0.0.1" in questions[0] and sum(a_server.asked.values()) == 0
    questions.answer = True
    button.click()
    assert button.text == "Cancel" and button.enabled and not ui.modelDownloadProgressBar.isHidden()
    assert "Downloading 'small'" in ui.modelDownloadLabel.text
    wait_until(lambda: button.text == "Download...", PATIENCE)
    assert "is downloaded" in ui.modelDownloadLabel.text and ui.modelDownloadProgressBar.isHidden()
    assert ["small", "1.2", "your own"] in rows(a_panel) and NOT_HERE not in rows(a_panel)
    assert "small, version 1.2, from: your own" in ui.modelDetailsLabel.text, (
        "what was chosen is not any more"
    )
    assert "small" in choices(a_panel) and (a_models_folder / "small.safetensors").is_file()
    assert not button.enabled and "on this computer" in tip_of(button)

    questions.answer = False
    ui.deleteDownloadedButton.click()
    assert ["small", "1.2", "your own"] in rows(a_panel)
    questions.answer = True
    ui.deleteDownloadedButton.click()
    assert "Deleted small" in ui.modelDownloadLabel.text
    assert NOT_HERE in rows(a_panel) and "small" not in choices(a_panel)
    assert not ui.deleteDownloadedButton.enabled and not list(a_models_folder.glob("small*"))


def test_cancel_ends_the_child_and_what_was_received_is_kept(a_models_folder, a_manifest, a_panel, questions):
    a_manifest("slow")
    part, ui = opened(a_panel), a_panel.ui
    choose(a_panel, NOT_HERE)
    ui.downloadModelButton.click()
    wait_until(lambda: ui.modelDownloadProgressBar.value > 0, PATIENCE)
    pid = part.download._process.pid
    ui.downloadModelButton.click()
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert not is_alive(pid) and "stopped" in ui.modelDownloadLabel.text
    assert "fdecea" not in ui.modelDownloadLabel.styleSheet, "the user wanted it so"
    assert ui.downloadModelButton.text == "Download..." and ui.downloadModelButton.enabled
    assert ui.deleteDownloadedButton.enabled, "what was received cannot be deleted"
    ui.deleteDownloadedButton.click()
    assert "unfinished" in ui.modelDownloadLabel.text and not list(a_models_folder.glob(".download-*"))


@pytest.mark.parametrize(("way", "words"), [("gone", "404"), ("other-bytes", "SHA256")])
def test_what_went_wrong_stands_under_the_buttons(
    a_models_folder, a_manifest, a_panel, questions, way, words
):
    a_manifest(way)
    part, ui = opened(a_panel), a_panel.ui
    choose(a_panel, NOT_HERE)
    ui.downloadModelButton.click()
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert words in ui.modelDownloadLabel.text and "fdecea" in ui.modelDownloadLabel.styleSheet
    assert NOT_HERE in rows(a_panel) and ui.downloadModelButton.enabled


def test_other_weights_of_that_name_are_not_replaced_and_no_option_is_named(
    a_models_folder, a_manifest, a_panel, questions
):
    a_manifest("good")
    save_weights(a_models_folder / "small.safetensors", tensors_of(UNet(1, 2, 4)), card_for(version="1.1"))
    part, ui = opened(a_panel), a_panel.ui
    assert ["small", "1.1", "your own"] in rows(a_panel)
    choose(a_panel, NOT_HERE)
    ui.downloadModelButton.click()
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert "Delete or rename them first" in ui.modelDownloadLabel.text
    assert "--" not in ui.modelDownloadLabel.text


def test_a_catalogue_that_cannot_be_read_is_told_and_can_be_read_again(a_models_folder, a_manifest, a_panel):
    manifest = a_manifest("good")
    manifest.rename(manifest.with_name("away.json"))
    part, ui = opened(a_panel), a_panel.ui
    assert "manifest ü.json" in ui.modelDownloadLabel.text and "fdecea" in ui.modelDownloadLabel.styleSheet
    assert ui.downloadModelButton.text == "Read catalogue" and ui.downloadModelButton.enabled
    manifest.with_name("away.json").rename(manifest)
    ui.downloadModelButton.click()
    assert not ui.downloadModelButton.enabled and "being read" in tip_of(ui.downloadModelButton)
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert NOT_HERE in rows(a_panel) and ui.modelDownloadLabel.isHidden()


def test_a_catalogue_in_the_network_is_read_only_when_the_button_is_pressed(
    a_models_folder, a_manifest, a_server, a_panel
):
    a_server.files["manifest.json"] = a_manifest("good").read_bytes()
    WeightsDownload.setManifest(a_server.url("good", "manifest.json"))
    part, ui = opened(a_panel), a_panel.ui
    a_panel.enter()
    assert sum(a_server.asked.values()) == 0 and NOT_HERE not in rows(a_panel)
    assert ui.downloadModelButton.text == "Read catalogue"
    ui.downloadModelButton.click()
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert NOT_HERE in rows(a_panel) and sum(a_server.asked.values()) == 1
    WeightsDownload.setManifest("")  # what the former one offered cannot be had any more
    a_panel.enter()
    wait_until(lambda: not part.download.isBusy, PATIENCE)
    assert NOT_HERE not in rows(a_panel) and "no weights" in tip_of(ui.downloadModelButton)


@pytest.mark.standin  # the application reloads the panel that it shows, not the one of this test
def test_closing_the_panel_ends_a_download(a_models_folder, a_manifest, a_panel, questions):
    a_manifest("slow")
    part = opened(a_panel)
    choose(a_panel, NOT_HERE)
    a_panel.ui.downloadModelButton.click()
    wait_until(lambda: a_panel.ui.modelDownloadProgressBar.value > 0, PATIENCE)
    pid = part.download._process.pid
    a_panel.onReload()
    wait_until(lambda: not is_alive(pid), PATIENCE)
    assert not list(a_models_folder.glob("small*"))
