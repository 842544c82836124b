"""Where and in which precision the network runs."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from dataclasses import dataclass

import torch

from contrastive_seg.errors import ContrastiveSegError


@dataclass(frozen=True)
class Compute:
    """A device and the precision that suits it.

    Attributes:
        device: Where tensors go.
        precision: dtype of autocast; float32 switches it off.
    """

    device: torch.device
    precision: torch.dtype = torch.float32

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Context in which the network runs in mixed precision."""
        if self.precision == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def describe(self) -> dict[str, object]:
        """Name, kind and memory for the user."""
        if self.device.type == "cuda":
            properties = torch.cuda.get_device_properties(self.device)
            name, memory = properties.name, properties.total_memory
        else:
            import psutil

            name, memory = self.device.type.upper(), psutil.virtual_memory().total
        return {
            "name": name,
            "kind": self.device.type,
            "memory_gb": round(memory / 2**30, 1),
            "precision": str(self.precision).removeprefix("torch."),
        }


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (else mixed precision only costs time)."""
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        probe = getattr(torch.cpu, name, None)
        if probe is not None and probe():
            return True
    return False


def usable_cores() -> int:
    """CPU cores this process may use: what OMP_NUM_THREADS says, or its affinity (a cluster's job).

    More threads than cores are far slower than one: they wait for each other in busy loops.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def load_in_background(*modules: str) -> None:
    """Imports modules that will be needed, while something else is done.

    PyTorch's optimisers import its compiler, which takes seconds that would be missing in a budget
    of one minute.
    """

    def load() -> None:
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)

    if any(module not in sys.modules for module in modules):
        _loading.append(threading.Thread(target=load, name=f"import {modules[0]}", daemon=True))
        _loading[-1].start()


_loading: list[threading.Thread] = []


def finish_loading() -> None:
    """Waits for :func:`load_in_background`: two threads must not import parts of MONAI at once."""
    while _loading:
        _loading.pop().join()


def list_devices() -> list[dict[str, object]]:
    """What :func:`choose_compute` can be asked for here: ``id``, ``name`` and ``memory_gb`` of each."""
    ids = ["cpu"]
    if torch.cuda.is_available():
        ids += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        ids.append("mps")
    found = []
    for one in ids:
        about = Compute(torch.device(one)).describe()
        found.append({"id": one, "name": about["name"], "memory_gb": about["memory_gb"]})
    return found


def choose_compute(device: str = "auto", threads: int | None = None) -> Compute:
    """The compute for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Args:
        device: What the user asked for.
        threads: CPU threads; None for all cores that this process may use.

    Raises:
        ContrastiveSegError: ``unknown-device``, also when the device is known but not there.
    """
    torch.set_num_threads(threads or usable_cores())
    name = device.strip().lower()
    mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise ContrastiveSegError(
            "unknown-device", f"'{device}' is not a device.", "Use auto, cpu, cuda, cuda:0 or mps."
        )
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= count:
            raise ContrastiveSegError(
                "unknown-device",
                f"The device '{device}' is not there: PyTorch finds {count} CUDA GPU(s).",
                "Choose auto or cpu, or install a PyTorch build that supports the GPU.",
            )
        precision = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return Compute(torch.device(name), precision)
    if kind == "mps" and not mps:
        raise ContrastiveSegError("unknown-device", "The device 'mps' is not there.", "Choose auto or cpu.")
    precision = torch.bfloat16 if kind == "cpu" and cpu_has_bfloat16() else torch.float32
    return Compute(torch.device(kind), precision)
