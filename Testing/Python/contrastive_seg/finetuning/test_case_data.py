"""What is made of a volume and its sparse labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contrastive_seg_phantom import dice, two_organs

from contrastive_seg.compute import choose_compute
from contrastive_seg.data.sparse_labels import IGNORE, SparseLabels
from contrastive_seg.finetuning.case_data import PreparedView, plan_axes, prepare_view
from contrastive_seg.finetuning.view import View, whole_plane
from contrastive_seg.inference.combine import ViewScores, combine
from contrastive_seg.inference.scores import score_view
from contrastive_seg.preprocessing import Normalisation

VALUES = (0, 1, 7)


def prepared(labels: SparseLabels) -> list[PreparedView]:
    volume, _ = two_organs()
    plans = plan_axes(labels, volume.spacing_zyx)
    return [prepare_view(volume, labels, plan, VALUES, min(volume.spacing_zyx)) for plan in plans]


def in_planes(slices: dict[int, list[int]]) -> SparseLabels:
    """The truth on slices by axis."""
    _, truth = two_organs()
    array = np.full(truth.shape, IGNORE, np.int16)
    for axis, indices in slices.items():
        np.moveaxis(array, axis, 0)[indices] = np.moveaxis(truth, axis, 0)[indices]
    return SparseLabels(array)


def test_a_slice_weighs_the_less_the_farther_the_next_one_of_its_plane_is():
    along_z, along_x = prepared(in_planes({0: [4, 12, 20], 2: [10, 30]}))
    assert (along_z.view.axis, along_x.view.axis) == (0, 2)
    assert torch.as_tensor(along_z.weight).argmax() in (4, 12, 20)
    falling = torch.as_tensor(along_z.weight)[4:9]
    assert (falling.diff() < 0).all() and falling[0] == torch.as_tensor(along_x.weight)[10]


def test_where_all_slices_are_known_all_weigh_the_same():
    _, truth = two_organs()
    for one in prepared(SparseLabels(truth.astype(np.int16))):
        assert len(torch.as_tensor(one.weight).unique()) == 1


@pytest.mark.parametrize("more", [{2: [20, 36]}, {1: [18], 2: [24]}])
def test_slices_of_other_planes_never_make_the_first_mask_worse(more):
    volume, truth = two_organs()

    def overlap(labels: SparseLabels) -> float:
        views = prepared(labels)
        compute = choose_compute("cpu", 1)
        items = [
            ViewScores(v.view, score_view(None, v.view, v.priors, 3, compute, ends=v.ends), v.weight)
            for v in views
        ]
        found = combine(items, volume.shape, VALUES, labels.array).labels
        unknown = in_planes({0: [2, 20], **more}).array == IGNORE  # the same voxels for both
        return float(np.mean([dice(found * unknown, truth * unknown, value) for value in (1, 7)]))

    assert overlap(in_planes({0: [2, 20], **more})) > overlap(in_planes({0: [2, 20]}))


def test_a_line_thinner_than_a_pixel_is_still_known():
    volume, truth = two_organs()
    pixel = 3 * min(volume.spacing_zyx)
    view = View(volume, Normalisation.of(volume.array), 0, whole_plane(volume, 0), pixel)
    labels = in_planes({2: [25]}).array
    found = view.known_pixels(labels, 12, VALUES)
    assert found.shape == view.size and set(np.unique(found)) <= {0, 1, 2, 3}
    column = int(25 * view.inner[1] / view.box.size[1])
    assert (found[: view.inner[0], column] > 0).all() and not np.delete(found, column, axis=1).any()
    assert not (view.soft_labels(labels, 12, VALUES)[-1] > 0.5).any()
    structures = {VALUES.index(v) + 1 for v in np.unique(truth[12, :, 25]) if v}
    assert structures and structures <= set(np.unique(found))
