"""Slices that were predicted and then corrected: always learnt from, never left out for the estimate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from contrastive_seg_phantom import keep_slices, two_organs
from hypothesis import given
from hypothesis import strategies as st

from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.checkpoint import RunState
from contrastive_seg.finetuning.held_out import choose_held_out
from contrastive_seg.finetuning.model import Architecture
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.runs import Job, JobCase, RunFolder

ANNOTATED = list(range(4, 40, 2))


def a_state() -> RunState:
    return RunState(Architecture(values=(0, 1), axes=(0,), pixel=1.0, width=8))


@given(
    st.sets(st.integers(0, 60), min_size=10, max_size=40), st.data(), st.sets(st.integers(0, 60), max_size=9)
)
def test_they_are_never_held_out_and_others_still_are(painted: set[int], data: st.DataObject, more: set[int]):
    chosen = data.draw(st.sets(st.sampled_from(sorted(painted)), max_size=len(painted) - 3))
    state, corrected = a_state(), {(0, 0, one) for one in chosen}
    slices = [(0, one, True) for one in sorted(painted)]
    held = choose_held_out([slices], state, corrected)
    assert held and not held & corrected
    assert corrected <= {tuple(one) for one in state.trained}
    later = [(0, one, True) for one in sorted(painted | more)]
    assert held <= choose_held_out([later], state, corrected)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1)])
def test_a_session_learns_from_all_of_them_whatever_the_orientation(tmp_path: Path, flips: tuple[int, ...]):
    volume, truth = two_organs((40, 24, 24))
    volume = Volume(volume.array, np.diag([*flips, 1.0]))
    labels = keep_slices(truth, ANNOTATED)

    def held(corrected: list[int], folder: str) -> set[tuple[int, int]]:
        settings = FinetuneSettings(device="cpu", steps=1, threads=1)
        session = FinetuningSession(tmp_path / folder, settings)
        session.set_cases([Case(volume, labels, frozenset((0, one) for one in corrected))])
        session.train()
        assert session.state is not None
        # back on the image's own axes
        return {(axis, 39 - i if flips[2] < 0 else i) for _case, axis, i in session.state.held_out}

    usual = held([], "usual")
    assert usual
    others = held([index for _axis, index in usual], "others")
    assert len(others) == len(usual) and not others & usual


def test_a_job_keeps_them(tmp_path: Path):
    folder = RunFolder(tmp_path).create()
    rows = tuple(map(tuple, np.eye(4).tolist()))
    case = JobCase("image.npy", "labels.npy", rows, corrected=((0, 3), (2, 7)))
    folder.write_job(Job((case, JobCase("other.npy", None, rows))))
    assert folder.read_job().cases[0] == case and folder.read_job().cases[1].corrected == ()
    assert "corrected" not in json.loads((tmp_path / "job.json").read_text("utf-8"))["cases"][1]
