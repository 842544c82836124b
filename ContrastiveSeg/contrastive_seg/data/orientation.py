"""Views of a volume in a common orientation, without copying it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contrastive_seg.data.volume import Volume


@dataclass(frozen=True)
class Orientation:
    """How an array (z, y, x) relates to one whose axes run to Superior, Anterior, Right.

    Patients are scanned in different orientations; a network trained on one must see the next the
    same way round. Only axes are permuted and flipped: nothing is interpolated.

    Attributes:
        order: Array axis of the image that becomes axis 0, 1, 2.
        flipped: Whether the image's direction is reversed, by new axis.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    @classmethod
    def of(cls, volume: Volume) -> Orientation:
        """The permutation closest to the volume's direction cosines."""
        directions = np.asarray(volume.ijk_to_ras, dtype=float)[:3, :3]
        norms = np.linalg.norm(directions, axis=0)
        directions = directions / np.where(norms > 0, norms, 1.0)
        # Rows R, A, S and columns i, j, k become S, A, R and z, y, x.
        cosines = directions[::-1, ::-1]
        order = [0, 0, 0]
        flipped = [False, False, False]
        left = np.abs(cosines)
        for _ in range(3):  # the clearest axis first, so that the result is always a permutation
            target, source = np.unravel_index(int(np.argmax(left)), (3, 3))
            order[int(target)] = int(source)
            flipped[int(target)] = bool(cosines[target, source] < 0)
            left = left.copy()
            left[target, :] = -1
            left[:, source] = -1
        return cls((order[0], order[1], order[2]), (flipped[0], flipped[1], flipped[2]))

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The array in the common orientation; shares its memory."""
        turned = np.transpose(array, self.order)
        return turned[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]

    def undo(self, array: np.ndarray) -> np.ndarray:
        """An array of the common orientation back on the image's own axes; shares its memory."""
        turned = array[tuple(slice(None, None, -1 if f else 1) for f in self.flipped)]
        return np.transpose(turned, np.argsort(self.order))

    def slice_of(self, one: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
        """A slice of an array, as axis and index, in the common orientation.

        Args:
            one: In the array.
            shape: Of the array.
        """
        axis = self.order.index(one[0])
        return axis, shape[one[0]] - 1 - one[1] if self.flipped[axis] else one[1]

    def turn(self, volume: Volume) -> Volume:
        """The volume in the common orientation; spacing follows, the origin is not kept."""
        spacing = [volume.spacing_zyx[a] for a in self.order]
        return Volume(
            self.apply(volume.array), np.diag([spacing[2], spacing[1], spacing[0], 1.0]), volume.name
        )
