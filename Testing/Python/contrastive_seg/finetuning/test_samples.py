import numpy as np
import pytest
import torch
from contrastive_seg_phantom import keep_slices, two_organs

from contrastive_seg.compute import choose_compute
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.data.volume import Volume
from contrastive_seg.finetuning.case_data import PreparedView, plan_axes, prepare_view
from contrastive_seg.finetuning.samples import SliceSampler
from contrastive_seg.inference.scores import score_view, trust_after

VALUES = (0, 1, 7)


def prepared(volume: Volume, labels: SparseLabels) -> PreparedView:
    plan = plan_axes(labels, volume.spacing_zyx)[0]
    return prepare_view(volume, labels, plan, VALUES, 0.8)


@pytest.fixture
def a_small_structure_in_a_large_slice() -> tuple[Volume, np.ndarray]:
    volume, truth = two_organs((16, 40, 40))
    wide = np.random.default_rng(0).normal(100, 12, (16, 160, 160)).astype(np.float32)
    labels = np.zeros(wide.shape, np.int16)
    wide[:, 20:60, 30:70], labels[:, 20:60, 30:70] = volume.array, truth
    return Volume(wide, volume.ijk_to_ras, "large"), labels


def test_patches_also_come_from_beyond_the_region_of_interest(a_small_structure_in_a_large_slice):
    volume, truth = a_small_structure_in_a_large_slice
    view = prepared(volume, keep_slices(truth, [2, 6, 10, 14]))
    assert view.view.box.size[0] < 100
    assert {s.view.box.size for s in view.outside} == {(160, 160)}
    assert {s.index for s in view.outside} <= {2, 6, 10, 14}
    sampler = SliceSampler(view.samples, 3, outside=view.outside)
    drawn = [sampler._draw_one(np.random.default_rng(i)) for i in range(200)]
    outside = [prior for sample, prior in drawn if any(sample is one for one in view.outside)]
    assert 5 < len(outside) < 60
    assert all(prior is None for prior in outside)
    whole = prepared(volume, SparseLabels(truth))
    sampler = SliceSampler(whole.samples, 3, outside=whole.outside)
    drawn = [sampler._draw_one(np.random.default_rng(i))[0] for i in range(200)]
    assert 60 < sum(any(one is sample for one in whole.outside) for sample in drawn) < 100


def test_a_structure_that_fills_the_slice_needs_no_further_patches():
    volume, truth = two_organs()
    assert prepared(volume, keep_slices(truth, [4, 12, 20])).outside == []


def test_crops_differ_in_size_only_where_no_slice_tells_about_another():
    volume, truth = two_organs()
    painted = SliceSampler(prepared(volume, keep_slices(truth, [4, 12, 20])).samples, 3)
    assert not painted.vary_crops and painted.contrasts == 0
    complete = prepared(volume, SparseLabels(truth)).samples
    assert SliceSampler(complete, 3).vary_crops and SliceSampler(complete, 3).contrasts == 1
    more = [s for seed in range(4) for s in prepared(two_organs(seed=seed)[0], SparseLabels(truth)).samples]
    assert SliceSampler(more, 3).contrasts == 0.5


