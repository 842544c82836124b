"""Which slice to annotate next."""

import numpy as np
import pytest
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.data.sparse_labels import SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.suggestion import NEAREST, Profile, next_slices

ANNOTATED = [2, 6, 17, 21]


def profile(slices=40, annotated=(0, 10, 30, 39), **changes):
    same = {"area": np.full((1, slices), 100.0), "undecided": np.ones((1, slices))}
    known = np.isin(np.arange(slices), annotated)
    made = {**same, "disagreement": np.where(known, 0.0, 1.0)[None], **changes}
    made["undecided"] = np.where(known, 0.0, made["undecided"])
    return Profile(list(annotated), made["area"], made["undecided"], made["disagreement"])


def learnt(folder, volume, labels, steps=2):
    session = FinetuningSession(folder, FinetuneSettings(device="cpu", threads=1, steps=steps))
    session.set_cases([Case(volume, labels)])
    session.train()
    return session


def test_where_all_slices_are_alike_the_middle_of_the_largest_gap_is_suggested_first():
    assert 18 <= next_slices(profile(), 1)[0] <= 22


def test_several_suggestions_are_spread_apart_and_never_beside_an_annotated_slice():
    chosen = next_slices(profile(), 5)
    known = sorted([*chosen, 0, 10, 30, 39])
    assert len(set(chosen)) == 5 and min(np.diff(known)) > NEAREST


def test_disagreement_attracts_a_suggestion_into_a_smaller_gap():
    disagreement = np.zeros((1, 40))
    disagreement[0, 1:10] = 60.0
    assert 0 < next_slices(profile(disagreement=disagreement), 1)[0] < 10


def test_what_is_undecided_attracts_a_suggestion_too():
    undecided = np.zeros((1, 40))
    undecided[0, 31:39] = 60.0
    assert 30 < next_slices(profile(undecided=undecided), 1)[0] < 39


def test_a_small_structure_counts_as_much_as_a_large_one():
    area = np.stack([np.full(40, 10_000.0), np.full(40, 20.0)])
    doubt = np.zeros((2, 40))
    doubt[0, 11:30], doubt[1, 1:10] = 50.0, 5.0
    found = Profile([0, 10, 30, 39], area, np.zeros((2, 40)), doubt)
    assert 0 < next_slices(found, 1)[0] < 10


def test_where_everything_is_annotated_or_sure_nothing_is_suggested():
    nothing = np.zeros((1, 6))
    assert next_slices(Profile(list(range(6)), nothing + 1, nothing + 1, nothing + 1), 3) == []
    assert next_slices(Profile([0, 5], nothing + 1, nothing, nothing), 3) == []


def test_suggestions_lie_on_slices_that_nobody_has_annotated_and_give_numbers(tmp_path):
    volume, truth = two_organs()
    session = learnt(tmp_path, volume, keep_slices(truth, ANNOTATED))
    found = session.suggest(0, 3)
    assert len(found) == 3 and len({one.index for one in found}) == 3
    assert not {one.index for one in found} & set(ANNOTATED)
    assert 6 < found[0].index < 17, "the widest gap by far"
    first = found[0].as_dict()
    assert (first["plane"], first["axis"]) == ("axial", 0)
    nearest = min(abs(first["index"] - one) for one in ANNOTATED)
    assert first["distance"] == nearest
    assert first["distance_mm"] == pytest.approx(nearest * volume.spacing_zyx[0], abs=0.01)
    assert first["reason"] in ("change", "unsure", "far") and first["value"] in (1, 7)


def test_suggestions_are_on_the_axes_of_the_image_whichever_way_it_runs(tmp_path):
    volume, truth = two_organs()
    upright = learnt(tmp_path / "a", volume, keep_slices(truth, ANNOTATED)).suggest(0, 2)
    # the same patient, stored sagittally and from head to feet
    matrix = np.asarray(volume.ijk_to_ras, float)
    turned = matrix.copy()
    last = truth.shape[0] - 1
    turned[:, 0], turned[:, 1], turned[:, 2] = -matrix[:, 2], matrix[:, 0], matrix[:, 1]
    turned[:3, 3] = matrix[:3, 3] + last * matrix[:3, 2]
    image = np.ascontiguousarray(np.moveaxis(volume.array[::-1], 0, 2))
    labels = np.moveaxis(keep_slices(truth, ANNOTATED).array[::-1], 0, 2)
    session = learnt(tmp_path / "b", Volume(image, turned), SparseLabels(np.ascontiguousarray(labels)))
    found = session.suggest(0, 2)
    assert [one.axis for one in found] == [2, 2]
    assert [last - one.index for one in found] == [one.index for one in upright]


def test_new_annotations_are_heeded_before_anything_is_learnt_from_them(tmp_path):
    volume, truth = two_organs()
    session = learnt(tmp_path, volume, keep_slices(truth, ANNOTATED))
    first = session.suggest(0, 1)[0].index
    session.set_cases([Case(volume, keep_slices(truth, [*ANNOTATED, first]))])
    assert first not in [one.index for one in session.suggest(0, 3)]


def test_open_ends_are_asked_for(tmp_path):
    volume, truth = two_organs()
    found = learnt(tmp_path, volume, keep_slices(truth, [8, 11, 14])).suggest(0, 2)
    assert {one.reason for one in found} == {"end"}
    assert {one.index < 8 for one in found} == {True, False}, "one below and one above"


def test_a_structure_that_the_slices_on_both_sides_lack_is_not_what_they_disagree_about(tmp_path):
    volume, truth = two_organs()
    truth[13:] = np.where(truth[13:] == 7, 0, truth[13:])
    found = learnt(tmp_path, volume, keep_slices(truth, [1, 8, 15, 22])).suggest(0, 10)
    assert 7 in {one.value for one in found if 8 < one.index < 15}
    assert {one.value for one in found if one.index > 15} == {1}


def test_before_anything_is_learnt_a_sentence_says_so(tmp_path):
    session = FinetuningSession(tmp_path, FinetuneSettings(device="cpu"))
    with pytest.raises(ContrastiveSegError, match="Nothing has been learnt"):
        session.suggest(0, 1)
