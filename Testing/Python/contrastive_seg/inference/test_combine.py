import numpy as np
import pytest
import torch
from contrastive_seg_phantom import two_organs

from contrastive_seg.finetuning.view import Box, View, whole_plane
from contrastive_seg.inference import combine as combine_module
from contrastive_seg.inference.combine import ViewScores, combine
from contrastive_seg.preprocessing import Normalisation


def view_of(axis: int, box: Box | None = None, pixel: float | None = None) -> tuple[View, np.ndarray]:
    volume, truth = two_organs((10, 24, 32))
    spacing = [s for a, s in enumerate(volume.spacing_zyx) if a != axis]
    normalisation = Normalisation.of(volume.array)
    return View(volume, normalisation, axis, box or whole_plane(volume, axis), pixel or min(spacing)), truth


def scores_of(view: View, truth: np.ndarray, values: tuple[int, ...]) -> torch.Tensor:
    """Scores as a network would give them that knows the truth."""
    planes = [view.soft_labels(truth, i, values)[1:-1] for i in range(view.count)]
    stacked = torch.stack(planes, dim=1)[:, :, : view.inner[0], : view.inner[1]]
    return ((stacked - 0.5) * 20).half()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scores_on_the_images_own_pixels_come_back_voxel_by_voxel(axis):
    view, truth = view_of(axis)
    if view.inner != view.box.size:
        view.inner = view.box.size
        view.size = tuple(-(-s // 16) * 16 for s in view.inner)
    result = combine([ViewScores(view, scores_of(view, truth, (0, 1, 7)))], truth.shape, (0, 1, 7))
    np.testing.assert_array_equal(result.labels, truth)
    assert result.uncertainty.max() <= 100 and result.probability.max() == 100


def test_outside_the_box_is_background():
    view, truth = view_of(0, Box(0, 24, 0, 16))
    result = combine([ViewScores(view, scores_of(view, truth, (0, 1, 7)))], truth.shape, (0, 1, 7))
    assert (result.labels[:, :, 16:] == 0).all()
    np.testing.assert_array_equal(result.labels[:, :, :16], truth[:, :, :16])


def test_views_along_different_planes_agree_with_the_truth():
    items = []
    for axis in range(3):
        view, truth = view_of(axis, pixel=0.8)
        items.append(ViewScores(view, scores_of(view, truth, (0, 1, 7)), weight=1.0 + axis))
    result = combine(items, truth.shape, (0, 1, 7))
    assert (result.labels == truth).mean() > 0.99


@pytest.mark.parametrize("elements", [1, 12_000_000])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_each_slice_the_view_is_believed_that_has_more_weight_there(axis, elements, monkeypatch):
    monkeypatch.setattr(combine_module, "_SLAB_ELEMENTS", elements)
    right, truth = view_of(axis)
    wrong, _ = view_of((axis + 1) % 3)
    weight = torch.ones(right.count)
    weight[: right.count // 2] = 1e6
    weight[right.count // 2 :] = 1e-6
    items = [
        ViewScores(right, scores_of(right, truth, (0, 1, 7)), weight),
        ViewScores(wrong, torch.full((2, wrong.count, *wrong.inner), -5.0, dtype=torch.float16)),
    ]
    found = np.moveaxis(combine(items, truth.shape, (0, 1, 7)).labels, axis, 0)
    expected = np.moveaxis(truth, axis, 0)[: right.count // 2]
    assert (found[: right.count // 2] == expected).mean() > 0.99 and expected.any()
    assert not found[right.count // 2 :].any()


def test_thin_slabs_give_the_same_as_one(monkeypatch):
    view, truth = view_of(1)
    items = [ViewScores(view, scores_of(view, truth, (0, 1, 7)))]
    whole = combine(items, truth.shape, (0, 1, 7))
    monkeypatch.setattr(combine_module, "_SLAB_ELEMENTS", 1)
    thin = combine(items, truth.shape, (0, 1, 7))
    np.testing.assert_array_equal(whole.labels, thin.labels)
    np.testing.assert_array_equal(whole.uncertainty, thin.uncertainty)


def test_known_voxels_are_taken_over_and_certain():
    view, truth = view_of(0)
    wrong = torch.full((2, view.count, *view.inner), -5.0, dtype=torch.float16)
    known = np.full(truth.shape, -1, dtype=np.int16)
    known[5] = truth[5]
    result = combine([ViewScores(view, wrong)], truth.shape, (0, 1, 7), known)
    np.testing.assert_array_equal(result.labels[5], truth[5])
    assert (result.uncertainty[5] == 0).all()
    assert (result.labels[4] == 0).all()