def test_out_of_reach_a_structure_that_has_ended_is_not_predicted():
    volume, truth = two_organs((80, 48, 56))
    truth[:] = 0
    truth[30:50, 10:30, 10:30] = 1
    truth[30:80, 30:40, 30:50] = 7
    view = prepared(volume, keep_slices(truth, [28, 40, 45]))

    class Sure(torch.nn.Module):
        """Believes in both structures everywhere."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([0.0, 5.0, 5.0]).view(1, 3, 1, 1).expand(len(x), 3, *x.shape[-2:])

    scores = score_view(Sure(), view.view, view.priors, 3, choose_compute("cpu", 1), ends=view.ends)
    assert 2 not in view.priors and 78 not in view.priors
    assert bool((scores[:, 2] < 0).all())  # both are absent from slice 28
    assert bool((scores[:, 78] > 0).all())  # both are present in slice 45


def test_a_network_that_has_hardly_begun_does_not_overrule_the_annotated_slices():
    volume, truth = two_organs()
    view = prepared(volume, keep_slices(truth, [4, 10, 16, 22]))

    class OnlyBackground(torch.nn.Module):
        """As sure of the background as a network is after its first steps."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([4.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(len(x), 3, *x.shape[-2:])

    def found(steps: int) -> int:
        arguments = (OnlyBackground(), view.view, view.priors, 3, choose_compute("cpu", 1))
        return int((score_view(*arguments, trust=trust_after(steps))[:, 7] > 0).sum())

    assert found(0) > 100
    assert found(0) > found(150) > found(300)
    assert trust_after(300) == trust_after(9999) == 1.0


def test_the_priors_of_an_annotated_slice_do_not_depend_on_what_is_painted_there():
    volume, truth = two_organs((40, 48, 56))
    slices = [6, 14, 22, 30]
    other = truth.copy()
    other[14] = 0
    other[14, 2:9, 40:52] = 7  # somewhere else altogether
    first, second = (
        next(s for s in prepared(volume, keep_slices(one, slices)).samples if s.index == 14)
        for one in (truth, other)
    )
    assert not torch.equal(first.soft, second.soft)
    for a, b in zip(first.left_out, second.left_out, strict=True):
        assert torch.equal(a.distance, b.distance) and torch.equal(a.disagreement, b.disagreement)


def test_a_small_complete_volume_is_seen_along_all_axes_unless_its_slices_are_thick():
    labels = SparseLabels(two_organs()[1])
    assert [(p.axis, p.again) for p in plan_axes(labels, (1.2, 1.0, 1.0))] == [
        (0, False),
        (1, True),
        (2, True),
    ]
    assert [p.axis for p in plan_axes(labels, (5.0, 1.0, 1.0))] == [0]


def test_scribbles_on_all_slices_are_read_along_the_plane_in_which_they_were_drawn():
    rng = np.random.default_rng(0)
    array = np.full((10, 40, 36), IGNORE, np.int16)
    for plane in array:  # two strokes a slice, each somewhere else
        for value in (0, 1):
            y, x = rng.integers(2, 30, 2)
            plane[y : y + 2, x : x + 6] = value
    for turned, axis in ((array, 0), (np.moveaxis(array, 0, 1), 1), (np.moveaxis(array, 0, 2), 2)):
        (plan,) = plan_axes(SparseLabels(np.ascontiguousarray(turned)), (1.0, 1.0, 1.0))
        assert plan.axis == axis and plan.partial == list(range(10))
    few = np.full((40, 40, 40), IGNORE, np.int16)
    few[20, 5:35, 5:8] = 1
    few[20:24, 30, 3:36] = 0  # one stroke leaves the slice: still 4 of 40
    assert [p.axis for p in plan_axes(SparseLabels(few), (1.0, 1.0, 1.0))] == [0]


def test_what_is_kept_for_the_estimate_is_not_learnt_along_another_axis_either():
    volume, truth = two_organs()
    plan = next(p for p in plan_axes(SparseLabels(truth), (1.0, 1.0, 1.0)) if p.axis == 1)
    view = prepare_view(volume, SparseLabels(truth), plan, VALUES, 0.8, hidden={0: [9], 1: [3]})
    known = view.samples[20].soft[-1]
    row = round((9 + 0.5) * volume.spacing_zyx[0] / 0.8 - 0.5)
    assert bool((known[row, : view.view.inner[1]] < 1).all()) and bool(
        (known[0, : view.view.inner[1]] == 1).all()
    )
    nothing = prepare_view(
        volume, SparseLabels(truth), plan, VALUES, 0.8, hidden={0: list(range(len(truth)))}
    )
    assert nothing.samples == []
