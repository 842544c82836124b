"""What is kept of a round so that it can be repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from torch import nn

from contrastive_seg.finetuning.session import FinetuningSession
from contrastive_seg.provenance import Round, array_sha256, settings_of


def round_of(
    session: FinetuningSession,
    cases: Sequence[dict[str, Any]],
    started: datetime,
    seconds: float,
    budget: float,
    stopped: bool,
) -> Round:
    """The record of the round that a session has just trained.

    Args:
        session: After ``train``.
        cases: Of :func:`~contrastive_seg.provenance.case_records`.
        started: In UTC.
        seconds: How long it took.
        budget: Seconds it was given.
        stopped: Whether the user stopped it.
    """
    state = session.state
    assert state is not None and session.trainer is not None
    resumed, session.began_from_checkpoint = session.began_from_checkpoint, False
    return Round(
        started.isoformat(timespec="seconds"),
        round(seconds, 3),
        budget,
        stopped,
        number=state.round,
        settings=settings_of(session.settings),
        device=str(session.compute.device),
        threads=session.threads,
        images=[one["image_sha256"] for one in cases],
        labels=[one["labels_sha256"] for one in cases],
        corrected=[one["corrected_slices"] for one in cases],
        schedule=state.schedules[-1].to_dict() if len(state.schedules) == state.round else None,
        from_checkpoint=resumed,
        from_preview=session.gave_preview,
        network_sha256=network_sha256(session.trainer.average.network),
    )


def network_sha256(network: nn.Module) -> str:
    """SHA256 of all tensors of a network with their names; the same on every device."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode("utf-8") + b"\0")
        digest.update(array_sha256(np.asarray(value.detach().cpu().contiguous().numpy())).encode("ascii"))
    return digest.hexdigest()
