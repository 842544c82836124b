"""Random voxel grids: oblique, flipped, anisotropic, shifted; and arrays that tell every voxel apart."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from contrastive_seg.data.volume import Volume


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    """Rotation by three Euler angles."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    """A small volume on a random right-angled grid, left-handed ones too; every voxel is different."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3).filter(lambda s: np.prod(s) > 1))
    angles = draw(st.tuples(*[st.floats(-np.pi, np.pi)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.2, 8.0)] * 3))
    order = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    origin = draw(st.tuples(*[st.floats(-400, 400)] * 3))
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(angles)[:, list(order)] * signs * spacing
    matrix[:3, 3] = origin
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    return Volume(array, matrix, "random")
