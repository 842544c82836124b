"""Downloads from a real server that does everything servers do wrong."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from catalogue_parts import entry_of
from weight_parts import card_for, tensors_of
from weight_server import Server, serving

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.download import download
from contrastive_seg.weights.fetch import Patience
from contrastive_seg.weights.files import load_weights, save_weights
from contrastive_seg.weights.store import Store

QUICK = Patience(stall=1.0, tries=3, pause=0.01)


@pytest.fixture
def a_server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def a_source(tmp_path: Path, a_server: Server) -> Path:
    """Weights of some 100 kB in a file, which the server has too."""
    torch.manual_seed(0)
    path = tmp_path / "source" / "small.safetensors"
    save_weights(path, tensors_of(UNet(1, 2, 4)), card_for())
    a_server.files["small.safetensors"] = path.read_bytes()
    return path


@pytest.fixture
def a_folder(tmp_path: Path) -> Path:
    return tmp_path / "Modelle ü"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


COMPLETE = {"small.safetensors", "small.card.json", "small.download.json"}


def test_what_was_downloaded_is_found_by_name_and_passes_all_checks(a_server, a_source, a_folder) -> None:
    told: list[tuple[int, int]] = []
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"))
    path = download(entry, a_folder, lambda received, size, left: told.append((received, size)))
    assert path == a_folder / "small.safetensors" and names_in(a_folder) == COMPLETE
    assert path.read_bytes() == a_source.read_bytes()
    card, _tensors = load_weights("small", Store(user=a_folder))
    assert card == entry.card
    assert told[-1] == (entry.size, entry.size) and sorted(told) == told
    record = json.loads((a_folder / "small.download.json").read_text("utf-8"))
    assert record["sha256"] == entry.sha256 and record["source"].startswith("http://127.0.0.1")


def test_what_is_there_is_not_downloaded_again_but_what_is_damaged_is(a_server, a_source, a_folder) -> None:
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"))
    path = download(entry, a_folder)
    download(entry, a_folder)
    assert a_server.asked["good/small.safetensors"] == 1
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    download(entry, a_folder)
    assert a_server.asked["good/small.safetensors"] == 2 and path.read_bytes() == a_source.read_bytes()


def test_other_weights_of_that_name_are_replaced_only_when_asked_to(a_server, a_source, a_folder) -> None:
    save_weights(a_folder, tensors_of(UNet(1, 3, 4)), card_for())
    before = (a_folder / "small.safetensors").read_bytes()
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"))
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder)
    assert told.value.code == "weights-exist" and (a_folder / "small.safetensors").read_bytes() == before
    assert download(entry, a_folder, overwrite=True).read_bytes() == a_source.read_bytes()


@pytest.mark.parametrize("way", ["break-off", "busy-then-good", "no-parts", "wrong-part"])
def test_it_gets_there_all_the_same(a_server, a_source, a_folder, way: str) -> None:
    entry = entry_of(a_source, a_server.url(way, "small.safetensors"))
    if way == "wrong-part":  # something to go on from
        half_download(a_server, a_source, a_folder)
    assert download(entry, a_folder, patience=QUICK).read_bytes() == a_source.read_bytes()
    assert names_in(a_folder) == COMPLETE


def half_download(server: Server, source: Path, folder: Path) -> int:
    """Leaves half a download in the folder; the bytes received."""
    entry = entry_of(source, server.url("stall", source.name))
    with pytest.raises(ContrastiveSegError):
        download(entry, folder, patience=dataclasses.replace(QUICK, stall=0.3, tries=1))
    (part,) = folder.glob(".download-*")
    assert 0 < part.stat().st_size < entry.size
    return part.stat().st_size


def test_the_next_download_goes_on_from_where_it_broke_off_even_from_another_mirror(
    a_server, a_source, a_folder
) -> None:
    half = half_download(a_server, a_source, a_folder)
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"))
    received: list[int] = []
    download(entry, a_folder, lambda got, size, left: received.append(got))
    assert a_server.ranges[-1] == f"bytes={half}-" and received[0] > half
    assert (a_folder / "small.safetensors").read_bytes() == a_source.read_bytes()


def test_a_part_that_was_damaged_is_found_out_and_everything_is_fetched_anew(
    a_server, a_source, a_folder
) -> None:
    half_download(a_server, a_source, a_folder)
    (part,) = a_folder.glob(".download-*")
    part.write_bytes(bytes(part.stat().st_size))
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"))
    assert download(entry, a_folder).read_bytes() == a_source.read_bytes()
    assert a_server.asked["good/small.safetensors"] == 2


@pytest.mark.parametrize(
    ("way", "words", "asked"),
    [
        ("gone", "answers 404", 1),
        ("error-500", "answers 500", 3),
        ("says-more", "bytes, but the catalogue says", 1),
        ("says-nonsense", "", 1),
        ("other-bytes", "wrong SHA256", 1),
        ("endless", "larger than the catalogue says", 1),
        ("compressed", "compressed", 1),
        ("stall", "not answer|almost nothing", 3),
        ("silent", "not answer|almost nothing", 3),
        ("drip", "almost nothing", 3),
        ("always-break-off", "broke off", 3),
        ("rubbish", "", 3),
    ],
)
def test_what_does_not_work_is_told_for_each_mirror_and_nothing_is_left_that_looks_like_weights(
    a_server, a_source, a_folder, way: str, words: str, asked: int
) -> None:
    import re

    entry = entry_of(a_source, a_server.url(way, "small.safetensors"))
    patience = dataclasses.replace(QUICK, stall=0.4)
    if way == "says-nonsense":  # a length that cannot be is none, and the rest is right
        assert download(entry, a_folder, patience=patience).read_bytes() == a_source.read_bytes()
        return
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, patience=patience)
    assert told.value.code == "download-failed" and "127.0.0.1" in told.value.sentence
    assert re.search(words, told.value.sentence) and "--from" in told.value.what_to_do
    assert a_server.asked[f"{way}/small.safetensors"] == asked
    assert all(name.startswith(".download-") for name in names_in(a_folder))
    assert sum(path.stat().st_size for path in a_folder.iterdir()) <= entry.size


def test_a_mirror_that_fails_is_followed_by_the_next(a_server, a_source, a_folder) -> None:
    ways = ("gone", "other-bytes", "endless", "good")
    entry = entry_of(a_source, *(a_server.url(way, "small.safetensors") for way in ways))
    assert download(entry, a_folder, patience=QUICK).read_bytes() == a_source.read_bytes()
    assert [a_server.asked[f"{way}/small.safetensors"] for way in ways] == [1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["file", "ftp", "data", "http elsewhere", "gopher", "nowhere"])
def test_no_redirection_leads_to_another_kind_of_address(a_server, a_source, a_folder, kind: str) -> None:
    a_server.redirect = {
        "file": a_source.as_uri(),
        "ftp": "ftp://127.0.0.1/small.safetensors",
        "data": "data:text/plain,hello",
        "http elsewhere": "http://example.invalid/small.safetensors",
        "gopher": "gopher://127.0.0.1/",
        "nowhere": "http://[::bad",
    }[kind]
    entry = entry_of(a_source, a_server.url("redirect", "small.safetensors"))
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, patience=QUICK)
    assert told.value.code == "download-failed"
    assert "not allowed" in told.value.sentence or kind == "nowhere"
    assert a_server.asked["redirect/small.safetensors"] == 1


def test_a_redirection_to_another_place_of_the_same_kind_is_followed_but_not_in_a_circle(
    a_server, a_source, a_folder
) -> None:
    a_server.redirect = a_server.url("good", "small.safetensors")
    entry = entry_of(a_source, a_server.url("redirect", "small.safetensors"))
    assert download(entry, a_folder).read_bytes() == a_source.read_bytes()
    a_server.redirect = a_server.url("redirect", "small.safetensors")
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder / "other", patience=QUICK)
    assert told.value.code == "download-failed"


@pytest.mark.parametrize("way", ["slow", "silent", "stall"])
def test_it_can_be_stopped_while_data_comes_and_while_none_does(a_server, a_source, a_folder, way) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    entry = entry_of(a_source, a_server.url(way, "small.safetensors"))
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, stop=stop.is_set, patience=Patience(stall=60))
    assert told.value.code == "download-stopped"
    assert all(name.startswith(".download-") for name in names_in(a_folder))
    good = entry_of(a_source, a_server.url("good", "small.safetensors"))
    assert download(good, a_folder).read_bytes() == a_source.read_bytes()


def test_two_downloads_of_the_same_weights_do_not_mix(a_server, a_source, a_folder) -> None:
    entry = entry_of(a_source, a_server.url("slow", "small.safetensors"))
    begun = threading.Event()
    first = threading.Thread(target=download, args=(entry, a_folder, lambda *_: begun.set()))
    first.start()
    assert begun.wait(20)
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder)
    first.join()
    assert told.value.code == "download-running"
    assert (a_folder / "small.safetensors").read_bytes() == a_source.read_bytes()


def test_nobody_listening_and_no_such_computer_are_told(a_source, a_folder) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    entry = entry_of(a_source, f"http://127.0.0.1:{port}/x", "https://computer.invalid/x")
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, patience=QUICK)
    assert "127.0.0.1" in told.value.sentence and "computer.invalid" in told.value.sentence


def test_https_is_not_spoken_with_a_server_that_has_no_certificate(a_server, a_source, a_folder) -> None:
    url = a_server.url("good", "small.safetensors").replace("http:", "https:")
    with pytest.raises(ContrastiveSegError) as told:
        download(entry_of(a_source, url), a_folder, patience=QUICK)
    assert told.value.code == "download-failed" and a_server.asked["good/small.safetensors"] == 0


def test_the_proxy_of_the_environment_is_used(a_server, a_source, a_folder, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{a_server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    entry = entry_of(a_source, "http://weights.invalid/good/small.safetensors")
    patience = dataclasses.replace(QUICK, insecure=True)
    assert download(entry, a_folder, patience=patience).read_bytes() == a_source.read_bytes()
    assert a_server.asked["proxy"] == 1


def test_a_folder_serves_where_there_is_no_network_and_the_checksum_decides(
    a_source, a_folder, tmp_path
) -> None:
    entry = entry_of(a_source, "https://computer.invalid/store/pretrained%20v1.safetensors")
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, offline=[stick])
    assert told.value.code == "not-in-folder" and "pretrained v1.safetensors" in told.value.what_to_do
    (stick / "small.safetensors").write_bytes(bytes(entry.size))
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder, offline=[stick])
    assert told.value.code == "download-failed" and "SHA256" in told.value.sentence
    (stick / "pretrained v1.safetensors").write_bytes(a_source.read_bytes())
    assert download(entry, a_folder, offline=[stick]).read_bytes() == a_source.read_bytes()
    record = json.loads((a_folder / "small.download.json").read_text("utf-8"))
    assert record["source"] == "folder"


def test_a_pickle_is_not_put_in_place_even_where_the_catalogue_vouches_for_it(
    a_server, a_source, a_folder, tmp_path
) -> None:
    import hashlib

    pickle = tmp_path / "evil.bin"
    torch.save({"a": torch.zeros(3)}, pickle)
    data = pickle.read_bytes()
    a_server.files["evil"] = data
    entry = entry_of(
        a_source, a_server.url("good", "evil"), size=len(data), sha256=hashlib.sha256(data).hexdigest()
    )
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_folder)
    assert told.value.code == "pickle" and names_in(a_folder) == set()


def test_a_full_disk_is_told_before_anything_is_received(a_server, a_source, a_small_disk) -> None:
    entry = entry_of(a_source, a_server.url("good", "small.safetensors"), size=10 << 20)
    with pytest.raises(ContrastiveSegError) as told:
        download(entry, a_small_disk)
    assert told.value.code == "disk-full" and sum(a_server.asked.values()) == 0
