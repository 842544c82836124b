"""Which slices of a painted region somebody has annotated."""

from __future__ import annotations

import numpy as np

from ContrastiveSegLib.LabelBox import LabelBox

Slice = tuple[int, int]
"""Array axis (0, 1, 2 for z, y, x) and index along it."""


class SliceRule:
    """Finds the annotated slices from the painted voxels alone, along all three planes.

    Painting one axial slice also puts a row of voxels into hundreds of coronal and sagittal ones,
    which nobody has annotated. The rule, in three steps:

    1. *Thin slices.* A painted voxel speaks for a plane when nothing is painted on either side of
       that plane, but something is beside it along both other axes. A slice is annotated when at
       least a quarter of its painted voxels speak for it and no other plane has more voices on it.
       The row left by a perpendicular slice has no voice at all.
    2. *The rest* (neighbouring slices, whole blocks) is taken slice by slice along one plane: the
       volume's acquisition plane, or the plane most slices of step 1 lie in, unless another plane
       needs less than half as many slices.
    3. *Fewest slices.* Where the slices found lie in several planes although one plane alone would
       do with as few, that one is taken.

    The choice can be limited to one plane by the user; then every painted slice of it counts.
    """

    @classmethod
    def find(cls, painted: LabelBox, preferred: int = 0, axes: tuple[int, ...] = (0, 1, 2)) -> list[Slice]:
        """The annotated slices.

        Args:
            painted: Anything but 0 is painted.
            preferred: Array axis of the acquisition plane.
            axes: Planes that come into question.

        Returns:
            (axis, index) pairs in the whole grid, sorted.
        """
        mask = painted.array != 0
        if not mask.any():
            return []
        mask, kept = cls._squeezed(mask)
        if len(axes) == 1:
            found = cls._all(mask, axes[0])
        else:
            found = cls._several(mask, preferred if preferred in axes else axes[0], axes)
        return sorted((axis, int(kept[axis][index]) + painted.start[axis]) for axis, index in found)

    @staticmethod
    def _squeezed(mask: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Each row of empty slices becomes a single one, which changes nothing for the rule.

        Five painted slices of an organ lie in a box of hundreds, and this is asked after each stroke.

        Returns:
            The smaller mask, and along each axis the index that each of its slices had before.
        """
        kept = []
        for axis in range(3):
            painted = mask.any(axis=tuple(a for a in range(3) if a != axis))
            before = np.concatenate([[True], painted[:-1]])
            kept.append(np.flatnonzero(painted | before))
            mask = mask.take(kept[-1], axis)
        return mask, kept

    @classmethod
    def _several(cls, mask: np.ndarray, preferred: int, axes: tuple[int, ...]) -> list[Slice]:
        thin = cls._thin(mask, axes)
        rest = mask.copy()
        for axis, index in thin:
            rest[_at(axis, index)] = False
        found = list(thin)
        if rest.any():
            counts = {axis: sum(1 for one, _index in thin if one == axis) for axis in axes}
            likely = max(axes, key=lambda axis: (counts[axis], axis == preferred, -axis))
            found += cls._all(rest, cls._plane(rest, likely, axes))
        if len({axis for axis, _index in found}) > 1:
            alone = [cls._all(mask, axis) for axis in sorted(axes, key=lambda axis: axis != preferred)]
            fewest = min(alone, key=len)
            if len(fewest) <= len(found):
                return fewest
        return found

    @staticmethod
    def _thin(mask: np.ndarray, axes: tuple[int, ...]) -> list[Slice]:
        beside = [_beside(mask, axis) for axis in range(3)]
        voices = {}
        for axis in axes:
            a, b = (other for other in range(3) if other != axis)
            voices[axis] = mask & ~beside[axis] & beside[a] & beside[b]
        found = []
        for axis in axes:
            other = tuple(a for a in range(3) if a != axis)
            painted = mask.sum(axis=other)
            speaking = {one: voices[one].sum(axis=other) for one in axes}
            most = np.max([speaking[one] for one in axes], axis=0)
            own = speaking[axis]
            good = (own > 0) & (4 * own >= painted) & (own >= most)
            found += [(axis, int(index)) for index in np.flatnonzero(good)]
        return found

    @classmethod
    def _plane(cls, mask: np.ndarray, likely: int, axes: tuple[int, ...]) -> int:
        counts = {axis: len(cls._all(mask, axis)) for axis in axes}
        best = min(axes, key=lambda axis: counts[axis])
        return best if 2 * counts[best] < counts[likely] else likely

    @staticmethod
    def _all(mask: np.ndarray, axis: int) -> list[Slice]:
        other = tuple(a for a in range(3) if a != axis)
        return [(axis, int(index)) for index in np.flatnonzero(mask.any(axis=other))]


def _at(axis: int, index: int) -> tuple[slice | int, ...]:
    return tuple(index if a == axis else slice(None) for a in range(3))


def _beside(mask: np.ndarray, axis: int) -> np.ndarray:
    """Whether a neighbour along an axis, on either side, is painted."""
    found = np.zeros_like(mask)
    before = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
    after = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
    found[after] |= mask[before]
    found[before] |= mask[after]
    return found
