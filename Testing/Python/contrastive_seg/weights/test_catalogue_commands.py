"""``contrastive-seg weights available``, ``download`` and ``delete``, as a shell and a script meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue_parts import entry_of, write_manifest
from command_line import ENGINE, call, run_command
from weight_parts import card_for, tensors_of
from weight_server import Server, serving

from contrastive_seg.networks.unet import UNet
from contrastive_seg.weights.files import save_weights


@pytest.fixture
def a_server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def a_manifest(tmp_path: Path, some_weights: Path, a_server: Server) -> Path:
    a_server.files["small.safetensors"] = some_weights.read_bytes()
    return write_manifest(
        tmp_path / "manifest.json", entry_of(some_weights, a_server.url("good", "small.safetensors"))
    )


def lines_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_the_catalogue_is_listed_with_size_and_licence_and_what_is_here(
    a_manifest: Path, capsys: Any
) -> None:
    status, out, _ = call(capsys, "weights", "available", "--manifest", a_manifest)
    assert status == 0 and "small" in out and "CC-BY" in out and "MB" in out and "no" in out
    call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes")
    status, out, _ = call(capsys, "weights", "available", "--manifest", a_manifest, "--json")
    (entry,) = json.loads(out)["entries"]
    assert entry["here"] and entry["hosts"] == ["127.0.0.1"] and entry["card"]["method"] == "macl"


def test_an_empty_catalogue_says_so(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTRASTIVE_SEG_MANIFEST", raising=False)
    status, out, _ = call(capsys, "weights", "available")
    assert status == 0 and "empty" in out


def test_nothing_is_downloaded_without_consent(
    a_manifest: Path, a_server: Server, a_home_without_weights: Path, capsys: Any
) -> None:
    status, out, err = call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--json")
    assert status == 2 and json.loads(out)["error"]["code"] == "consent-needed"
    assert "CC-BY-4.0" in err and "127.0.0.1" in err and "--yes" in err
    assert sum(a_server.asked.values()) == 0
    assert not a_home_without_weights.exists() or not list(a_home_without_weights.iterdir())


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_on_a_terminal_it_asks(
    a_manifest: Path, a_server: Server, capsys: Any, monkeypatch: Any, answer: str, done: bool
) -> None:
    class Terminal:
        isatty = staticmethod(lambda: True)
        readline = staticmethod(lambda *_: answer)

    monkeypatch.setattr(sys, "stdin", Terminal())
    status, _, err = call(capsys, "weights", "download", "small", "--manifest", a_manifest)
    assert (status == 0) is done and "[y/N]" in err
    assert a_server.asked["good/small.safetensors"] == (1 if done else 0)


def test_json_prints_a_line_for_each_event(
    a_manifest: Path, a_home_without_weights: Path, capsys: Any
) -> None:
    status, out, _ = call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes", "--json")
    *progress, result = lines_of(out)
    assert status == 0 and result["type"] == "result" and result["name"] == "small"
    assert Path(result["path"]).parent == a_home_without_weights
    assert progress and progress[-1]["fraction"] == 1.0 and {e["type"] for e in progress} == {"progress"}


def test_a_folder_with_a_manifest_needs_no_network(
    some_weights: Path, a_home_without_weights: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "USB-Stick 患者"
    write_manifest(stick / "manifest.json", entry_of(some_weights, "https://computer.invalid/v1.safetensors"))
    (stick / "v1.safetensors").write_bytes(some_weights.read_bytes())
    done = run_command("weights", "download", "small", "--from", stick, "--yes")
    assert done.returncode == 0, done.stderr
    assert (a_home_without_weights / "small.safetensors").is_file() and "small" in done.stdout
    done = run_command("weights", "verify", "small", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ok"]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C cannot be sent to another process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_by_the_user_or_killed_the_next_download_goes_on(
    a_manifest: Path, a_server: Server, some_weights: Path, a_home_without_weights: Path, number: int
) -> None:
    write_manifest(a_manifest, entry_of(some_weights, a_server.url("slow", "small.safetensors")))
    command = [sys.executable, "-m", "contrastive_seg.cli", "weights", "download", "small", "--json", "--yes"]
    environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
    child = subprocess.Popen(
        [*command, "--manifest", str(a_manifest)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    first = json.loads(child.stdout.readline())
    assert first["type"] == "progress" and first["fraction"] < 1
    child.send_signal(number)
    rest = lines_of(child.stdout.read())
    assert child.wait(20) != 0
    if number == signal.SIGINT:
        assert rest[-1]["error"]["code"] == "download-stopped"
    (part,) = a_home_without_weights.glob(".download-*")
    there = part.stat().st_size
    assert 0 < there < some_weights.stat().st_size
    write_manifest(a_manifest, entry_of(some_weights, a_server.url("good", "small.safetensors")))
    done = run_command("weights", "download", "small", "--manifest", a_manifest, "--yes")
    assert done.returncode == 0, done.stderr
    assert a_server.ranges == [f"bytes={there}-"]
    assert (a_home_without_weights / "small.safetensors").read_bytes() == some_weights.read_bytes()


@pytest.mark.parametrize("ending", ["close", "line"])
def test_the_applications_child_ends_when_its_stdin_does(
    a_manifest: Path, a_server: Server, some_weights: Path, ending: str
) -> None:
    write_manifest(a_manifest, entry_of(some_weights, a_server.url("slow", "small.safetensors")))
    command = [sys.executable, "-m", "contrastive_seg.weights.child", "download", "small"]
    child = subprocess.Popen(
        [*command, "--manifest", str(a_manifest)],
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    assert json.loads(child.stdout.readline())["type"] == "progress"
    if ending == "line":
        child.stdin.write("quit\n")
        child.stdin.flush()
    else:
        child.stdin.close()
    *_, last = lines_of(child.stdout.read())
    assert last["type"] == "error" and last["error"]["code"] == "download-stopped"
    assert child.wait(60) == 2
    child.stdin.close()


def test_an_earlier_download_is_replaced_by_a_newer_version_without_a_word(
    a_manifest: Path, a_server: Server, tmp_path: Path, a_home_without_weights: Path, capsys: Any
) -> None:
    call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes")
    newer = tmp_path / "newer" / "small.safetensors"
    save_weights(newer, tensors_of(UNet(1, 3, 4)), card_for(version="2"))
    a_server.files["newer"] = newer.read_bytes()
    write_manifest(a_manifest, entry_of(newer, a_server.url("good", "newer")))
    status, out, err = call(
        capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes", "--json"
    )
    assert status == 0 and lines_of(out)[-1]["version"] == "2", err
    assert (a_home_without_weights / "small.safetensors").read_bytes() == newer.read_bytes()


def test_delete_takes_away_what_was_downloaded_and_nothing_else(
    a_manifest: Path, a_home_without_weights: Path, capsys: Any
) -> None:
    call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes")
    save_weights(a_home_without_weights, tensors_of(UNet(1, 2, 4)), card_for(name="mine"))
    (a_home_without_weights / (".download-" + "0" * 32)).write_bytes(b"half")
    status, out, err = call(capsys, "weights", "delete", "--downloaded")
    assert status == 2 and "small" in err and "mine" not in err and "--yes" in err
    status, out, err = call(capsys, "weights", "delete", "--downloaded", "--yes", "--json")
    assert status == 0 and json.loads(out)["deleted"] == ["small"]
    left = {path.name for path in a_home_without_weights.iterdir()}
    assert left == {"mine.safetensors", "mine.card.json"}
    status, out, _ = call(capsys, "weights", "delete", "mine", "--yes")
    assert status == 0 and "mine" in out and not list(a_home_without_weights.iterdir())


def test_weights_of_ones_own_under_a_downloaded_name_do_not_count_as_downloaded(
    a_manifest: Path, a_home_without_weights: Path, capsys: Any
) -> None:
    call(capsys, "weights", "download", "small", "--manifest", a_manifest, "--yes")
    save_weights(a_home_without_weights, tensors_of(UNet(1, 3, 4)), card_for())
    status, out, _ = call(capsys, "weights", "delete", "--downloaded", "--yes", "--json")
    assert status == 0 and json.loads(out)["deleted"] == []
    assert (a_home_without_weights / "small.safetensors").is_file()


def test_what_comes_with_the_extension_is_not_deleted(capsys: Any, some_weights: Path) -> None:
    for name in ("mr-brain", some_weights):
        status, out, _ = call(capsys, "weights", "delete", name, "--yes", "--json")
        assert status == 2 and json.loads(out)["error"]["code"] == "not-yours"
    assert some_weights.is_file()
    status, _, err = call(capsys, "weights", "delete", "--yes")
    assert status == 2 and "--downloaded" in err
