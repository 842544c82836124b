"""What segments other patients is learnt once, from the whole masks of those that were painted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contrastive_seg_phantom import dice, keep_slices, two_organs

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.checkpoint import TENSORS, load_state
from contrastive_seg.finetuning.events import Progress
from contrastive_seg.finetuning.for_others import FOLDER, MISSING, ForOthers, branch, stored_for_others
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.inference.scores import Stopped
from contrastive_seg.provenance import Round, array_sha256

SLICES = [2, 6, 12, 17, 21]


@pytest.fixture
def a_case() -> Case:
    volume, truth = two_organs()
    return Case(volume, keep_slices(truth, SLICES))


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    volume, truth = two_organs()
    folder = tmp_path_factory.mktemp("others") / "run"
    session = FinetuningSession(folder, FinetuneSettings(device="cpu", threads=1, steps=40))
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    session.train()
    return folder


@pytest.fixture
def a_session(tmp_path: Path, a_run: Path) -> FinetuningSession:
    shutil.copytree(a_run, tmp_path / "run")
    return FinetuningSession.resume(tmp_path / "run", FinetuneSettings(device="cpu", threads=1, steps=3))


def network_of(session: FinetuningSession) -> torch.nn.Module:
    assert session.trainer is not None
    return session.trainer.average.network


def weights(session: FinetuningSession) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network_of(session).state_dict().items()}


def never() -> list[Case]:
    raise AssertionError("nothing is to be learnt")


def test_another_patient_is_segmented_better_and_the_first_network_stays_as_it_is(
    a_session: FinetuningSession, a_case: Case
) -> None:
    a_session.settings = replace(a_session.settings, steps=40)
    before = weights(a_session)
    told: list[Progress] = []
    others = ForOthers(a_session.folder, a_session, lambda: [a_case])
    assert not others.is_ready
    session = others.session(told.append)
    assert others.is_ready and session is not a_session and others.session() is session
    assert all(torch.equal(value, before[key]) for key, value in weights(a_session).items())
    assert session.step == a_session.step + 40
    fractions = [one.fraction for one in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert {one.stage for one in told} == {"preparing"}
    gains = []
    for seed in (1, 2, 3):
        volume, truth = two_organs(seed=seed)
        for value in (1, 7):
            mine, theirs = (one.predict(volume).labels for one in (session, a_session))
            gains.append(dice(mine, truth, value) - dice(theirs, truth, value))
    assert np.mean(gains) > 0


def test_what_was_learnt_for_others_is_found_again_until_the_run_goes_on(
    a_session: FinetuningSession, a_case: Case
) -> None:
    run = a_session.folder
    volume, _ = two_organs(seed=4)
    found = ForOthers(run, a_session, lambda: [a_case]).session().predict(volume)
    again = FinetuningSession.resume(run, a_session.settings)
    found_again = ForOthers(run, again, never).session().predict(volume)
    np.testing.assert_array_equal(found_again.probability, found.probability)

    a_session.set_cases([a_case])
    a_session.train()
    assert stored_for_others(run, network_of(a_session)) is None
    fresh = ForOthers(run, a_session, lambda: [a_case]).session()
    assert fresh.step == a_session.step + 3
    assert stored_for_others(run, network_of(a_session)) == run / FOLDER
    state = load_state(run / FOLDER)
    assert state.dice == {} and state.held_out == []  # its masks are no truth to estimate with


def test_a_run_that_was_learnt_anew_is_not_mistaken_for_the_former_one(
    a_session: FinetuningSession, a_case: Case
) -> None:
    run = a_session.folder
    ForOthers(run, a_session, lambda: [a_case]).session()
    anew = FinetuningSession(run, replace(a_session.settings, seed=1, steps=a_session.step))
    anew.set_cases([a_case])
    anew.train()
    assert anew.step == a_session.step  # as many steps, another network
    assert stored_for_others(run, network_of(a_session)) == run / FOLDER
    assert stored_for_others(run, network_of(anew)) is None
    (run / FOLDER / "origin.json").write_text("[]", "utf-8")
    assert stored_for_others(run, network_of(a_session)) is None


def test_what_was_learnt_from_other_images_than_the_run_is_not_taken(
    a_session: FinetuningSession, a_case: Case
) -> None:
    run = a_session.folder
    ForOthers(run, a_session, lambda: [a_case]).session()
    for image, expected in ((a_case.volume.array, run / FOLDER), (a_case.volume.array[::-1], None)):
        one = Round("", 1.0, 1.0, number=1, images=[array_sha256(image)])
        (run / "provenance.json").write_text(json.dumps({"rounds": [asdict(one)]}), "utf-8")
        assert stored_for_others(run, network_of(a_session)) == expected


def test_nothing_is_learnt_where_all_was_labelled(a_session: FinetuningSession) -> None:
    volume, truth = two_organs()
    complete = Case(volume, SparseLabels(np.asarray(truth, np.int16)))
    others = ForOthers(a_session.folder, a_session, lambda: [complete])
    assert others.session() is a_session and not others.warning
    assert not (a_session.folder / FOLDER).exists()


def test_volumes_that_are_gone_are_a_warning_and_others_than_they_were_an_error(
    a_session: FinetuningSession,
) -> None:
    def refuse(code: str) -> list[Case]:
        raise ContrastiveSegError(code, "It is not there.", "Put it back.")

    others = ForOthers(a_session.folder, a_session, lambda: refuse(MISSING))
    others.prepare()
    assert others.is_ready and others.session() is a_session
    assert others.warning == "It is not there. Put it back."
    with pytest.raises(ContrastiveSegError, match="It is not there"):
        ForOthers(a_session.folder, a_session, lambda: refuse("input-changed")).session()
    assert not (a_session.folder / FOLDER).exists()


def test_a_complete_volume_beside_a_painted_one_keeps_its_labels(
    a_session: FinetuningSession, a_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, truth = two_organs(seed=5)
    complete = Case(volume, SparseLabels(np.asarray(truth, np.int16)))
    seen: list[Case] = []
    taken = FinetuningSession.set_cases

    def watched(session: FinetuningSession, cases: Sequence[Case]) -> None:
        seen.extend(cases)
        taken(session, cases)

    monkeypatch.setattr(FinetuningSession, "set_cases", watched)
    ForOthers(a_session.folder, a_session, lambda: [a_case, complete]).session()
    np.testing.assert_array_equal(seen[1].labels.array, truth)
    known = a_case.labels.array != IGNORE
    np.testing.assert_array_equal(seen[0].labels.array[known], a_case.labels.array[known])
    assert (seen[0].labels.array > IGNORE).all()


def test_stopped_it_leaves_nothing_and_is_learnt_the_next_time(
    a_session: FinetuningSession, a_case: Case
) -> None:
    others = ForOthers(a_session.folder, a_session, lambda: [a_case])
    told: list[Progress] = []
    with pytest.raises(Stopped):
        others.session(told.append, lambda: bool(told) and told[-1].fraction > 0.3)
    assert not others.is_ready and not (a_session.folder / FOLDER / TENSORS).exists()
    assert others.session() is not a_session


def test_a_run_that_cannot_be_written_to_is_used_nevertheless(
    a_session: FinetuningSession, a_case: Case
) -> None:
    (a_session.folder / FOLDER).write_text("in the way", "utf-8")
    session = ForOthers(a_session.folder, a_session, lambda: [a_case]).session()
    assert session is not a_session
    assert stored_for_others(a_session.folder, network_of(a_session)) is None


def test_a_session_that_has_learnt_nothing_cannot_be_gone_on_from(tmp_path: Path) -> None:
    session = FinetuningSession(tmp_path / "new", FinetuneSettings(device="cpu", steps=2))
    with pytest.raises(ContrastiveSegError, match="Nothing has been learnt"):
        branch(session, tmp_path / "other", session.settings)


def test_what_hangs_together_is_not_found_elsewhere_in_others(tmp_path: Path) -> None:
    volume, truth = two_organs()
    settings = FinetuneSettings(device="cpu", threads=1, steps=60)
    session = FinetuningSession(tmp_path / "run", settings)
    session.set_cases([Case(volume, SparseLabels(np.where(truth == 1, truth, 0).astype(np.int16)))])
    session.train()
    session = FinetuningSession.resume(tmp_path / "run", settings)
    assert session.state is not None and session.state.one_piece
    other, _ = two_organs(seed=3)
    elsewhere = (slice(4, 20), slice(36, 46), slice(38, 54))
    image = other.array.copy()
    image[elsewhere] += 70
    other = replace(other, array=image)
    found = session.predict(other)
    session.state.one_piece = False
    everything = session.predict(other)
    wrong = everything.labels[elsewhere] > 0
    assert wrong.sum() > 200
    assert not (found.labels[elsewhere] > 0).any() and found.elsewhere_voxels >= wrong.sum()
    assert (found.uncertainty[elsewhere][wrong] == 100).all()
    kept = found.labels > 0
    np.testing.assert_array_equal(found.labels[kept], everything.labels[kept])
    session.state.one_piece = True
    told = session.predict(other, keep_slices(truth, SLICES))
    assert told.elsewhere_voxels == 0  # a volume of which something is painted says itself what is there


def test_organs_apart_are_looked_for_everywhere(a_session: FinetuningSession) -> None:
    volume, truth = two_organs()
    a_session.set_cases([Case(volume, SparseLabels(truth))])
    a_session.train()
    assert a_session.state is not None and not a_session.state.one_piece


def whole(seed: int, extra: int = 0) -> Case:
    """Another patient of whom somebody has said that the mask is right."""
    volume, truth = two_organs(seed=seed)
    labels = np.asarray(truth, np.int16).copy()
    labels[0, 0, 0] = extra
    return Case(volume, SparseLabels(labels))


def test_reviewed_patients_are_learnt_from_and_that_is_kept_until_others_are_reviewed(
    a_session: FinetuningSession, a_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = a_session.folder, []
    taken = FinetuningSession.set_cases

    def watched(session: FinetuningSession, cases: Sequence[Case]) -> None:
        seen.append(list(cases))
        taken(session, cases)

    monkeypatch.setattr(FinetuningSession, "set_cases", watched)
    first, second = whole(5), whole(6, extra=99)
    ForOthers(run, a_session, lambda: [a_case], [first, second]).session()
    assert [len(cases) for cases in seen] == [3]
    np.testing.assert_array_equal(seen[0][1].labels.array, first.labels.array)
    assert seen[0][2].labels.values == (0, 1, 7)  # the run knows of no 99

    network = network_of(a_session)
    assert stored_for_others(run, network, [second, first]) == run / FOLDER
    assert stored_for_others(run, network) == run / FOLDER  # whoever does not ask takes what is there
    for others in ([], [first], [first, whole(6)]):
        assert stored_for_others(run, network, others) is None
    ForOthers(run, a_session, never, [second, first]).session()
    ForOthers(run, a_session, lambda: [a_case], []).session()
    assert [len(cases) for cases in seen] == [3, 1]
    assert stored_for_others(run, network, []) == run / FOLDER
    assert stored_for_others(run, network, [first, second]) is None


def test_reviewed_patients_are_learnt_from_also_where_the_first_one_was_complete_or_is_gone(
    a_session: FinetuningSession,
) -> None:
    volume, truth = two_organs()
    complete = Case(volume, SparseLabels(np.asarray(truth, np.int16)))
    others = ForOthers(a_session.folder, a_session, lambda: [complete], [whole(5)])
    assert others.session() is not a_session and not others.warning
    shutil.rmtree(a_session.folder / FOLDER)

    def gone() -> list[Case]:
        raise ContrastiveSegError(MISSING, "It is not there.", "Put it back.")

    others = ForOthers(a_session.folder, a_session, gone, [whole(5)])
    others.prepare()
    assert others.warning and not others.is_ready
    assert others.session() is not a_session
    assert not (a_session.folder / FOLDER).exists()  # the next time the first one may be back
