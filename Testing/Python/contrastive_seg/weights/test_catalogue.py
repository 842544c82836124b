"""The manifest: what may stand in it, and where it may lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from catalogue_parts import entry_of, manifest_values, write_manifest
from weight_server import serving

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.weights import catalogue
from contrastive_seg.weights.addresses import problem_of
from contrastive_seg.weights.archive import import_weights
from contrastive_seg.weights.store import Store

HTTPS = "https://example.org/small.safetensors"


def test_the_manifest_that_comes_with_the_extension_is_right(monkeypatch) -> None:
    monkeypatch.delenv(catalogue.MANIFEST_VARIABLE, raising=False)
    assert Path(catalogue.default_manifest()).is_file()
    assert isinstance(catalogue.entries(), list) and not catalogue.is_remote()


def test_a_manifest_is_a_file_a_folder_a_file_address_or_the_one_of_the_environment(
    some_weights: Path, tmp_path: Path, monkeypatch
) -> None:
    entry = entry_of(some_weights, HTTPS)
    path = write_manifest(tmp_path / "Katalog ü" / "manifest.json", entry)
    monkeypatch.setenv(catalogue.MANIFEST_VARIABLE, str(path))
    for place in (path, str(path), path.parent, path.as_uri(), None):
        assert catalogue.entries(place) == [entry]


def test_a_manifest_comes_from_a_server_too_and_may_name_what_lies_beside_it(some_weights: Path) -> None:
    with serving() as server:
        values = manifest_values(entry_of(some_weights, "files/small one.safetensors"))
        server.files["manifest.json"] = json.dumps(values).encode()
        (entry,) = catalogue.entries(server.url("good", "manifest.json"))
        assert entry.urls == (server.url("good", "files/small%20one.safetensors"),)
        for way in ("gone", "endless", "says-more"):
            with pytest.raises(ContrastiveSegError) as told:
                catalogue.entries(server.url(way, "manifest.json"))
            assert told.value.code == "no-manifest"


def test_a_manifest_in_a_folder_may_name_files_beside_it_but_none_elsewhere(
    some_weights: Path, tmp_path: Path
) -> None:
    path = write_manifest(tmp_path / "usb" / "manifest.json", entry_of(some_weights, "a/b.safetensors"))
    (entry,) = catalogue.entries(path)
    assert entry.urls == ((tmp_path / "usb" / "a" / "b.safetensors").as_uri(),)
    for bad in ("../b.safetensors", "/b.safetensors", "a/../../b", "c:/b", "a\\b", ".."):
        write_manifest(path, entry_of(some_weights, bad))
        with pytest.raises(ContrastiveSegError) as told:
            catalogue.entries(path)
        assert told.value.code == "bad-manifest" and "entries[0].urls[0]" in told.value.sentence


def test_what_is_on_this_computer_is_no_longer_offered(some_weights, a_home_without_weights, tmp_path):
    entry = entry_of(some_weights, HTTPS)
    found = catalogue.entries(write_manifest(tmp_path / "manifest.json", entry))
    assert catalogue.not_downloaded(found) == [entry]
    import_weights(some_weights, a_home_without_weights)
    assert catalogue.not_downloaded(found, Store()) == []


def changed(values: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    one = values["entries"][0]
    *parents, last = where.split(".")
    for parent in parents:
        one = one[parent]
    one[last] = value
    return values


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("id", "../../evil", "entries[0].id"),
        ("id", "other", "and its card disagree"),
        ("version", "9", "and its card disagree"),
        ("sha256", "0" * 64, "and its card disagree"),
        ("licence", "MIT", "and its card disagree"),
        ("sha256", "xyz", "entries[0].sha256"),
        ("size", 0, "entries[0].size"),
        ("size", 1 << 50, "above 4 GB"),
        ("size", 1e30, "entries[0].size"),
        ("urls", [], "entries[0].urls"),
        ("urls", "https://example.org/x", "entries[0].urls"),
        ("urls", ["http://example.org/x"], "not encrypted"),
        ("urls", ["ftp://example.org/x"], "'ftp:'"),
        ("urls", ["javascript:alert(1)"], "'javascript:'"),
        ("urls", ["https://user:word@example.org/x"], "name or password"),
        ("urls", ["https:///x"], "no computer"),
        ("urls", ["https://example.org/a b\nHost: x"], "spaces"),
        ("urls", ["https://example.org:99999/"], "no address"),
        ("card.name", "../evil", "card"),
        ("card.surprise", 1, "unknown"),
        ("note", "<b>bold</b>", "unknown"),
    ],
)
def test_each_field_is_checked(some_weights: Path, where: str, value: Any, words: str) -> None:
    values = changed(manifest_values(entry_of(some_weights, HTTPS)), where, value)
    with pytest.raises(ContrastiveSegError) as told:
        catalogue.parse(json.dumps(values).encode(), "here", "https://example.org/manifest.json")
    assert told.value.code in ("bad-manifest", "bad-card") and words in told.value.sentence


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"\xff", b"{" * 100_000, b"[" * 200_000, b'{"format": NaN}', b'{"a":1,"a":2}'],
)
def test_what_is_no_manifest_is_told(data: bytes) -> None:
    with pytest.raises(ContrastiveSegError) as told:
        catalogue.parse(data, "here", Path())
    assert told.value.code == "bad-manifest"


def test_a_manifest_from_elsewhere_names_neither_files_nor_this_computer(some_weights: Path) -> None:
    for url in ("file:///a/b", "http://localhost/x", "http://127.0.0.1/x"):
        data = json.dumps(manifest_values(entry_of(some_weights, url))).encode()
        with pytest.raises(ContrastiveSegError) as told:
            catalogue.parse(data, "there", "https://example.org/manifest.json")
        assert told.value.code == "bad-manifest"
        assert catalogue.parse(data, "here", Path())


def test_a_name_that_is_not_in_the_catalogue_is_told_with_those_that_are(some_weights: Path) -> None:
    entry = entry_of(some_weights, HTTPS)
    assert catalogue.find([entry], "small") == catalogue.find([entry], "small@1.2") == entry
    for name in ("large", "small@7"):
        with pytest.raises(ContrastiveSegError) as told:
            catalogue.find([entry], name)
        assert told.value.code == "unknown-weights" and "small" in told.value.what_to_do


@pytest.mark.parametrize(
    "text", ["no/such/manifest.json", "https://user@example.org/x", "ftp://example.org/m"]
)
def test_a_manifest_that_cannot_be_had_is_told(text: str) -> None:
    with pytest.raises(ContrastiveSegError) as told:
        catalogue.entries(text)
    assert told.value.code in ("no-manifest", "bad-address")


def test_http_is_for_this_computer_only_unless_it_is_allowed() -> None:
    assert not problem_of("http://localhost:8000/x") and not problem_of("http://[::1]/x")
    assert problem_of("http://192.168.1.2/x") and problem_of("http://localhost.example.org/x")
    assert not problem_of("http://192.168.1.2/x", insecure=True)
