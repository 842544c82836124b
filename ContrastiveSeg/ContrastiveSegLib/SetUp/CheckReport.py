"""What the test in the child process found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

CPU_BUILD = "cpu-build"
_OF_TORCH = {CPU_BUILD, "build-does-not-fit", "device-failed", "died", "torch-broken"}


@dataclass(frozen=True)
class CheckReport:
    """An answer of ``python -m contrastive_seg.selfcheck --json``.

    Attributes:
        torch: Version of PyTorch that was loaded; empty where it could not be.
        cuda: CUDA version it was built for; empty for a build for processors.
        device: Name of the device that a learning uses; empty where none could be tried.
        kind: ``cpu``, ``cuda`` or ``mps``.
        memory: Memory of the device in GiB.
        milliseconds: What the test calculation took; None where it was not reached.
        code: What is wrong, e.g. ``cpu-build``; empty where nothing is.
        problem: The same as a sentence.
        whatToDo: How to put it right.
        folder: Where packages are installed.
        writable: Whether they can be.
        free: Free space there, in GiB; None where it is not known.
    """

    torch: str = ""
    cuda: str = ""
    device: str = ""
    kind: str = ""
    memory: float = 0.0
    milliseconds: float | None = None
    code: str = ""
    problem: str = ""
    whatToDo: str = ""
    folder: str = ""
    writable: bool = True
    free: float | None = None

    @classmethod
    def of(cls, found: dict[str, Any]) -> CheckReport:
        """Takes what the child process printed; what is missing in it stays empty."""
        torch, device = found.get("torch") or {}, found.get("device") or {}
        problem, free = found.get("problem") or {}, found.get("free_gb")
        milliseconds = found.get("milliseconds")
        return cls(
            torch=str(torch.get("version") or ""),
            cuda=str(torch.get("cuda") or ""),
            device=str(device.get("name") or ""),
            kind=str(device.get("kind") or ""),
            memory=float(device.get("memory_gb") or 0.0),
            milliseconds=None if milliseconds is None else float(milliseconds),
            code=str(problem.get("code") or ""),
            problem=str(problem.get("sentence") or ""),
            whatToDo=str(problem.get("what_to_do") or ""),
            folder=str(found.get("folder") or ""),
            writable=found.get("writable") is not False,
            free=None if free is None else float(free),
        )

    @property
    def works(self) -> bool:
        """Whether a learning can run, if slowly."""
        return bool(self.device) and (not self.code or self.isSlow)

    @property
    def isSlow(self) -> bool:
        """Whether the computer has a GPU that is not used."""
        return self.code in (CPU_BUILD, "gpu-not-usable")

    @property
    def needsTorchAgain(self) -> bool:
        """Whether PyTorch must be installed again, although its version is right."""
        return self.code in _OF_TORCH

    @property
    def brokenPackage(self) -> str:
        """Name of the package that cannot be loaded; empty where all can."""
        return self.code.removesuffix("-broken") if self.code.endswith("-broken") else ""

    def deviceWords(self) -> str:
        """The device in a few words; empty where none was tried."""
        if not self.device:
            return ""
        name = _("the processor (CPU)") if self.kind == "cpu" else self.device
        memory = _("{memory:.0f} GB").format(memory=self.memory) if self.memory else ""
        return f"{name}, {memory}" if memory else name

    def detailWords(self) -> str:
        """Versions and the test, for the section's last line."""
        if not self.device:
            return ""
        words = [_("PyTorch {version}").format(version=self.torch)]
        words.append(_("CUDA {version}").format(version=self.cuda) if self.cuda else _("no CUDA"))
        if self.milliseconds is not None and not self.code:
            words.append(_("test calculation correct, {time:.1f} ms").format(time=self.milliseconds))
        return ", ".join(words)
