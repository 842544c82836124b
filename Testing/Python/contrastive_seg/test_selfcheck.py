"""The check of what is installed, in this process and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch

from contrastive_seg import gpu_probe, selfcheck
from contrastive_seg.gpu_probe import Gpu

ENGINE = Path(selfcheck.__file__).parents[1]
CARD = Gpu("NVIDIA RTX A4000", 16.0, "nvidia", "550.54")
on_a_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this computer has a GPU that works")


def test_what_nvidia_smi_says_is_understood() -> None:
    text = "NVIDIA RTX A4000, 16376, 550.54.15\nNVIDIA H200, 143771, 570.1\nOdd one, [N/A], 470\n"
    assert gpu_probe.parse_nvidia_smi(text) == [
        Gpu("NVIDIA RTX A4000", 16.0, "nvidia", "550.54.15"),
        Gpu("NVIDIA H200", 140.4, "nvidia", "570.1"),
        Gpu("Odd one", 0.0, "nvidia", "470"),
    ]
    assert gpu_probe.parse_nvidia_smi("No devices were found\n") == []


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is a shell script")
def test_nvidia_smi_is_asked_and_one_that_fails_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA RTX A4000, 16376, 550.54'\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert gpu_probe.find_gpus() == [CARD]
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n", "utf-8")
    monkeypatch.setattr(gpu_probe, "_DRIVER_LIBRARIES", {})
    assert gpu_probe.find_gpus() == []


@on_a_cpu
def test_a_gpu_that_a_build_for_processors_cannot_use_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "find_gpus", lambda: [CARD])
    monkeypatch.setattr(torch.version, "cuda", None)
    found = selfcheck.check()
    assert found["problem"]["code"] == "cpu-build" and CARD.name in found["problem"]["sentence"]
    assert found["device"]["kind"] == "cpu" and found["milliseconds"] > 0


@on_a_cpu
def test_a_gpu_whose_driver_is_too_old_is_another_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "find_gpus", lambda: [CARD])
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    problem = selfcheck.check()["problem"]
    assert problem["code"] == "gpu-not-usable" and "driver 550.54" in problem["sentence"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "build-does-not-fit"),
        ("CUDA error: unknown error", "device-failed"),
    ],
)
def test_a_test_calculation_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, error: str, code: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"{error}\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.nn.functional, "conv2d", fail)
    assert selfcheck.check()["problem"]["code"] == code


def test_a_device_that_calculates_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch.nn.functional.conv2d
    calls = iter(range(10))
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *a: right(*a) + (next(calls) == 1))
    assert selfcheck.check()["problem"]["code"] == "wrong-numbers"


def test_it_answers_with_one_line_of_json_in_a_process_of_its_own() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "contrastive_seg.selfcheck", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = json.loads(done.stdout)
    assert found["type"] == "selfcheck" and found["versions"]["torch"] == metadata.version("torch")
    assert done.returncode == (1 if found["problem"] else 0)


def test_without_any_package_it_still_answers(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
    command = [sys.executable, "-S", "-m", "contrastive_seg.selfcheck", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = json.loads(done.stdout)
    assert found["problem"]["code"] == "missing" and done.returncode == 1
    assert found["free_gb"] > 0


def test_in_words_it_ends_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    selfcheck.main([])
    assert capsys.readouterr().out.strip().endswith(".")
