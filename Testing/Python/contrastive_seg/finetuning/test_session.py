import numpy as np
import pytest
from contrastive_seg_phantom import dice, keep_slices, two_organs

from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning import session as session_module
from contrastive_seg.finetuning.events import Preview, Progress
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.trainer import Trainer
from contrastive_seg.runs import HistoryPoint

SLICES = [2, 6, 12, 17, 21]


def session_in(folder, **changes) -> FinetuningSession:
    return FinetuningSession(folder, FinetuneSettings(**{"device": "cpu", "steps": 50, **changes}))


@pytest.fixture
def a_trained_session(tmp_path):
    volume, truth = two_organs()
    session = session_in(tmp_path)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    return session, volume, truth, session.train()[0]


def test_a_few_slices_become_the_whole_volume(a_trained_session):
    _, _, truth, prediction = a_trained_session
    assert prediction.labels.dtype == np.uint8 and prediction.labels.shape == truth.shape
    assert dice(prediction.labels, truth, 1) > 0.9
    assert dice(prediction.labels, truth, 7) > 0.9


def test_annotated_voxels_stay_as_they_were_painted(a_trained_session):
    _, _, truth, prediction = a_trained_session
    np.testing.assert_array_equal(prediction.labels[SLICES], truth[SLICES])
    assert (prediction.uncertainty[SLICES] == 0).all()


def test_uncertainty_is_larger_where_the_prediction_is_wrong(a_trained_session):
    _, _, truth, prediction = a_trained_session
    wrong = prediction.labels != truth
    assert prediction.uncertainty[wrong].mean() > 5 * prediction.uncertainty[~wrong].mean()


def test_the_same_seed_gives_the_same_mask_and_another_seed_another(tmp_path):
    volume, truth = two_organs()
    results = []
    for number, seed in enumerate((3, 3, 4)):
        session = session_in(tmp_path / str(number), seed=seed, steps=6)
        session.set_cases([Case(volume, keep_slices(truth, SLICES))])
        results.append(session.train()[0].probability)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_events_tell_progress_previews_and_the_learning_curve(tmp_path):
    volume, truth = two_organs()
    session = session_in(tmp_path)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    events = []
    session.train(events.append)
    fractions = [e.fraction for e in events if isinstance(e, Progress)]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    previews = [e for e in events if isinstance(e, Preview)]
    assert dice(previews[0].prediction.labels, truth, 1) > 0.7  # what interpolation alone gives
    losses = [e.loss for e in events if isinstance(e, HistoryPoint)]
    assert losses[-1] < losses[0]


def test_slices_in_mixed_planes_are_learnt_together(tmp_path):
    volume, truth = two_organs((32, 40, 48))
    sparse = keep_slices(truth, [4, 16, 28], axis=0).array
    for index in (8, 20, 32):
        sparse[:, index] = truth[:, index]
    session = session_in(tmp_path, steps=30)
    session.set_cases([Case(volume, SparseLabels(sparse))])
    prediction = session.train()[0]
    assert set(session.state.architecture.axes) == {0, 1}
    assert dice(prediction.labels, truth, 1) > 0.88


def test_scribbles_are_enough_for_a_mask(tmp_path):
    volume, truth = two_organs()
    sparse = np.full(truth.shape, IGNORE, dtype=np.int16)
    for index in (6, 12, 18):
        sparse[index, ::4, ::3] = truth[index, ::4, ::3]
    session = session_in(tmp_path, steps=150)
    session.set_cases([Case(volume, SparseLabels(sparse))])
    prediction = session.train()[0]
    assert dice(prediction.labels, truth, 1) > 0.85


def test_an_oblique_flipped_volume_gives_the_same_mask_as_the_upright_one(tmp_path):
    volume, truth = two_organs()
    upright = session_in(tmp_path / "a", steps=8)
    upright.set_cases([Case(volume, keep_slices(truth, SLICES))])
    expected = upright.train()[0].labels
    # The same patient stored as (x, z, y) with x and z reversed.
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    matrix[1, 0], matrix[2, 1], matrix[0, 2] = 0.8, -1.5, -0.8

    def store(array):
        return np.transpose(array, (2, 0, 1))[::-1, ::-1]

    turned = session_in(tmp_path / "b", steps=8)
    turned.set_cases(
        [
            Case(
                Volume(store(volume.array), matrix, "turned"),
                SparseLabels(store(keep_slices(truth, SLICES).array)),
            )
        ]
    )
    np.testing.assert_array_equal(turned.train()[0].labels, store(expected))


def test_a_run_continues_from_its_checkpoint(a_trained_session, tmp_path):
    session, volume, truth, _before = a_trained_session
    resumed = FinetuningSession.resume(session.folder, FinetuneSettings(device="cpu", steps=5))
    assert resumed.step == 50
    np.testing.assert_array_equal(resumed.predict(volume).labels, session.predict(volume).labels)
    resumed.set_cases([Case(volume, keep_slices(truth, [*SLICES, 9]))])
    after = resumed.train()[0]
    assert resumed.step == 55 and resumed.state.round == 2
    assert dice(after.labels, truth, 1) > 0.9


def test_a_new_structure_in_a_later_round_keeps_what_was_learnt(a_trained_session):
    session, volume, truth, _ = a_trained_session
    more = truth.copy()
    more[:, :8, :8] = 9
    session.set_cases([Case(volume, keep_slices(more, SLICES))])
    prediction = session.train()[0]
    assert session.state.architecture.values == (0, 1, 7, 9)
    assert dice(prediction.labels, truth, 1) > 0.85
    assert dice(prediction.labels, more, 9) > 0.5


