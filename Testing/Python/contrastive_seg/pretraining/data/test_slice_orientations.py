"""The same anatomy stored along any axes in any direction gives the same slices and positions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from slice_files import voxels

from contrastive_seg.pretraining.data.slices import SliceData

RAS = voxels((7, 9, 6))
SPACING = np.array([1.0, 1.5, 4.0])
ORIGIN = np.array([-20.0, 13.0, 100.0])


def save(path: Path, order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    """Writes the anatomy with its axes permuted and turned round; every voxel stays where it is."""
    array = np.transpose(RAS, order)
    affine = np.zeros((4, 4))
    affine[:3, 3], affine[3, 3] = ORIGIN, 1
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        affine[source, axis] = -SPACING[source] if flip else SPACING[source]
        if flip:
            array = np.flip(array, axis)
            affine[source, 3] += SPACING[source] * (RAS.shape[source] - 1)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.booleans()] * 3),
    plane=st.sampled_from([None, "axial", "coronal", "sagittal"]),
    positions=st.sampled_from(["relative", "mm"]),
)
def test_storage_does_not_matter(
    order: list[int], flips: tuple[bool, ...], plane: str | None, positions: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(folder / "a.nii.gz", (0, 1, 2), (False, False, False))
        save(folder / "b.nii.gz", tuple(order), flips)
        data = SliceData(folder, size=16, plane=plane, positions=positions, context=3)
        batch = data.batch(0, data.count, 0)
        for one in range(data.count):
            same = (batch.volumes != batch.volumes[one]) & (
                (batch.positions - batch.positions[one]).abs() < 1e-3
            )
            assert int(same.sum()) == 1
            other = int(same.nonzero()[0, 0])
            assert float((batch.images[one] - batch.images[other]).abs().max()) < 1e-6
            assert batch.partitions[one] == batch.partitions[other]


def test_millimetres_are_those_of_the_file(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", (2, 0, 1), (True, False, True))
    data = SliceData(tmp_path, size=16, plane="axial", positions="mm")
    found = sorted(data.batch(0, data.count, 0).positions.tolist())
    assert np.allclose(found, 100 + 4 * np.arange(6), atol=1e-4)
