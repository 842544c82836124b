"""Which slices the demo takes as annotated, as a user would who pages through the volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contrastive_seg.data.annotated import plane_axis
from contrastive_seg.data.sparse_labels import IGNORE, PLANES
from contrastive_seg.data.volume import Volume
from contrastive_seg.errors import ContrastiveSegError

_THICKER = 1.2


@dataclass(frozen=True)
class Annotation:
    """What the simulated user has painted.

    Attributes:
        plane: Name of the slices' plane (see :data:`~contrastive_seg.data.sparse_labels.PLANES`).
        painted: Slices that show structures.
        empty: Slices right beyond the structures, said to be empty.
        sparse: int16 labels (z, y, x): truth on these slices, IGNORE elsewhere.
    """

    plane: str
    painted: list[int]
    empty: list[int]
    sparse: np.ndarray

    @property
    def axis(self) -> int:
        """Array axis that counts the slices."""
        return PLANES.index(self.plane)

    @property
    def slices(self) -> list[int]:
        """All annotated slices, sorted."""
        return sorted({*self.painted, *self.empty})

    @property
    def values(self) -> list[int]:
        """Structures that occur on an annotated slice: what can be learnt."""
        return [int(v) for v in np.unique(self.sparse) if v > 0]


def annotate(truth: np.ndarray, volume: Volume, count: int, plane: str | None) -> Annotation:
    """Keeps the truth of a few slices.

    They lie strictly inside the extent of the structures with equal gaps, and one empty slice right
    beyond each end tells where they stop (none where the volume ends there).

    Args:
        truth: Full label map, (z, y, x), 0 is background.
        volume: The image; without a plane its thickest voxel edge decides which slices there are.
        count: Number of slices that show structures, at least 1.
        plane: ``axial``, ``coronal``, ``sagittal`` or None.

    Raises:
        ContrastiveSegError: ``no-annotation`` for an empty label map or slices without a structure,
            ``bad-annotated`` for an unknown plane, ``nothing-to-predict`` when no slice
            would be left.
    """
    axis = _thickest(volume) if plane is None else plane_axis(plane)
    found = np.flatnonzero((truth > 0).any(axis=tuple(a for a in range(3) if a != axis)))
    if not len(found):
        raise ContrastiveSegError(
            "no-annotation",
            "The label map is empty, so there is no structure to show.",
            "Choose the full label map of the image.",
        )
    first, last = int(found[0]), int(found[-1])
    painted = sorted({int(i) for i in np.round(np.linspace(first, last, count + 2)[1:-1])})
    empty = [i for i in (first - 1, last + 1) if 0 <= i < truth.shape[axis]]
    if len(painted) >= last - first + 1:
        raise ContrastiveSegError(
            "nothing-to-predict",
            f"The structures cover {last - first + 1} {PLANES[axis]} slices, and {count} would be annotated.",
            "Choose fewer slices (--slices) or another plane (--plane).",
        )
    sparse = np.full(truth.shape, IGNORE, np.int16)
    kept = [*painted, *empty]
    np.moveaxis(sparse, axis, 0)[kept] = np.moveaxis(truth, axis, 0)[kept]
    if not (sparse > 0).any():
        raise ContrastiveSegError(
            "no-annotation",
            f"No structure occurs on the {PLANES[axis]} slices {', '.join(str(i) for i in painted)}.",
            "Choose more slices (--slices) or another plane (--plane).",
        )
    return Annotation(PLANES[axis], painted, empty, sparse)


def _thickest(volume: Volume) -> int:
    """The slices of the acquisition; axial where voxels are about cubic."""
    spacing = volume.spacing_zyx
    axis = int(np.argmax(spacing))
    return axis if spacing[axis] > _THICKER * min(spacing) else 0