def test_another_volume_is_segmented_without_annotations(tmp_path):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=80)
    session.set_cases([Case(volume, SparseLabels(truth))])
    session.train()
    other, other_truth = two_organs((20, 52, 60), seed=5)
    assert dice(session.predict(other).labels, other_truth, 1) > 0.7


def test_stop_keeps_the_best_so_far(tmp_path):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=10_000)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    prediction = session.train(should_stop=lambda: session.step >= 3)[0]
    assert session.step == 3
    assert dice(prediction.labels, truth, 1) > 0.6


def test_held_out_slices_are_never_trained_on_and_give_the_estimate(tmp_path):
    volume, truth = two_organs((40, 40, 40))
    session = session_in(tmp_path)
    session.set_cases([Case(volume, keep_slices(truth, list(range(4, 40, 2))))])
    session.train()
    held = {tuple(s) for s in session.state.held_out}
    assert held and not held & {tuple(s) for s in session.state.trained}
    assert 0.7 < session.state.dice[1] <= 1
    session.set_cases([Case(volume, keep_slices(truth, list(range(4, 40))))])
    session.train()
    later = {tuple(s) for s in session.state.held_out}
    assert held <= later and not later & {tuple(s) for s in session.state.trained}


@pytest.mark.parametrize(
    ("fill", "code"), [(IGNORE, "no-annotation"), (0, "no-annotation"), (3, "one-class")]
)
def test_annotations_that_cannot_teach_are_refused_with_a_sentence(tmp_path, fill, code):
    volume, truth = two_organs()
    session = session_in(tmp_path)
    with pytest.raises(ContrastiveSegError) as caught:
        session.set_cases([Case(volume, SparseLabels(np.full(truth.shape, fill, np.int16)))])
    assert caught.value.code == code and caught.value.what_to_do


def test_labels_of_another_shape_are_refused(tmp_path):
    volume, _ = two_organs()
    with pytest.raises(ContrastiveSegError, match="shape") as caught:
        session_in(tmp_path).set_cases([Case(volume, SparseLabels(np.zeros((2, 2, 2), np.int16)))])
    assert caught.value.code == "label-outside-image"


def test_short_memory_makes_the_batch_smaller_and_goes_on(tmp_path, monkeypatch):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=3)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    session._prepare(lambda: False)
    trainer = session._ready_trainer()
    original = trainer.step

    def greedy(*arguments):
        if trainer.batch > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return original(*arguments)

    monkeypatch.setattr(trainer, "step", greedy)
    notes = []
    session.train(lambda e: notes.append(e) if hasattr(e, "sentence") else None)
    assert trainer.batch == 2 and session.step == 3
    assert [n.code for n in notes] == ["out-of-memory", "out-of-memory"]


def test_when_memory_never_suffices_the_error_says_what_to_do(tmp_path, monkeypatch):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=3)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])

    def always(*arguments):
        raise MemoryError

    monkeypatch.setattr(Trainer, "step", always)
    with pytest.raises(ContrastiveSegError) as caught:
        session.train()
    assert caught.value.code == "out-of-memory" and "crop" in caught.value.what_to_do


def test_a_damaged_checkpoint_is_named(a_trained_session):
    session, *_ = a_trained_session
    path = session.folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ContrastiveSegError, match="checkpoint") as caught:
        FinetuningSession.resume(session.folder)
    assert caught.value.code == "bad-checkpoint"


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(ContrastiveSegError) as caught:
        FinetuningSession.resume(tmp_path)
    assert caught.value.code == "no-checkpoint"


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpu:0", "cuda:x"])
def test_an_unknown_device_is_refused(tmp_path, device):
    with pytest.raises(ContrastiveSegError) as caught:
        session_in(tmp_path, device=device)
    assert caught.value.code == "unknown-device"


def test_stop_does_not_wait_for_a_large_volume_to_be_predicted_again(tmp_path, monkeypatch):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=50)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    shown = []
    monkeypatch.setattr(session_module, "_AT_ONCE", 0.0)
    stopped = session.train(
        lambda event: shown.append(event.prediction) if isinstance(event, Preview) else None,
        should_stop=lambda: session.step >= 3,
    )[0]
    np.testing.assert_array_equal(stopped.labels, shown[-1].labels)
    assert session.step == 3 and FinetuningSession.resume(session.folder).step == 3


def test_a_later_round_on_the_same_image_does_not_register_it_again(tmp_path):
    volume, truth = two_organs()
    session = session_in(tmp_path, steps=3)
    session.set_cases([Case(volume, keep_slices(truth, SLICES))])
    session.train()
    before = session._prepared[0].views[0]
    again = Volume(volume.array.copy(), volume.ijk_to_ras, "opened again")
    session.set_cases([Case(again, keep_slices(truth, [*SLICES, 9]))])
    after = session._prepare(lambda: False)[0].views[0]
    assert after.view is before.view and after.propagator.down is before.propagator.down
    assert len(after.samples) == len(before.samples) + 1

    changed = Volume(volume.array + 1, volume.ijk_to_ras, "another image")
    session.set_cases([Case(changed, keep_slices(truth, SLICES))])
    other = session._prepare(lambda: False)[0].views[0]
    assert other.view is not before.view and other.propagator.down is not before.propagator.down
