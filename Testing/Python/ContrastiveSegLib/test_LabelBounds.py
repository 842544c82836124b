"""Boxes of all labels of an image, in one pass."""

import numpy as np
import pytest
import vtk
from vtk.util import numpy_support

from ContrastiveSegLib.Chunks import Chunks
from ContrastiveSegLib.LabelBounds import LabelBounds


def image_of(array):
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(array.ravel(), deep=True))
    return image, numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(array.shape)


def slow_reference(array):
    found = {}
    for value in set(array.ravel().tolist()) - {0}:
        where = np.nonzero(array == value)
        found[value] = tuple(slice(int(one.min()), int(one.max()) + 1) for one in where)
    return found


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("highest", [3, 100, 30_000])
def test_boxes_are_those_of_looking_for_each_label_alone(kind, highest):
    highest = min(highest, int(np.iinfo(kind).max)) if np.dtype(kind).kind != "f" else highest
    generator = np.random.default_rng(highest)
    array = generator.integers(0, highest + 1, (6, 9, 8)) * (generator.random((6, 9, 8)) < 0.2)
    image, voxels = image_of(array.astype(kind))
    assert Chunks.finish(LabelBounds.steps(image, voxels)) == slow_reference(array)


def test_an_image_is_looked_through_again_only_when_it_has_changed(monkeypatch):
    image, voxels = image_of(np.full((3, 4, 5), 7, np.uint8))
    looked = []
    quick = LabelBounds.valuesIn
    monkeypatch.setattr(LabelBounds, "valuesIn", staticmethod(lambda one: looked.append(1) or quick(one)))
    whole = (slice(0, 3), slice(0, 4), slice(0, 5))
    for _again in range(2):
        assert Chunks.finish(LabelBounds.steps(image, voxels)) == {7: whole}
    assert len(looked) == 3
    voxels[:] = 0
    voxels[1, 2, 3] = 9
    image.GetPointData().GetScalars().Modified()
    assert Chunks.finish(LabelBounds.steps(image, voxels)) == {9: (slice(1, 2), slice(2, 3), slice(3, 4))}


def test_an_image_without_labels_has_no_boxes():
    image, voxels = image_of(np.zeros((2, 3, 4), np.int16))
    assert Chunks.finish(LabelBounds.steps(image, voxels)) == {}


def test_what_runs_beside_gives_what_it_returns_or_raises():
    assert Chunks.finish(Chunks.beside(lambda: 42)) == 42

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Chunks.finish(Chunks.beside(fail))
