"""A round of a fixed number of steps that was killed ends as if it had not been."""

from pathlib import Path

import pytest
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.finetuning import training_loop
from contrastive_seg.finetuning.record import network_sha256
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.trainer import Trainer

STEPS, KILLED_AFTER = 9, 5
SETTINGS = FinetuneSettings(device="cpu", threads=1, steps=STEPS)


def learn(session: FinetuningSession) -> FinetuningSession:
    volume, truth = two_organs((16, 36, 40), 0)
    session.set_cases([Case(volume, keep_slices(truth, [3, 7, 11]))])
    session.train(predict=False)
    return session


def test_the_steps_of_a_killed_round_are_made_up_and_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learn(FinetuningSession(tmp_path / "whole", SETTINGS))

    step = Trainer.step_or_retreat

    def killed(trainer: Trainer, *arguments: object) -> float:
        if trainer.step_count == KILLED_AFTER:
            raise KeyboardInterrupt
        return step(trainer, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        patch.setattr(Trainer, "step_or_retreat", killed)
        with pytest.raises(KeyboardInterrupt):
            learn(FinetuningSession(tmp_path / "killed", SETTINGS))
    resumed = FinetuningSession.resume(tmp_path / "killed", SETTINGS)
    assert resumed.step == KILLED_AFTER
    learn(resumed)
    assert resumed.step == STEPS == whole.step
    assert resumed.state is not None and whole.state is not None and resumed.state.round == 1
    assert resumed.state.schedules[0].fractions == whole.state.schedules[0].fractions
    networks = [one.trainer.average.network for one in (resumed, whole) if one.trainer is not None]
    assert network_sha256(networks[0]) == network_sha256(networks[1])
    learn(resumed)
    assert resumed.step == 2 * STEPS, "a later round has all its steps"
