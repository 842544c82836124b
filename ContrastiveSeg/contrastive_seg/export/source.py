"""What is exported: the network of a run's checkpoint, and what is known about it."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import TENSORS, RunState, load_network
from contrastive_seg.finetuning.for_others import stored_for_others
from contrastive_seg.runs import RunFolder


@dataclass(frozen=True)
class Source:
    """A run that can be exported: what it learnt for other volumes where there is that.

    Attributes:
        folder: Its folder.
        state: Of its checkpoint.
        network: That predicts, on the CPU, in evaluation mode.
        names: Names of the label values, background included.
        provenance: What is stored of how it came about; may be empty.
        sha256: Of the checkpoint.
    """

    folder: RunFolder
    state: RunState
    network: nn.Module
    names: dict[int, str]
    provenance: dict[str, Any]
    sha256: str

    @classmethod
    def of(cls, run: Path) -> Source:
        """The run in a folder.

        Raises:
            ContrastiveSegError: ``no-checkpoint`` or ``bad-checkpoint``.
        """
        folder = RunFolder(run)
        place = run
        state, network = load_network(run)
        better = stored_for_others(run, network)
        if better is not None:
            place = better
            state, network = load_network(better)
        names = {0: "Background"}
        with contextlib.suppress(ContrastiveSegError):  # the checkpoint is enough
            names |= {segment.value: segment.name for segment in folder.read_job().segments}
        for value in state.architecture.values:
            names.setdefault(value, f"Structure {value}")
        return cls(folder, state, network, names, folder.read_provenance(), _sha256(place / TENSORS))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
