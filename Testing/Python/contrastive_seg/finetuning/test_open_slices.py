"""Annotated slices that say nothing about structures painted on other slices."""

import numpy as np
import pytest
import torch
from contrastive_seg_phantom import dice, keep_slices, two_organs

from contrastive_seg.data.sparse_labels import IGNORE, OPEN, SparseLabels
from contrastive_seg.finetuning.case_data import plan_axes
from contrastive_seg.finetuning.kept_labels import keep_labels, kept_labels
from contrastive_seg.finetuning.open_slices import carried, filled, settled, unsaid
from contrastive_seg.finetuning.session import Case, FinetuningSession
from contrastive_seg.finetuning.settings import FinetuneSettings
from contrastive_seg.finetuning.view import View, region_of_interest
from contrastive_seg.preprocessing import Normalisation
from contrastive_seg.priors.propagation import Propagator

SPACING = (1.5, 0.8, 0.8)
FIRST, SECOND = [5, 10, 13, 18], [6, 11, 17]
VALUES = (0, 1, 7)


def painted(truth, open_places=True):
    """Organ 1 on FIRST only and organ 7 on SECOND only; open or background where the other one may be."""
    array = keep_slices(truth, sorted([*FIRST, *SECOND])).array.copy()
    for value, slices, others in ((1, FIRST, SECOND), (7, SECOND, FIRST)):
        rows, columns = np.nonzero((truth == value).any(axis=0))
        place = np.s_[rows.min() - 2 : rows.max() + 3, columns.min() - 2 : columns.max() + 3]
        for index in others:
            array[index][array[index] == value] = 0
            if open_places and slices[0] < index < slices[-1]:
                array[index][place][array[index][place] == 0] = OPEN
    return array


def learnt(folder, volume, array):
    session = FinetuningSession(folder, FinetuneSettings(device="cpu", threads=1, steps=2))
    session.set_cases([Case(volume, SparseLabels(array))])
    return session, session.train()[0].labels


def test_structures_painted_on_different_slices_are_found_on_all(tmp_path):
    volume, truth = two_organs()
    _session, found = learnt(tmp_path / "open", volume, painted(truth))
    _session, closed = learnt(tmp_path / "closed", volume, painted(truth, open_places=False))
    between = slice(6, 18)
    for value in (1, 7):
        assert dice(found[between], truth[between], value) > 0.9
        assert (
            dice(found[between], truth[between], value) > dice(closed[between], truth[between], value) + 0.1
        )


def test_what_was_painted_and_what_is_background_stays_as_it_is(tmp_path):
    volume, truth = two_organs()
    array = painted(truth)
    session, found = learnt(tmp_path, volume, array)
    known = array >= 0
    assert np.array_equal(found[known], array[known])
    assert not {one.index for one in session.suggest(0, 5)} & {*FIRST, *SECOND}


def test_slices_with_open_places_are_annotated_and_those_of_which_something_is_unsaid_are_not():
    _volume, truth = two_organs()
    array = painted(truth)
    labels = SparseLabels(array)
    slices = sorted([*FIRST, *SECOND])
    plan = plan_axes(labels, SPACING)[0]
    assert (plan.axis, plan.complete, plan.partial) == (0, slices, [])
    assert labels.annotated_slices(0) == slices and labels.values == VALUES and not labels.is_complete
    unfinished = np.where(array == OPEN, IGNORE, array)
    plan = plan_axes(SparseLabels(unfinished), SPACING)[0]
    assert (plan.complete, plan.partial) == ([5, 18], [6, 10, 11, 13, 17])
    whole = np.where(truth == 1, truth, OPEN).astype(np.int16)
    assert SparseLabels(whole).annotated_slices(1) == list(range(48)) and not SparseLabels(whole).is_complete


def test_the_labels_of_a_round_are_kept_with_what_they_leave_open(tmp_path):
    _volume, truth = two_organs()
    array = painted(truth)
    keep_labels(tmp_path, 1, [SparseLabels(array)])
    assert np.array_equal(kept_labels(tmp_path, 1, 0, array.shape).array, array)


def test_nothing_is_said_where_a_structure_is_painted_apart_and_beyond_up_to_a_slice_without_it():
    _volume, truth = two_organs()
    array = painted(truth)
    slices = sorted([*FIRST, *SECOND])
    assert unsaid(array, 0, slices, VALUES) == {1: [6, 11, 17], 2: [10, 13]}
    array[11][array[11] == OPEN] = 0  # somebody says that organ 1 is not there
    assert unsaid(array, 0, slices, VALUES) == {1: [6, 17], 2: [10, 13]}
    assert unsaid(np.maximum(array, 0), 0, slices, VALUES) == {}
    array = painted(truth)
    array[5, 0, 0] = array[18, 0, 0] = OPEN
    assert unsaid(array, 0, slices, VALUES) == {1: [6, 11, 17], 2: [5, 10, 13, 18]}
    array[2] = 0
    assert unsaid(array, 0, [2, *slices], VALUES)[2] == [5, 10, 13, 18], "it ends between 2 and 6"
    # painted on the same slices, with others beyond: there it has ended
    array[[10, 13]] = truth[[10, 13]]
    assert 2 not in unsaid(array, 0, slices, VALUES)


def test_a_shape_that_is_carried_to_an_open_place_keeps_off_what_is_known():
    volume, truth = two_organs()
    array = painted(truth)
    slices = sorted([*FIRST, *SECOND])
    view = View(volume, Normalisation.of(volume.array), 0, region_of_interest(array, 0), 0.8)
    own = {index: view.distances(array, index, VALUES) for index in slices}
    propagator = Propagator(view.cache(), own, view.slice_pixels)
    found = filled(propagator, view, array, {2: [10, 13]}, VALUES)
    for index in (10, 13):
        known = view.soft_labels(array, index, VALUES)[-1] > 0.5
        assert float(found[index][1][known].max()) <= -0.5
        assert float(found[index][1][~known].max()) > 2
        assert (found[index][0] == own[index][0]).all()
    assert found[5] is own[5]


def test_far_from_what_is_carried_an_open_place_is_background_and_padding_is_not():
    volume, truth = two_organs()
    array = painted(truth)
    view = View(volume, Normalisation.of(volume.array), 0, region_of_interest(array, 0), 0.8)
    own = {10: torch.stack([torch.full(view.size, 5.0), torch.full(view.size, -9.0)])}
    own[10][1, :, :20] = 3.0
    distance = carried(own, {2: [10]})[10]
    assert float(distance[0].max()) < -9, "organ 1 is complete on this slice"
    before = view.soft_labels(array, 10, VALUES)
    after = settled(view, before, distance, 1.0)
    open_ = before[-1] <= 0.5
    inner = torch.zeros_like(open_)
    inner[: view.inner[0], : view.inner[1]] = True
    right = torch.arange(view.size[1]) >= 20
    assert (after[:, ~(open_ & inner & right)] == before[:, ~(open_ & inner & right)]).all()
    assert (after[0] == 1)[open_ & inner & right].all() and (after[-1] == 1)[open_ & inner & right].all()
    assert (open_ & inner & right).any()


@pytest.mark.parametrize("axis", [1, 2])
def test_open_places_are_known_along_any_plane(axis):
    _volume, truth = two_organs()
    array = np.ascontiguousarray(np.moveaxis(painted(truth), 0, axis))
    plan = plan_axes(SparseLabels(array), SPACING)[0]
    assert (plan.axis, plan.complete) == (axis, sorted([*FIRST, *SECOND]))
